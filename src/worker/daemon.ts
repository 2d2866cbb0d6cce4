/**
 * The worker daemon: one a node, attached to one scheduler.
 *
 * Modes: *attached* (registered, runs open, lanes fed), *detached* (the scheduler is out of reach:
 * waiting batches are dropped, it is tried again with back-off until the grace time is over),
 * *draining* (what runs is finished, nothing new is taken), *closed*. Owns: the connection and the
 * life of everything below it. Decides nothing about placement.
 */
import { randomUUID } from "node:crypto";
import os from "node:os";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { Deferred } from "../base/deferred.ts";
import { messageOf, RaysidueError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { EngineRegistry, type NamedEngine } from "../engine/host/engine-registry.ts";
import { PROTOCOL } from "../rpc/codec.ts";
import type { AssignedBatch, RunSpec, WorkerOrder, WorkerReport } from "../rpc/messages.ts";
import { SchedulerConnection } from "../rpc/scheduler-service.ts";
import type { MessageStream } from "../rpc/stream.ts";
import type { ServerTls, TlsFiles } from "../rpc/tls.ts";
import { BulkServer } from "./bulk-server.ts";
import { type DeviceOptions, Devices } from "./devices.ts";
import { EnginePool } from "./engine-pool.ts";
import { IdleWatch } from "./idle-watch.ts";
import { ServedRun, type WorkerEngines } from "./served-run.ts";
import { Spools } from "./spools.ts";

const BACKOFF_FIRST_MS = 200;
const BACKOFF_MAX_MS = 5000;
/** A connection that lasted this long was a good one. */
const STEADY_MS = 10_000;

export interface WorkerOptions extends DeviceOptions {
  /** `HOST:PORT` of the scheduler. */
  readonly scheduler: string;
  /** Of the scheduler; absent: plain text. */
  readonly schedulerTls?: TlsFiles | undefined;
  /** Of this worker's own service; absent: plain text. */
  readonly tls?: ServerTls | undefined;
  readonly token: string;
  /** `HOST:PORT` for drivers that do not share storage; port 0: any. */
  readonly listen: string;
  /** Engines that this worker has beside those of raysidue. */
  readonly ownEngines: readonly NamedEngine[];
  /** Rows of runs whose folder is not reached from here. */
  readonly spoolFolder: string;
  /** Without a scheduler for this long, the daemon ends. */
  readonly graceMs: number;
  /** Without work for this long, the daemon drains and ends; absent: it stays. */
  readonly idleMaxMs?: number | undefined;
  /** When this node is taken away (`performance.now()`), if that is known: it drains before. */
  readonly endsAt?: number | undefined;
  readonly version: string;
  readonly log: Log;
}

export class WorkerDaemon {
  readonly #options: WorkerOptions;
  readonly #workerId = randomUUID();
  readonly #scheduler: SchedulerConnection;
  readonly #devices: Devices;
  readonly #engines: WorkerEngines;
  readonly #bulk: BulkServer;
  readonly #spools: Spools;
  readonly #runs = new Map<string, ServedRun>();
  readonly #closed = new Deferred<void>();
  readonly #stop = new AbortController();
  readonly #idle = new IdleWatch(() => this.#devices.all.every(({ lane }) => lane.isIdle));
  #stream: MessageStream<WorkerOrder, WorkerReport> | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #isDraining = false;
  #closing: Promise<void> | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const tls = options.schedulerTls;
    this.#scheduler = new SchedulerConnection(options.scheduler, options.token, { tls });
    this.#devices = new Devices(options, (report) => this.#send(report));
    const onMake = (text: string) => options.log.info({}, text);
    this.#engines = {
      registry: new EngineRegistry(options.ownEngines, onMake),
      pool: new EnginePool(options.log),
    };
    this.#spools = new Spools(options.spoolFolder);
    this.#bulk = new BulkServer(
      options,
      (runId) => this.#runs.get(runId)?.folder ?? this.#spools.read(runId),
    );
  }

  get workerId(): string {
    return this.#workerId;
  }

  /** Settles when the daemon has ended; rejects with why, if it gave up. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  async start(): Promise<void> {
    await this.#bulk.start();
    const { idleMaxMs } = this.#options;
    if (idleMaxMs !== undefined) {
      this.#idle.start(idleMaxMs, () => this.drain(`no work for ${idleMaxMs / 1000} s`));
    }
    void this.#attachAgainAndAgain();
  }

  /** Takes nothing new, finishes what runs, then closes. */
  drain(reason: string): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#options.log.info({ reason }, "draining");
    this.#send({ type: "draining", reason });
    void this.#closeWhenIdle();
  }

  /** Ends everything below at once. Repeated calls share one promise. */
  close(reason?: RaysidueError): Promise<void> {
    this.#closing ??= this.#close(reason);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(reason?: RaysidueError): Promise<void> {
    this.#stop.abort();
    this.#idle.stop();
    clearInterval(this.#heartbeat);
    for (const device of this.#devices.all) device.lane.abandon();
    this.#stream?.break(new RaysidueError("cancelled", "the worker is closing"));
    await Promise.all([...this.#runs.values()].map((run) => run.close()));
    await this.#engines.pool.close();
    this.#bulk.close();
    this.#scheduler.close();
    await this.#spools.close();
    if (reason === undefined) this.#closed.resolve();
    else this.#closed.reject(reason);
  }

  // ---- the connection ------------------------------------------------------------------------

  async #attachAgainAndAgain(): Promise<void> {
    let backoffMs = BACKOFF_FIRST_MS;
    let detachedSince = performance.now();
    while (!this.#stop.signal.aborted) {
      let why: unknown = "it closed the connection";
      try {
        const attachedAt = performance.now();
        if (await this.#attach()) detachedSince = performance.now();
        // A connection that breaks at once is no success: back off as if there were none.
        if (detachedSince - attachedAt > STEADY_MS) backoffMs = BACKOFF_FIRST_MS;
      } catch (thrown) {
        why = thrown;
      }
      this.#detach();
      if (this.#stop.signal.aborted) return;
      if (why instanceof RaysidueError && ["unauthenticated", "unavailable"].includes(why.code)) {
        return void this.close(why);
      }
      const detachedMs = performance.now() - detachedSince;
      if (detachedMs > this.#options.graceMs)
        return void this.close(this.#givenUp(why, detachedMs));
      this.#options.log.warn({ why: messageOf(why), backoffMs }, "no scheduler; trying again");
      await delay(backoffMs, undefined, { signal: this.#stop.signal }).catch(() => {});
      backoffMs = Math.min(BACKOFF_MAX_MS, backoffMs * 2);
    }
  }

  #givenUp(why: unknown, detachedMs: number): RaysidueError {
    const { scheduler } = this.#options;
    const text = `no scheduler at ${scheduler} for ${Math.round(detachedMs / 1000)} s (${messageOf(why)})`;
    return new RaysidueError("unavailable", `${text}; start one or check the address`);
  }

  /** Until the walltime ends; 0 where there is none. */
  #endsInMs(): number {
    const { endsAt } = this.#options;
    return endsAt === undefined ? 0 : Math.max(1, Math.round(endsAt - performance.now()));
  }

  /** One connection's life. Returns whether the scheduler had taken this worker. */
  async #attach(): Promise<boolean> {
    let isRegistered = false;
    const stream = this.#scheduler.work();
    this.#stream = stream;
    this.#send({
      type: "register",
      workerId: this.#workerId,
      host: os.hostname(),
      pid: process.pid,
      protocol: PROTOCOL,
      version: this.#options.version,
      bulkAddress: this.#bulk.address,
      endsInMs: this.#endsInMs(),
    });
    try {
      for await (const order of stream.messages()) {
        isRegistered ||= order.type === "registered";
        this.#obey(order);
      }
    } catch (thrown) {
      if (!isRegistered) throw thrown;
      this.#options.log.warn({ why: messageOf(thrown) }, "connection broke");
    }
    return isRegistered;
  }

  #detach(): void {
    clearInterval(this.#heartbeat);
    this.#stream = undefined;
    for (const device of this.#devices.all) device.lane.abandon();
    for (const runId of this.#runs.keys()) void this.#closeRun(runId);
  }

  #send(report: WorkerReport): void {
    this.#stream?.send(report);
  }

  // ---- orders --------------------------------------------------------------------------------

  #obey(order: WorkerOrder): void {
    switch (order.type) {
      case "registered":
        this.#options.log.info({ scheduler: this.#options.scheduler }, "attached");
        clearInterval(this.#heartbeat);
        this.#heartbeat = setInterval(() => this.#send({ type: "heartbeat" }), order.heartbeatMs);
        if (this.#isDraining) this.#send({ type: "draining", reason: "draining" });
        return;
      case "openRun":
        return this.#openRun(order);
      case "closeRun":
        void this.#closeRun(order.runId);
        return;
      case "assign":
        return this.#assign(order);
      case "takeBack":
        for (const device of this.#devices.all)
          device.lane.takeBack(order.lease, order.keepRunning);
        return;
      case "drain":
        return this.drain(order.reason);
      default:
        order satisfies never;
    }
  }

  #openRun(spec: RunSpec): void {
    if (this.#isDraining || this.#runs.has(spec.runId)) return;
    this.#idle.touch();
    const run = new ServedRun(spec, this.#spools.open(spec.runId));
    this.#runs.set(spec.runId, run);
    void run.open(this.#devices, this.#engines, (report) => this.#send(report));
  }

  async #closeRun(runId: string): Promise<void> {
    const run = this.#runs.get(runId);
    this.#runs.delete(runId);
    await run?.close();
    if (run !== undefined && !this.#runs.has(runId)) this.#spools.expire(runId);
  }

  #assign(batch: AssignedBatch): void {
    this.#idle.touch();
    const device = this.#devices.byNumber(batch.device);
    const serving = this.#runs.get(batch.runId)?.on(batch.device);
    if (device !== undefined && serving !== undefined) {
      device.lane.assign(batch, serving.engine, serving.sink);
      return;
    }
    // The run was closed here meanwhile: nothing of the batch will run.
    const { lease, epoch, frame } = batch;
    this.#send({ type: "batchReturned", lease, epoch, tasks: frame.tasks, finished: true });
  }

  async #closeWhenIdle(): Promise<void> {
    while (this.#devices.all.some((device) => !device.lane.isIdle)) {
      await delay(50, undefined, { signal: this.#stop.signal }).catch(() => {});
      if (this.#stop.signal.aborted) return;
    }
    await this.close();
  }
}
