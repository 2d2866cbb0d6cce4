/**
 * A run's driver in the virtual world.
 *
 * Owns: the ledger of what is done. After a scheduler's death it opens a new run and submits again
 * what is not committed, as the real one does. Invariant: each item ends once, committed or
 * quarantined; a second end is an error of the core and throws.
 */
import assert from "node:assert/strict";
import type { RunId, RunOutcome, Task, TaskFailure } from "../scheduler/core/events.ts";
import type { Job } from "./job.ts";
import type { DriverEnd, Surroundings } from "./surroundings.ts";

/** Tasks a frame: about 256 KiB of residues. */
const FRAME_TASKS = 1_024;
/** Frames of a large job come in larger pieces: the core is what is simulated, not the driver. */
const FRAMES_MAX = 1_024;

const OPEN = 0;
const COMMITTED = 1;
const QUARANTINED = 2;

export class DriverModel implements DriverEnd {
  readonly #world: Surroundings;
  readonly #job: Job;
  readonly #ledger: Uint8Array;
  #run: RunId;
  /** Item of each task of the current run; undefined where they are the same. */
  #items: Uint32Array | undefined;
  #lengths: Uint32Array;
  openCount: number;
  committedCount = 0;
  endedAt: number | undefined;
  outcome: RunOutcome | undefined;

  constructor(world: Surroundings, job: Job) {
    this.#world = world;
    this.#job = job;
    this.#ledger = new Uint8Array(job.lengths.length);
    this.#run = world.nextRun();
    this.#lengths = job.lengths;
    this.openCount = job.lengths.length;
  }

  /** Costs by task of a run; a device that works for an earlier run still needs that one's. */
  readonly #history = new Map<RunId, Uint32Array>();

  lengthsOf(run: RunId): Uint32Array {
    return run === this.#run ? this.#lengths : this.#history.get(run)!;
  }

  /** The item behind a task of the current run; of an earlier run's task nobody wants to know. */
  itemOf(run: RunId, task: Task): number {
    if (run !== this.#run || this.#items === undefined) return task;
    return this.#items[task]!;
  }

  /** Submits all that is open as one run. */
  submit(): void {
    const { scheduler } = this.#world;
    const run = this.#run;
    scheduler.tell({ type: "runOpened", run, weight: 1 });
    const lengths = this.#lengths;
    const size = Math.max(FRAME_TASKS, Math.ceil(lengths.length / FRAMES_MAX));
    for (let first = 0; first < lengths.length; first += size) {
      const costs = lengths.slice(first, first + size);
      scheduler.tell({ type: "tasksSubmitted", run, first, costs });
    }
    scheduler.tell({ type: "inputEnded", run });
  }

  /** A new scheduler is there: go on with what is open. */
  resubmit(): void {
    if (this.outcome !== undefined) return;
    const before = this.#items;
    const items = new Uint32Array(this.openCount);
    let count = 0;
    for (let item = 0; item < this.#ledger.length; item++) {
      if (this.#ledger[item] === OPEN) items[count++] = item;
    }
    assert.equal(count, this.openCount);
    this.#history.set(this.#run, this.#lengths);
    this.#run = this.#world.nextRun();
    this.#items = items;
    this.#lengths = items.map((item) => this.#job.lengths[item]!);
    assert(before === undefined || before.length >= items.length);
    this.submit();
  }

  cancel(reason: string): void {
    this.#world.scheduler.tell({ type: "runCancelled", run: this.#run, reason });
  }

  committed(run: RunId, tasks: readonly Task[]): void {
    for (const task of tasks) this.#end(run, task, COMMITTED);
    this.committedCount += tasks.length;
  }

  quarantined(run: RunId, failures: readonly TaskFailure[]): void {
    for (const { task, reason } of failures) {
      assert(reason !== "", "a quarantined task has a reason");
      this.#end(run, task, QUARANTINED);
    }
  }

  ended(run: RunId, outcome: RunOutcome): void {
    assert.equal(run, this.#run, "only the current run ends");
    assert.equal(this.outcome, undefined, "a run ends once");
    if (outcome.type === "done")
      assert.equal(this.openCount, 0, "a run is done with all its items");
    this.outcome = outcome;
    this.endedAt = this.#world.clock.now;
  }

  isCommitted(item: number): boolean {
    return this.#ledger[item] === COMMITTED;
  }

  isQuarantined(item: number): boolean {
    return this.#ledger[item] === QUARANTINED;
  }

  #end(run: RunId, task: Task, state: number): void {
    assert.equal(run, this.#run, "no commit of a run that is over");
    const item = this.#items === undefined ? task : this.#items[task]!;
    assert.equal(this.#ledger[item], OPEN, `item ${item} ends twice`);
    this.#ledger[item] = state;
    this.openCount -= 1;
  }
}
