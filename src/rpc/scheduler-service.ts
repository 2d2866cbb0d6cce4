/**
 * The scheduler's gRPC service, both sides, in the project's own types.
 *
 * Owns: how the generated service meets MessageStream and the codec, for the server (scheduler) and
 * its clients (drivers, worker daemons). Generated types stop here.
 */
import type {
  CallOptions,
  Client,
  Metadata,
  Server,
  ServerDuplexStream,
  ServiceError,
  sendUnaryData,
} from "@grpc/grpc-js";
import { bearer, createClient, noticeSilence } from "./channel.ts";
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
  type CancelRunReply,
  type ExplainReply,
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
import { clientCredentials, type TlsFiles } from "./tls.ts";

/** A scheduler answers a question at once, or something is wrong with it. */
const ANSWER_MS = 5000;

/** What a scheduler does for its callers. A handler's end ends the call; its error is the status. */
export interface SchedulerHandlers {
  work(stream: MessageStream<WorkerReport, WorkerOrder>, peer: string): Promise<void>;
  drive(stream: MessageStream<DriverRequest, DriverEvent>, peer: string): Promise<void>;
  status(): SchedulerStatus;
  /** Throws RaysidueError "bad-input" for an unknown run, task or device. */
  explain(runId: string, subject: string): string[];
  /** Returns the run's whole id. Throws as `explain`. */
  cancelRun(runId: string, reason: string): string;
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
    explain: (call, reply) => {
      const { runId, subject } = call.request;
      answerOnce(reply, () => ({ lines: handlers.explain(runId, subject) }));
    },
    cancelRun: (call, reply) => {
      const { runId, reason } = call.request;
      answerOnce(reply, () => ({ runId: handlers.cancelRun(runId, reason) }));
    },
  };
  server.addService(SchedulerService, service);
}

/** Answers a single call with what `handle` returns, or with its error as the status. */
function answerOnce<T>(reply: sendUnaryData<T>, handle: () => T): void {
  try {
    reply(null, handle());
  } catch (thrown) {
    reply(toStatus(thrown));
  }
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

  /**
   * `silenceMs`: a scheduler that answers no ping for so long is taken for gone. `tls` absent: plain
   * text. Throws RaysidueError "bad-input" where the certificates do not fit.
   */
  constructor(
    address: string,
    token: string,
    { silenceMs, tls }: { readonly silenceMs?: number; readonly tls?: TlsFiles | undefined } = {},
  ) {
    this.address = address;
    this.#token = token;
    const notice = noticeSilence(silenceMs);
    this.#client = createClient(SchedulerClient as never, address, clientCredentials(tls), notice);
  }

  work(): MessageStream<WorkerOrder, WorkerReport> {
    return this.#stream(this.#client.work(bearer(this.#token)), decodeOrder, encodeReport);
  }

  drive(): MessageStream<DriverEvent, DriverRequest> {
    return this.#stream(this.#client.drive(bearer(this.#token)), decodeEvent, encodeRequest);
  }

  /** Throws RaysidueError "try-again" where nobody answers within `timeoutMs`. */
  status(timeoutMs: number): Promise<SchedulerStatus> {
    return this.#ask((...call) => this.#client.status({}, ...call), timeoutMs);
  }

  /** Sentences about a run, one of its tasks, or a device. Throws "bad-input" for unknown ones. */
  async explain(runId: string, subject: string): Promise<readonly string[]> {
    const request = { runId, subject };
    return (await this.#ask<ExplainReply>((...call) => this.#client.explain(request, ...call)))
      .lines;
  }

  /** Ends a run; returns its whole id. */
  async cancelRun(runId: string, reason: string): Promise<string> {
    const request = { runId, reason };
    const reply = await this.#ask<CancelRunReply>((...call) =>
      this.#client.cancelRun(request, ...call),
    );
    return reply.runId;
  }

  close(): void {
    (this.#client as Client).close();
  }

  #ask<T>(
    call: (
      metadata: Metadata,
      options: Partial<CallOptions>,
      done: (error: ServiceError | null, reply: T) => void,
    ) => void,
    timeoutMs = ANSWER_MS,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      call(bearer(this.#token), { deadline: Date.now() + timeoutMs }, (error, reply) => {
        if (error !== null) reject(fromStatus(error, this.#peer));
        else resolve(reply);
      });
    });
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
