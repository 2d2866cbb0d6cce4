/**
 * The virtual clock: what is due next.
 *
 * Owns: a binary heap of actions by time; actions of one time run in the order they were asked for,
 * so a world is the same at every replay. Invariant: time never goes back.
 */
interface Entry {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
}

export class EventQueue {
  readonly #heap: Entry[] = [];
  #order = 0;
  /** Milliseconds since the world began. */
  now = 0;

  get isEmpty(): boolean {
    return this.#heap.length === 0;
  }

  /** Runs `action` at `at` (ms), or as soon as possible if that has passed. */
  at(at: number, action: () => void): void {
    const entry = { at: Math.max(at, this.now), order: this.#order++, action };
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  after(delayMs: number, action: () => void): void {
    this.at(this.now + delayMs, action);
  }

  /** Runs the next action; false if there is none. */
  runNext(): boolean {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined) return false;
    const last = heap.pop()!;
    if (heap.length > 0) this.#sink(last);
    this.now = first.at;
    first.action();
    return true;
  }

  #sink(entry: Entry): void {
    const heap = this.#heap;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, entry)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = entry;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
