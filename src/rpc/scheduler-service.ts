/**
 * The scheduler's gRPC service, both sides, in the project's own types.
 *
 * Owns: how the generated service meets MessageStream and the codec, for the server (scheduler) and
 * its clients (drivers, worker daemons). Generated types stop here.
 */
import type { Client, Server, ServerDuplexStream } from "@grpc/grpc-js";
import { bearer, createClient } from "./channel.ts";
import {
  decodeEvent,
  decodeOrder,
  decodeReport,
  decodeRequest,
  encodeEvent,
  encodeOrder,
  encodeReport,
  encodeRequest,
} from "./codec.ts";
import {
  SchedulerClient,
  type SchedulerServer,
  SchedulerService,
} from "./gen/raysidue/v1/scheduler.ts";
import type {
  DriverEvent,
  DriverRequest,
  SchedulerStatus,
  WorkerOrder,
  WorkerReport,
} from "./messages.ts";
import { fromStatus, toStatus } from "./status.ts";
import { MessageStream, type RawStream } from "./stream.ts";

/** What a scheduler does for its callers. A handler's end ends the call; its error is the status. */
export interface SchedulerHandlers {
  work(stream: MessageStream<WorkerReport, WorkerOrder>, peer: string): Promise<void>;
  drive(stream: MessageStream<DriverRequest, DriverEvent>, peer: string): Promise<void>;
  status(): SchedulerStatus;
}

export function addSchedulerService(server: Server, handlers: SchedulerHandlers): void {
  const service: SchedulerServer = {
    work: (call) => {
      const stream = new MessageStream(call, `worker at ${call.getPeer()}`, {
        decode: decodeReport,
        encode: encodeOrder,
      });
      answer(call, handlers.work(stream, call.getPeer()));
    },
    drive: (call) => {
      const stream = new MessageStream(call, `driver at ${call.getPeer()}`, {
        decode: decodeRequest,
        encode: encodeEvent,
      });
      answer(call, handlers.drive(stream, call.getPeer()));
    },
    status: (_call, reply) => {
      const { version, workers, runs } = handlers.status();
      reply(null, {
        version,
        workers: workers.map((worker) => ({ ...worker, devices: [...worker.devices] })),
        runs: [...runs],
      });
    },
  };
  server.addService(SchedulerService, service);
}

/** Ends a server's stream by how its handler ended. */
function answer<In, Out>(call: ServerDuplexStream<In, Out>, handled: Promise<void>): void {
  handled.then(
    () => call.end(),
    (thrown: unknown) => {
      call.emit("error", toStatus(thrown));
    },
  );
}

/** A connection to a scheduler at `HOST:PORT`. Every call carries the token. */
export class SchedulerConnection {
  readonly address: string;
  readonly #client: SchedulerClient;
  readonly #token: string;

  constructor(address: string, token: string) {
    this.address = address;
    this.#token = token;
    this.#client = createClient(SchedulerClient as never, address);
  }

  work(): MessageStream<WorkerOrder, WorkerReport> {
    return this.#stream(this.#client.work(bearer(this.#token)), decodeOrder, encodeReport);
  }

  drive(): MessageStream<DriverEvent, DriverRequest> {
    return this.#stream(this.#client.drive(bearer(this.#token)), decodeEvent, encodeRequest);
  }

  /** Throws RaysidueError "try-again" where nobody answers within `timeoutMs`. */
  status(timeoutMs: number): Promise<SchedulerStatus> {
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + timeoutMs };
      this.#client.status({}, bearer(this.#token), options, (error, reply) => {
        if (error !== null) reject(fromStatus(error, this.#peer));
        else resolve(reply);
      });
    });
  }

  close(): void {
    (this.#client as Client).close();
  }

  get #peer(): string {
    return `scheduler at ${this.address}`;
  }

  #stream<WireIn, In, WireOut, Out>(
    raw: RawStream,
    decode: (wire: WireIn) => In,
    encode: (message: Out) => WireOut,
  ): MessageStream<In, Out> {
    return new MessageStream(raw, this.#peer, { decode, encode });
  }
}
