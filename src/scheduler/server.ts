/**
 * The scheduler's gRPC server: streams in, calls of the shell out.
 *
 * Owns: the two streams' manners (first message, what an ending stream means) and the address.
 * Invariant: a stream that breaks tells the shell exactly once. No decisions here.
 */
import { performance } from "node:perf_hooks";
import { Deferred } from "../base/deferred.ts";
import { messageOf, RaysidueError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { createServer, listen } from "../rpc/channel.ts";
import { PROTOCOL } from "../rpc/codec.ts";
import type { DriverEvent, DriverRequest, WorkerOrder, WorkerReport } from "../rpc/messages.ts";
import { addSchedulerService } from "../rpc/scheduler-service.ts";
import type { MessageStream } from "../rpc/stream.ts";
import type { ServerTls } from "../rpc/tls.ts";
import type { RunId, WorkerId } from "./core/events.ts";
import { SchedulerShell } from "./shell.ts";

/** A worker that is alive says so this often ... */
const HEARTBEAT_MS = 1000;
/** ... and is given up after this long without a word: three missed heartbeats. */
const LOST_AFTER_MS = 3000;

export interface SchedulerOptions {
  /** `HOST:PORT`; port 0 takes any free one. */
  readonly listen: string;
  readonly token: string;
  /** Absent: plain text. */
  readonly tls?: ServerTls | undefined;
  readonly log: Log;
  readonly version: string;
  readonly lostAfterMs?: number;
  /** How long what no worker can compute waits for one that can. */
  readonly refusalGraceMs?: number;
}

export class SchedulerServer {
  readonly #options: SchedulerOptions;
  readonly #shell: SchedulerShell;
  readonly #server;
  readonly #closed = new Deferred<void>();
  #address = "";

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#server = createServer(options.token);
    this.#shell = new SchedulerShell({
      log: options.log,
      version: options.version,
      heartbeatMs: HEARTBEAT_MS,
      lostAfterMs: options.lostAfterMs ?? LOST_AFTER_MS,
      ...(options.refusalGraceMs !== undefined && { refusalGraceMs: options.refusalGraceMs }),
      now: () => performance.now(),
    });
  }

  /** `HOST:PORT` once started. */
  get address(): string {
    return this.#address;
  }

  async start(): Promise<void> {
    addSchedulerService(this.#server, {
      work: (stream, peer) => this.#work(stream, peer),
      drive: (stream, peer) => this.#drive(stream, peer),
      status: () => this.#shell.status(),
      explain: (runId, subject) => this.#shell.explain(runId, subject),
      cancelRun: (runId, reason) => this.#shell.cancelNamed(runId, reason),
    });
    const port = await listen(this.#server, this.#options.listen, this.#options.tls);
    this.#address = `${this.#options.listen.slice(0, this.#options.listen.lastIndexOf(":"))}:${port}`;
    this.#shell.start();
  }

  /** Settles when the server is closed. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Ends every stream at once. Runs in progress are lost here; their drivers resume elsewhere. */
  close(): void {
    this.#shell.close();
    this.#server.forceShutdown();
    this.#closed.resolve();
  }

  async #work(stream: MessageStream<WorkerReport, WorkerOrder>, peer: string): Promise<void> {
    let id: WorkerId | undefined;
    let reason = "it closed the connection";
    try {
      for await (const report of stream.messages()) {
        if (id !== undefined) this.#shell.hear(id, report);
        else id = this.#register(report, stream, peer);
        if (!stream.isOpen) break;
      }
    } catch (thrown) {
      reason = messageOf(thrown);
      throw thrown;
    } finally {
      if (id !== undefined) this.#shell.lose(id, reason);
    }
  }

  #register(
    report: WorkerReport,
    stream: MessageStream<WorkerReport, WorkerOrder>,
    peer: string,
  ): WorkerId {
    if (report.type !== "register") {
      throw new RaysidueError("bad-input", `worker at ${peer} sent ${report.type} unregistered`);
    }
    if (report.protocol !== PROTOCOL) {
      throw new RaysidueError(
        "unavailable",
        `worker ${report.host} speaks protocol ${report.protocol}, this scheduler ${PROTOCOL}; ` +
          "install the same raysidue on both",
      );
    }
    const send = (order: WorkerOrder) => void stream.send(order);
    const close = (reason: string) => stream.break(new RaysidueError("try-again", reason));
    return this.#shell.join(report, send, close);
  }

  async #drive(stream: MessageStream<DriverRequest, DriverEvent>, peer: string): Promise<void> {
    let run: RunId | undefined;
    let hasEnded = false;
    const send = (event: DriverEvent) => {
      stream.send(event);
      if (event.type !== "ended") return;
      hasEnded = true;
      stream.end();
    };
    try {
      for await (const request of stream.messages()) {
        if (request.type === "open") {
          if (run !== undefined) {
            throw new RaysidueError("bad-input", `driver at ${peer}: one run a stream`);
          }
          const { type: _, ...spec } = request;
          run = this.#shell.openRun(spec, send);
        } else if (run === undefined) {
          throw new RaysidueError("bad-input", `driver at ${peer} sent ${request.type} unopened`);
        } else if (request.type === "submit") this.#shell.submit(run, request);
        else if (request.type === "endOfInput") this.#shell.endInput(run);
        else if (request.type === "cancel") this.#shell.cancel(run, request.reason);
        else request satisfies never;
        // Leaving the loop here would destroy the call before the run's end has left it.
      }
    } finally {
      if (run !== undefined && !hasEnded) this.#shell.cancel(run, "its driver is gone");
    }
  }
}
