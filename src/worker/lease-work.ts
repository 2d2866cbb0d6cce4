/**
 * One lease as the worker works it off: its items, cut into micro-batches.
 *
 * Owns: which of its items are waiting, running, done or given back. Invariant: every item is in
 * exactly one of these, and the lease is finished when none waits or runs. Micro-batches hold items
 * of like length, so that padding them to one length wastes little.
 */
import { strict as assert } from "node:assert";
import type { AssignedBatch } from "../rpc/messages.ts";
import { KEY_BYTES } from "../store/content-key.ts";

export interface MicroBatch {
  readonly lease: LeaseWork;
  /** Indexes into the lease's items. */
  readonly items: Uint32Array;
  readonly data: readonly Uint8Array[];
}

export class LeaseWork {
  readonly batch: AssignedBatch;
  readonly #offsets: Uint32Array;
  #waiting: Uint32Array[];
  #runningCount = 0;
  #hasStarted = false;

  /** `tokensMax`: the largest micro-batch, in tokens after padding to its longest item. */
  constructor(batch: AssignedBatch, tokensMax: number) {
    this.batch = batch;
    const { sizes } = batch.frame;
    this.#offsets = new Uint32Array(sizes.length + 1);
    for (let i = 0; i < sizes.length; i++) this.#offsets[i + 1] = this.#offsets[i]! + sizes[i]!;
    this.#waiting = cutByCost(batch.frame.costs, tokensMax);
  }

  get isFinished(): boolean {
    return this.#waiting.length === 0 && this.#runningCount === 0;
  }

  get hasStarted(): boolean {
    return this.#hasStarted;
  }

  /** The next micro-batch to run, if any is left. */
  start(): MicroBatch | undefined {
    const items = this.#waiting.shift();
    if (items === undefined) return undefined;
    this.#runningCount++;
    this.#hasStarted = true;
    const { data } = this.batch.frame;
    const views = Array.from(items, (i) => data.subarray(this.#offsets[i], this.#offsets[i + 1]));
    return { lease: this, items, data: views };
  }

  /** A started micro-batch is settled: its rows are durable, or it failed. */
  settle(): void {
    assert(this.#runningCount > 0, "settled more micro-batches than were started");
    this.#runningCount--;
  }

  /** Gives up what has not started; returns those tasks. */
  giveBack(): number[] {
    const tasks = this.#waiting.flatMap((items) => this.tasksOf(items));
    this.#waiting = [];
    return tasks;
  }

  tasksOf(items: Uint32Array): number[] {
    return Array.from(items, (i) => this.batch.frame.tasks[i]!);
  }

  /** `[items, 32]` bytes. */
  keysOf(items: readonly number[]): Uint8Array {
    const keys = new Uint8Array(items.length * KEY_BYTES);
    items.forEach((item, at) => {
      const from = item * KEY_BYTES;
      keys.set(this.batch.frame.keys.subarray(from, from + KEY_BYTES), at * KEY_BYTES);
    });
    return keys;
  }
}

/**
 * Longest first, as many to a micro-batch as fit in `costMax` when all are padded to the longest.
 * An item that alone is over it gets a micro-batch of its own: the engine refuses or manages it.
 */
export function cutByCost(costs: readonly number[], costMax: number): Uint32Array[] {
  const order = Uint32Array.from(costs.keys()).sort((a, b) => costs[b]! - costs[a]! || a - b);
  const batches: Uint32Array[] = [];
  let start = 0;
  for (let i = 1; i <= order.length; i++) {
    const longest = costs[order[start]!]!;
    if (i < order.length && longest * (i - start + 1) <= costMax) continue;
    batches.push(order.subarray(start, i));
    start = i;
  }
  return batches;
}
