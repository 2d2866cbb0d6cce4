/**
 * The items of a run that are not settled yet, as the frames they came in.
 *
 * Owns: item bytes between submission and commit. Invariant: a frame is dropped when its last task
 * is settled, so memory follows outstanding work, not the input. Tasks are numbered in the order
 * of submission, so a task's frame is found by binary search over first numbers.
 */
import { strict as assert } from "node:assert";
import type { Frame } from "../rpc/messages.ts";
import { KEY_BYTES } from "../store/content-key.ts";

interface StoredFrame {
  readonly firstTask: number;
  readonly data: Uint8Array;
  readonly keys: Uint8Array;
  readonly costs: Uint32Array;
  /** `[items + 1]`: where each item starts in `data`. */
  readonly offsets: Uint32Array;
  /** One flag a task: settling twice must not free a frame early. */
  readonly isSettled: Uint8Array;
  unsettledCount: number;
}

export class ItemFrames {
  /** Live frames, ascending by first task. */
  #frames: StoredFrame[] = [];
  #nextTask = 0;
  #bytes = 0;

  /** Bytes held for unsettled work. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Stores a frame whose tasks must continue the run's numbering; returns its costs. */
  add(frame: Frame): { firstTask: number; costs: Uint32Array } {
    const count = frame.sizes.length;
    const firstTask = this.#nextTask;
    frame.tasks.forEach((task, i) => {
      assert.equal(task, firstTask + i, "tasks must be numbered in order of submission");
    });
    const offsets = new Uint32Array(count + 1);
    for (let i = 0; i < count; i++) offsets[i + 1] = offsets[i]! + frame.sizes[i]!;
    const costs = Uint32Array.from(frame.costs);
    this.#frames.push({
      firstTask,
      // Copied: the decoder's slice would keep the whole message's buffer alive.
      data: Uint8Array.from(frame.data),
      keys: Uint8Array.from(frame.keys),
      costs,
      offsets,
      isSettled: new Uint8Array(count),
      unsettledCount: count,
    });
    this.#nextTask += count;
    this.#bytes += frame.data.byteLength;
    return { firstTask, costs };
  }

  /** Packs `tasks` for the way to a worker. Every one must be unsettled. */
  pack(tasks: Uint32Array): Frame {
    const count = tasks.length;
    const sizes = new Array<number>(count);
    const costs = new Array<number>(count);
    const keys = new Uint8Array(count * KEY_BYTES);
    const parts = new Array<Uint8Array>(count);
    let bytes = 0;
    for (let i = 0; i < count; i++) {
      const frame = this.#frameOf(tasks[i]!);
      assert(frame !== undefined, `task ${tasks[i]} is settled or unknown`);
      const index = tasks[i]! - frame.firstTask;
      const part = frame.data.subarray(frame.offsets[index], frame.offsets[index + 1]);
      parts[i] = part;
      bytes += part.byteLength;
      sizes[i] = part.byteLength;
      costs[i] = frame.costs[index]!;
      keys.set(frame.keys.subarray(index * KEY_BYTES, (index + 1) * KEY_BYTES), i * KEY_BYTES);
    }
    const data = new Uint8Array(bytes);
    let offset = 0;
    for (const part of parts) {
      data.set(part, offset);
      offset += part.byteLength;
    }
    return { data, sizes, tasks: Array.from(tasks), costs, keys };
  }

  /** Tasks that are committed or quarantined; returns the item bytes this has freed. */
  settle(tasks: Iterable<number>): number {
    let freed = 0;
    for (const task of tasks) {
      const frame = this.#frameOf(task);
      if (frame === undefined) continue;
      const index = task - frame.firstTask;
      if (frame.isSettled[index] === 1) continue;
      frame.isSettled[index] = 1;
      frame.unsettledCount--;
      if (frame.unsettledCount > 0) continue;
      freed += frame.data.byteLength;
      this.#frames.splice(this.#frames.indexOf(frame), 1);
    }
    this.#bytes -= freed;
    return freed;
  }

  /** Lets go of everything (the run is over). */
  clear(): void {
    this.#frames = [];
    this.#bytes = 0;
  }

  #frameOf(task: number): StoredFrame | undefined {
    let low = 0;
    let high = this.#frames.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const frame = this.#frames[middle]!;
      if (task < frame.firstTask) high = middle - 1;
      else if (task >= frame.firstTask + frame.costs.length) low = middle + 1;
      else return frame;
    }
    return undefined;
  }
}
