/**
 * One run's stream to the scheduler: tasks out, events in.
 *
 * Owns: credit (the scheduler says how many item bytes it takes) and numbering. Invariant: `submit`
 * waits where there is no credit or the socket is full, so memory here never grows with the input.
 */
import { Deferred } from "../../base/deferred.ts";
import { RaysidueError } from "../../base/errors.ts";
import type { DriverEvent, DriverRequest, RunSpec } from "../../rpc/messages.ts";
import type { SchedulerConnection } from "../../rpc/scheduler-service.ts";
import type { MessageStream } from "../../rpc/stream.ts";

/** Items of one submission, before they have task numbers. */
export interface Submission {
  readonly data: Uint8Array;
  readonly sizes: readonly number[];
  readonly costs: readonly number[];
  /** `[items, 32]` */
  readonly keys: Uint8Array;
}

/** Views of a submission's items. */
export function itemsOf({ data, sizes }: Pick<Submission, "data" | "sizes">): Uint8Array[] {
  let end = 0;
  return sizes.map((size) => {
    end += size;
    return data.subarray(end - size, end);
  });
}

export class TaskStream {
  readonly #stream: MessageStream<DriverEvent, DriverRequest>;
  #creditBytes = 0;
  #nextTask = 0;
  #change = new Deferred<void>();
  #failure: unknown;
  #hasEnded = false;

  readonly runId: string;

  constructor(connection: SchedulerConnection, spec: RunSpec) {
    this.runId = spec.runId;
    this.#stream = connection.drive();
    this.#stream.send({ type: "open", ...spec });
  }

  /** Sends items when there is credit for them; returns the number of the first task. */
  async submit({ data, sizes, costs, keys }: Submission): Promise<number> {
    // A frame over the whole credit may go when nothing else is outstanding; frames are small.
    while (this.#creditBytes < data.byteLength) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#hasEnded) throw new RaysidueError("cancelled", "the run has ended");
      await this.#change.promise;
    }
    this.#creditBytes -= data.byteLength;
    const first = this.#nextTask;
    this.#nextTask += sizes.length;
    const tasks = sizes.map((_, i) => first + i);
    if (!this.#stream.send({ type: "submit", data, sizes, tasks, costs, keys })) {
      await this.#stream.ready();
    }
    return first;
  }

  endInput(): void {
    this.#stream.send({ type: "endOfInput" });
  }

  /** The run ends within a batch; its events then end. */
  cancel(reason: string): void {
    this.#stream.send({ type: "cancel", reason });
  }

  /** Leaves at once, without waiting for the run's end. */
  abandon(): void {
    this.#stream.break(new RaysidueError("cancelled", "the driver left"));
  }

  /** Events in order; the last one is `ended`. Throws where the connection breaks before that. */
  async *events(): AsyncGenerator<DriverEvent> {
    try {
      for await (const event of this.#stream.messages()) {
        if (event.type === "credit") {
          this.#creditBytes += event.bytes;
          this.#signal();
          continue;
        }
        if (event.type === "ended") this.#hasEnded = true;
        yield event;
      }
      if (!this.#hasEnded) {
        throw new RaysidueError("try-again", "the scheduler closed the run's stream; run it again");
      }
    } catch (thrown) {
      this.#failure = thrown;
      throw thrown;
    } finally {
      this.#signal();
    }
  }

  #signal(): void {
    const change = this.#change;
    this.#change = new Deferred();
    change.resolve();
  }
}
