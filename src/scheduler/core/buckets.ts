/**
 * Queued tasks in buckets of equal or nearly equal cost.
 *
 * Owns: the order of a run's queue. Exact buckets up to 1,024, then 64 an octave (0.8-1.6 % wide),
 * so a batch from neighbouring buckets pads far below 5 %. First in, first out within a bucket;
 * what was handed out before and came back goes to its front. Invariant: `count`, `cost` and
 * `square` are the sums over the queued tasks. A task costs nothing here but its link in the table.
 */
import { NONE, type TaskTable } from "./tasks.ts";

const EXACT_MAX = 1_024;
const OCTAVE = 64;
/** 22 octaves reach 2^32. */
export const BUCKET_COUNT = EXACT_MAX + 1 + 22 * OCTAVE;

/** The bucket of a cost from 1 to 2^32 - 1. */
export function bucketOf(cost: number): number {
  if (cost <= EXACT_MAX) return cost;
  const exponent = 31 - Math.clz32(cost);
  const step = (cost >>> (exponent - 6)) & (OCTAVE - 1);
  return EXACT_MAX + 1 + (exponent - 10) * OCTAVE + step;
}

/** The smallest cost of a bucket. */
export function bucketFloor(bucket: number): number {
  if (bucket <= EXACT_MAX) return bucket;
  const index = bucket - EXACT_MAX - 1;
  const octave = Math.floor(index / OCTAVE);
  if (index === 0) return EXACT_MAX + 1;
  return (OCTAVE + (index % OCTAVE)) * 2 ** (octave + 4);
}

export class TaskQueue {
  readonly #tasks: TaskTable;
  readonly #heads = new Uint32Array(BUCKET_COUNT).fill(NONE);
  readonly #tails = new Uint32Array(BUCKET_COUNT).fill(NONE);
  /** One bit a bucket: whether it holds anything. */
  readonly #filled = new Int32Array((BUCKET_COUNT >>> 5) + 1);
  count = 0;
  cost = 0;
  /** Sum of squared costs. */
  square = 0;

  constructor(tasks: TaskTable) {
    this.#tasks = tasks;
  }

  push(task: number): void {
    const cost = this.#tasks.costs[task]!;
    const bucket = bucketOf(cost);
    const tail = this.#tails[bucket]!;
    this.#tasks.next[task] = NONE;
    if (tail === NONE) this.#open(bucket, task);
    else this.#tasks.next[tail] = task;
    this.#tails[bucket] = task;
    this.#add(cost, 1);
  }

  pushFront(task: number): void {
    const cost = this.#tasks.costs[task]!;
    const bucket = bucketOf(cost);
    const head = this.#heads[bucket]!;
    this.#tasks.next[task] = head;
    if (head === NONE) {
      this.#open(bucket, task);
      this.#tails[bucket] = task;
    } else this.#heads[bucket] = task;
    this.#add(cost, 1);
  }

  /** The fullest-cost bucket at or below `bucket` that holds something; -1 if none does. */
  bucketAtMost(bucket: number): number {
    let word = bucket >>> 5;
    let bits = this.#filled[word]! & (0xffff_ffff >>> (31 - (bucket & 31)));
    while (bits === 0) {
      if (word === 0) return -1;
      word -= 1;
      bits = this.#filled[word]!;
    }
    return (word << 5) + 31 - Math.clz32(bits);
  }

  /** The lowest bucket that holds something; -1 if none does. */
  lowestBucket(): number {
    for (let word = 0; word < this.#filled.length; word++) {
      const bits = this.#filled[word]!;
      if (bits !== 0) return (word << 5) + 31 - Math.clz32(bits & -bits);
    }
    return -1;
  }

  /** The task that `pop` would take; the bucket must hold something. */
  peek(bucket: number): number {
    return this.#heads[bucket]!;
  }

  pop(bucket: number): number {
    const task = this.#heads[bucket]!;
    const next = this.#tasks.next[task]!;
    this.#heads[bucket] = next;
    if (next === NONE) {
      this.#tails[bucket] = NONE;
      const word = bucket >>> 5;
      this.#filled[word] = this.#filled[word]! & ~(1 << (bucket & 31));
    }
    this.#add(this.#tasks.costs[task]!, -1);
    return task;
  }

  #open(bucket: number, task: number): void {
    this.#heads[bucket] = task;
    const word = bucket >>> 5;
    this.#filled[word] = this.#filled[word]! | (1 << (bucket & 31));
  }

  #add(cost: number, sign: 1 | -1): void {
    this.count += sign;
    this.cost += sign * cost;
    this.square += sign * cost * cost;
  }
}
