/**
 * The scheduler's shell: hands events to the pure core and carries out its commands.
 *
 * Owns: the clock, the one timer and the queue of events. Invariant: every event goes through
 * `#step`, whose commands are carried out in order before the next event. Deliberately not here:
 * decisions (core/), names and bytes (books.ts), sockets (server.ts).
 */
import { RaysidueError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type {
  BatchProgress,
  DriverEvent,
  Frame,
  Registration,
  RunSpec,
  SchedulerStatus,
  WorkerOrder,
  WorkerReport,
} from "../rpc/messages.ts";
import { Books } from "./books.ts";
import type { Command, DeviceId, Event, LeaseId, RunId, WorkerId } from "./core/events.ts";
import { type Core, createCore, epochOf } from "./core/state.ts";
import { step } from "./core/step.ts";
import { CREDIT_BYTES, RunRecord } from "./run-record.ts";
import { StallWatch } from "./stall-watch.ts";
import { WorkerRecord } from "./worker-record.ts";

/** A person's eye follows a progress line at this rate; finer would only cost messages. */
const PROGRESS_MS = 500;

/** The longest the core goes without a tick. */
const TICK_MS = 1000;

/** Above every cost: they are 32-bit numbers. */
const COST_UNLIMITED = 2 ** 32 - 1;

/** Far more workers than join in a millisecond; the product stays exact in a double. */
const EPOCHS_A_MS = 1000;

export interface ShellOptions {
  readonly log: Log;
  readonly version: string;
  readonly heartbeatMs: number;
  readonly lostAfterMs: number;
  readonly refusalGraceMs?: number;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
}

export class SchedulerShell {
  readonly #options: ShellOptions;
  readonly #core: Core;
  readonly #books: Books;
  /** Events that came up while commands were being carried out. */
  readonly #events: Event[] = [];
  #isStepping = false;
  readonly #stall = new StallWatch(TICK_MS);
  #nextId = 1;
  #timer: NodeJS.Timeout | undefined;
  #progressTimer: NodeJS.Timeout | undefined;

  constructor(options: ShellOptions) {
    this.#options = options;
    this.#core = createCore({
      lostAfterMs: options.lostAfterMs,
      ...(options.refusalGraceMs !== undefined && { refusalGraceMs: options.refusalGraceMs }),
      // A life's epochs lie above those of every earlier life: its late reports look stale.
      epochFirst: Date.now() * EPOCHS_A_MS,
    });
    this.#books = new Books(this.#core);
  }

  start(): void {
    this.#progressTimer = setInterval(() => this.#reportProgress(), PROGRESS_MS);
    this.#wakeIn(TICK_MS);
  }

  close(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#progressTimer);
    for (const worker of this.#books.workers.values())
      worker.close("the scheduler is shutting down");
  }

  // ---- workers -------------------------------------------------------------------------------

  join(
    registration: Registration,
    send: (order: WorkerOrder) => void,
    close: (reason: string) => void,
  ): WorkerId {
    const id = this.#nextId++ as WorkerId;
    const now = this.#options.now();
    // A daemon that reconnects is a new worker; its old connection may not have broken yet.
    for (const [oldId, old] of this.#books.workers) {
      if (old.registration.workerId !== registration.workerId) continue;
      old.close("the same worker connected again");
      this.lose(oldId, "the same worker connected again");
    }
    const worker = new WorkerRecord({ id, registration, now, send, close });
    this.#books.workers.set(id, worker);
    const { heartbeatMs, lostAfterMs } = this.#options;
    const epoch = epochOf(this.#core, id);
    send({ type: "registered", epoch, heartbeatMs, lostAfterMs });
    const { endsInMs } = registration;
    const joined = { type: "workerJoined", worker: id } as const;
    this.#step(endsInMs > 0 ? { ...joined, endsAt: now + endsInMs } : joined);
    for (const run of this.#books.runs.values()) send({ type: "openRun", ...run.spec });
    this.#options.log.info({ worker: registration.workerId, host: registration.host }, "joined");
    return id;
  }

  lose(id: WorkerId, reason: string): void {
    const worker = this.#books.workers.get(id);
    if (worker === undefined) return;
    this.#options.log.warn({ worker: worker.registration.workerId, reason }, "worker lost");
    if (!worker.isDraining) {
      const text = `worker ${worker.registration.host}/${worker.registration.pid} lost: ${reason}`;
      for (const run of this.#books.runs.values()) run.send({ type: "notice", text });
    }
    this.#step({ type: "workerLost", worker: id, reason });
    // Last, so that the attempts that end here still find the worker's name.
    this.#books.workers.delete(id);
  }

  hear(id: WorkerId, report: WorkerReport): void {
    const worker = this.#books.workers.get(id);
    if (worker === undefined) return;
    worker.lastHeardAt = this.#options.now();
    switch (report.type) {
      case "register":
        throw new RaysidueError("bad-input", "a worker registers once a connection");
      case "heartbeat":
        return this.#step({ type: "workerHeard", worker: id });
      case "engineReady":
        return this.#engineReady(worker, report);
      case "engineFailed":
        return this.#engineFailed(worker, report);
      case "batchProgress":
        return this.#batchProgressed(worker, report);
      case "batchReturned":
        return this.#step({
          ...report,
          ...{ type: "batchReturned" },
          worker: id,
          lease: report.lease as LeaseId,
        });
      case "draining":
        worker.isDraining = true;
        return this.#step({ type: "workerDraining", worker: id });
      default:
        report satisfies never;
    }
  }

  #engineReady(worker: WorkerRecord, report: WorkerReport & { type: "engineReady" }): void {
    const run = this.#books.runNamed(report.runId);
    if (run === undefined) return;
    if (report.sharedStorage) worker.sharedRuns.add(report.runId);
    const device = worker.deviceId(report.device, () => this.#nextId++ as DeviceId);
    const callCost = Math.max(1, report.tokensMax);
    // Not known: every item is sent, and the engine judges it.
    const costMax = report.itemTokensMax > 0 ? report.itemTokensMax : COST_UNLIMITED;
    const where = `${worker.registration.host}/${worker.registration.pid}/${report.device.name}`;
    this.#options.log.info({ run: report.runId, device: where }, "engine ready");
    this.#step({ type: "engineReady", worker: worker.id, device, run: run.id, costMax, callCost });
  }

  #engineFailed(worker: WorkerRecord, report: WorkerReport & { type: "engineFailed" }): void {
    const run = this.#books.runNamed(report.runId);
    if (run === undefined) return;
    const { reason, retryable } = report;
    const where = `${worker.registration.host}/${worker.registration.pid}`;
    run.send({ type: "notice", text: `engine on ${where} failed: ${reason}` });
    this.#step({
      type: "engineFailed",
      worker: worker.id,
      run: run.id,
      reason,
      retryable,
      ...(report.device && {
        device: worker.deviceId(report.device, () => this.#nextId++ as DeviceId),
      }),
    });
  }

  #batchProgressed(worker: WorkerRecord, report: BatchProgress): void {
    this.#books.withReport(report, () =>
      this.#step({
        type: "batchProgressed",
        worker: worker.id,
        lease: report.lease as LeaseId,
        epoch: report.epoch,
        tasks: report.rows?.tasks ?? [],
        failures: report.failures,
        finished: report.finished,
        busySeconds: report.busySeconds,
      }),
    );
  }

  // ---- runs ----------------------------------------------------------------------------------

  openRun(spec: RunSpec, send: (event: DriverEvent) => void): RunId {
    if (spec.runId === "") throw new RaysidueError("bad-input", "a run needs an id");
    if (this.#books.runNamed(spec.runId) !== undefined) {
      throw new RaysidueError("usage", `run ${spec.runId} is open already`);
    }
    const id = this.#nextId++ as RunId;
    this.#books.runs.set(id, new RunRecord({ id, spec, openedAt: this.#options.now(), send }));
    this.#step({ type: "runOpened", run: id, weight: spec.weight > 0 ? spec.weight : 1 });
    for (const worker of this.#books.workers.values()) worker.send({ type: "openRun", ...spec });
    this.#options.log.info({ run: spec.runId, kind: spec.kind, model: spec.model }, "run opened");
    return id;
  }

  submit(id: RunId, frame: Frame): void {
    const run = this.#books.runs.get(id);
    if (run === undefined || frame.sizes.length === 0) return;
    if (run.items.bytes + frame.data.byteLength > CREDIT_BYTES) {
      const text = `run ${run.spec.runId} submitted more than its credit of ${CREDIT_BYTES} bytes`;
      throw new RaysidueError("bad-input", text);
    }
    const { firstTask, costs } = run.items.add(frame);
    this.#step({ type: "tasksSubmitted", run: id, first: firstTask, costs });
  }

  endInput(id: RunId): void {
    if (this.#books.runs.has(id)) this.#step({ type: "inputEnded", run: id });
  }

  cancel(id: RunId, reason: string): void {
    if (this.#books.runs.has(id)) this.#step({ type: "runCancelled", run: id, reason });
  }

  /** Cancels the run whose id begins so; returns the whole id. Throws "bad-input" if none does. */
  cancelNamed(runId: string, reason: string): string {
    const run = this.#books.runStarting(runId);
    this.cancel(run.id, reason);
    return run.spec.runId;
  }

  explain(runId: string, subject: string): string[] {
    return this.#books.explain(runId, subject);
  }

  status(): SchedulerStatus {
    return this.#books.status(this.#options.version, this.#options.now());
  }

  // ---- the core ------------------------------------------------------------------------------

  #step(event: Event): void {
    const hasStalled = this.#stall.hasEnded(this.#options.now());
    this.#events.push(...(hasStalled ? this.#books.everybodyHeard() : []), event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        for (const command of step(this.#core, next, this.#options.now())) this.#carryOut(command);
      }
    } finally {
      this.#isStepping = false;
    }
  }

  #carryOut(command: Command): void {
    switch (command.type) {
      case "dropWorker":
        this.#books.workers.get(command.worker)?.close(command.reason);
        return this.lose(command.worker, command.reason);
      case "wakeAt":
        return this.#wakeIn(command.at - this.#options.now());
      case "endRun":
        this.#options.log.info({ run: command.run, outcome: command.outcome.type }, "run ended");
        return this.#books.carryOut(command);
      default:
        return this.#books.carryOut(command);
    }
  }

  #reportProgress(): void {
    for (const run of this.#books.runs.values()) {
      run.flushAttempts();
      const progress = this.#books.progress(run);
      if (progress !== undefined) run.send({ type: "progress", ...progress });
    }
  }

  #wakeIn(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#wakeIn(TICK_MS);
        this.#step({ type: "ticked" });
      },
      Math.max(0, Math.min(delayMs, TICK_MS)),
    );
  }
}
