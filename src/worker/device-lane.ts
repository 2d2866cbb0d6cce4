/**
 * Keeps one device fed: one micro-batch running, one waiting in the engine.
 *
 * Owns: the order in which a device's leases run and what is reported of them. Invariant: a row is
 * reported only when it is durable, every task of a lease is reported once (as a row, as a failure,
 * or given back), and two engines never run on the device at once. Decides nothing about placement.
 */
import { messageOf } from "../base/errors.ts";
import type { MicroBatchResult } from "../rpc/engine-codec.ts";
import type { AssignedBatch, TaskFailure, WorkerReport } from "../rpc/messages.ts";
import type { ShardSink } from "../store/shard-sink.ts";
import type { DeviceEngine } from "./device-engine.ts";
import { LeaseWork, type MicroBatch } from "./lease-work.ts";

/** One running, one waiting: the engine never starves and little is lost when it dies. */
const IN_ENGINE_MAX = 2;

/** Rows that wait for the disk; a slow disk must hold the engine back, not fill the memory. */
const UNWRITTEN_BYTES_MAX = 64 * 1024 * 1024;

interface QueuedLease {
  readonly work: LeaseWork;
  readonly engine: DeviceEngine;
  readonly sink: ShardSink;
}

export class DeviceLane {
  readonly #report: (report: WorkerReport) => void;
  #leases: QueuedLease[] = [];
  #inEngine = 0;
  #activeEngine: DeviceEngine | undefined;
  #unwrittenBytes = 0;

  constructor(report: (report: WorkerReport) => void) {
    this.#report = report;
  }

  get isIdle(): boolean {
    return this.#leases.length === 0;
  }

  assign(batch: AssignedBatch, engine: DeviceEngine, sink: ShardSink): void {
    this.#leases.push({ work: new LeaseWork(batch, engine.tokensMax), engine, sink });
    this.#pump();
  }

  /** Gives back what has not started, and says so. A lease unknown here is over: nothing to say. */
  takeBack(lease: number, keepRunning: boolean): void {
    const queued = this.#leases.find(({ work }) => work.batch.lease === lease);
    if (queued === undefined) return;
    const { work } = queued;
    const tasks = keepRunning && work.hasStarted ? [] : work.giveBack();
    const { epoch } = work.batch;
    const finished = work.isFinished;
    this.#forgetIfFinished(work);
    this.#report({ type: "batchReturned", lease, epoch, tasks, finished });
    this.#pump();
  }

  /** The scheduler is gone or wants nothing more: drops what has not started, without a report. */
  abandon(): void {
    for (const { work } of this.#leases) work.giveBack();
    this.#leases = this.#leases.filter(({ work }) => !work.isFinished);
  }

  #pump(): void {
    while (this.#inEngine < IN_ENGINE_MAX && this.#unwrittenBytes < UNWRITTEN_BYTES_MAX) {
      const next = this.#next();
      if (next === undefined) return;
      void this.#run(next.queued, next.microBatch);
    }
  }

  #next(): { queued: QueuedLease; microBatch: MicroBatch } | undefined {
    for (const queued of this.#leases) {
      const mustWait = this.#inEngine > 0 && queued.engine !== this.#activeEngine;
      if (mustWait) return undefined;
      const microBatch = queued.work.start();
      if (microBatch !== undefined) return { queued, microBatch };
    }
    return undefined;
  }

  async #run(queued: QueuedLease, microBatch: MicroBatch): Promise<void> {
    this.#activeEngine = queued.engine;
    this.#inEngine++;
    let result: MicroBatchResult | undefined;
    let failure = "";
    try {
      result = await queued.engine.run(microBatch.data);
    } catch (thrown) {
      failure = messageOf(thrown);
    }
    this.#inEngine--;
    if (result === undefined) this.#failAll(queued.work, microBatch, failure);
    else await this.#store(queued, microBatch, result);
    this.#pump();
  }

  #failAll(work: LeaseWork, microBatch: MicroBatch, reason: string): void {
    const failures = work
      .tasksOf(microBatch.items)
      .map((task) => ({ task, reason, retryable: true }));
    this.#settle(work, { failures, rows: undefined });
  }

  async #store(
    { work, sink }: QueuedLease,
    microBatch: MicroBatch,
    result: MicroBatchResult,
  ): Promise<void> {
    const failures: TaskFailure[] = result.failures.map(({ index, reason, retryable }) => ({
      task: work.batch.frame.tasks[microBatch.items[index]!]!,
      reason,
      retryable,
    }));
    const failed = new Set(result.failures.map((failure) => failure.index));
    const kept = [...microBatch.items.keys()].filter((index) => !failed.has(index));
    const items = Uint32Array.from(kept, (index) => microBatch.items[index]!);
    const sizes = kept.map((index) => result.sizes[index]!);
    const measures = {
      busySeconds: result.busySeconds,
      paddedTokens: result.paddedTokens,
      tokens: result.tokens,
    };
    if (items.length === 0) return this.#settle(work, { failures, rows: undefined, ...measures });

    this.#unwrittenBytes += result.payload.byteLength;
    // The engine goes on while this one is written.
    this.#pump();
    try {
      const keys = work.keysOf(Array.from(items));
      const placed = await sink.append({
        keys,
        sizes: Uint32Array.from(sizes),
        payload: result.payload,
      });
      this.#settle(work, {
        failures,
        rows: { ...placed, tasks: work.tasksOf(items), sizes },
        ...measures,
      });
    } catch (thrown) {
      const reason = messageOf(thrown);
      for (const task of work.tasksOf(items)) failures.push({ task, reason, retryable: true });
      this.#settle(work, { failures, rows: undefined, ...measures });
    } finally {
      this.#unwrittenBytes -= result.payload.byteLength;
    }
  }

  #settle(
    work: LeaseWork,
    outcome: Pick<WorkerReport & { type: "batchProgress" }, "failures" | "rows"> &
      Partial<WorkerReport & { type: "batchProgress" }>,
  ): void {
    work.settle();
    const { lease, epoch } = work.batch;
    const finished = work.isFinished;
    this.#forgetIfFinished(work);
    this.#report({
      busySeconds: 0,
      paddedTokens: 0,
      tokens: 0,
      ...outcome,
      type: "batchProgress",
      lease,
      epoch,
      finished,
    });
  }

  #forgetIfFinished(work: LeaseWork): void {
    if (!work.isFinished) return;
    this.#leases = this.#leases.filter((queued) => queued.work !== work);
  }
}
