/**
 * The items of a run that are not settled yet, as the frames they came in.
 *
 * Owns: item bytes between submission and commit. Invariant: a frame is dropped when its last task
 * is settled, so memory follows outstanding work, not the input. Tasks are numbered in the order
 * of submission, so a task's frame is found by binary search over first numbers.
 */
import { strict as assert } from "node:assert";
import { RaysidueError } from "../base/errors.ts";
import type { Frame } from "../rpc/messages.ts";
import { KEY_BYTES } from "../store/content-key.ts";

interface StoredFrame {
  readonly firstTask: number;
  readonly data: Uint8Array;
  /** `[items, 8]`: content keys as words, which are copied faster than bytes. */
  readonly keys: Uint32Array;
  readonly costs: Uint32Array;
  /** `[items + 1]`: where each item starts in `data`. */
  readonly offsets: Uint32Array;
  /** One flag a task: settling twice must not free a frame early. */
  readonly isSettled: Uint8Array;
  unsettledCount: number;
}

const KEY_WORDS = KEY_BYTES / 4;
/** Up to so many bytes a loop is faster than a view and a call. */
const LOOP_BYTES_MAX = 96;

export class ItemFrames {
  /** Live frames, ascending by first task. */
  #frames: StoredFrame[] = [];
  /** Found last: tasks of one frame are often asked for one after another. */
  #latest: StoredFrame | undefined;
  #nextTask = 0;
  #bytes = 0;

  /** Bytes held for unsettled work. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Stores a frame whose tasks must continue the run's numbering; returns its costs. Throws
   * RaysidueError "bad-input" where they do not.
   */
  add(frame: Frame): { firstTask: number; costs: Uint32Array } {
    const count = frame.sizes.length;
    const firstTask = this.#nextTask;
    const offsets = new Uint32Array(count + 1);
    for (let i = 0; i < count; i++) {
      if (frame.tasks[i] !== firstTask + i) throw misnumbered(frame.tasks[i], firstTask + i);
      offsets[i + 1] = offsets[i]! + frame.sizes[i]!;
    }
    const costs = Uint32Array.from(frame.costs);
    this.#frames.push({
      firstTask,
      // Copied: the decoder's slice would keep the whole message's buffer alive.
      data: Uint8Array.from(frame.data),
      keys: new Uint32Array(Uint8Array.from(frame.keys).buffer),
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
    const numbers = new Array<number>(count);
    const keys = new Uint32Array(count * KEY_WORDS);
    const frames = new Array<StoredFrame>(count);
    let bytes = 0;
    for (let i = 0; i < count; i++) {
      const task = tasks[i]!;
      const frame = this.#frameOf(task);
      // Not as a condition with a message: that would build the message for every task.
      if (frame === undefined) assert.fail(`task ${task} is settled or unknown`);
      const index = task - frame.firstTask;
      frames[i] = frame;
      numbers[i] = task;
      sizes[i] = frame.offsets[index + 1]! - frame.offsets[index]!;
      costs[i] = frame.costs[index]!;
      bytes += sizes[i]!;
      for (let word = 0; word < KEY_WORDS; word++) {
        keys[i * KEY_WORDS + word] = frame.keys[index * KEY_WORDS + word]!;
      }
    }
    const data = new Uint8Array(bytes);
    let at = 0;
    for (let i = 0; i < count; i++) {
      const frame = frames[i]!;
      at += copyItem(frame, { index: tasks[i]! - frame.firstTask, data, at });
    }
    return { data, sizes, tasks: numbers, costs, keys: new Uint8Array(keys.buffer) };
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
      this.#latest = undefined;
      this.#frames.splice(this.#frames.indexOf(frame), 1);
    }
    this.#bytes -= freed;
    return freed;
  }

  /** Lets go of everything (the run is over). */
  clear(): void {
    this.#frames = [];
    this.#latest = undefined;
    this.#bytes = 0;
  }

  #frameOf(task: number): StoredFrame | undefined {
    if (this.#latest !== undefined && holds(this.#latest, task)) return this.#latest;
    let low = 0;
    let high = this.#frames.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const frame = this.#frames[middle]!;
      if (holds(frame, task)) {
        this.#latest = frame;
        return frame;
      }
      if (task < frame.firstTask) high = middle - 1;
      else low = middle + 1;
    }
    return undefined;
  }
}

function holds({ firstTask, costs }: StoredFrame, task: number): boolean {
  return task >= firstTask && task < firstTask + costs.length;
}

/** Copies an item's bytes to `data` at `at`; returns their number. */
function copyItem(
  { data: source, offsets }: StoredFrame,
  { index, data, at }: { readonly index: number; readonly data: Uint8Array; readonly at: number },
): number {
  const from = offsets[index]!;
  const size = offsets[index + 1]! - from;
  if (size > LOOP_BYTES_MAX) data.set(source.subarray(from, from + size), at);
  else for (let i = 0; i < size; i++) data[at + i] = source[from + i]!;
  return size;
}

function misnumbered(task: number | undefined, expected: number): RaysidueError {
  const text = `task ${task} instead of ${expected}: tasks are numbered in order of submission`;
  return new RaysidueError("bad-input", text);
}
