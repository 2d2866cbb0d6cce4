/**
 * A run's tasks as columns: eleven bytes a task, no object.
 *
 * Owns: cost, state, holders and failures of each task. Invariant: a task is `queued` (in a bucket
 * or a suspect group), `out` (held by at least one live lease), `committed` or `quarantined`; the
 * last two are final. Deliberately not here: who holds a task (the leases know).
 */
import assert from "node:assert/strict";
import type { Task } from "./events.ts";

export const QUEUED = 0;
export const OUT = 1;
export const COMMITTED = 2;
export const QUARANTINED = 3;

/** End of a chain in `next`. */
export const NONE = 0xffff_ffff;

/** 2^31: indices stay exact and fast, and a run of a billion sequences fits. */
export const TASKS_MAX = 0x8000_0000;

export class TaskTable {
  count = 0;
  costs = new Uint32Array(0);
  /** Link to the following task of the same bucket. */
  next = new Uint32Array(0);
  state = new Uint8Array(0);
  /** Live leases that hold the task: two while a copy runs. */
  holders = new Uint8Array(0);
  /** Workers or engines that died or failed on it. */
  failures = new Uint8Array(0);

  /** Appends tasks in state `queued`; returns the first one's number. */
  append(costs: Uint32Array): Task {
    const first = this.count;
    const count = first + costs.length;
    assert(count <= TASKS_MAX, "a run holds at most 2^31 tasks");
    if (count > this.costs.length) this.#grow(count);
    this.costs.set(costs, first);
    this.count = count;
    return first;
  }

  #grow(needed: number): void {
    const capacity = Math.max(needed, Math.ceil(this.costs.length * 1.5), 1024);
    const grown = <A extends Uint32Array | Uint8Array>(old: A, fresh: A): A => {
      fresh.set(old);
      return fresh;
    };
    this.costs = grown(this.costs, new Uint32Array(capacity));
    this.next = grown(this.next, new Uint32Array(capacity));
    this.state = grown(this.state, new Uint8Array(capacity));
    this.holders = grown(this.holders, new Uint8Array(capacity));
    this.failures = grown(this.failures, new Uint8Array(capacity));
  }
}
