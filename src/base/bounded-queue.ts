/**
 * A queue between a producer and a consumer that holds at most so many values.
 *
 * Invariant: `push` waits while the queue is full, so a slow consumer holds the producer back.
 */
import { Deferred } from "./deferred.ts";

export class BoundedQueue<T> {
  readonly #limit: number;
  #values: T[] = [];
  #change = new Deferred<void>();
  #isEnded = false;
  #failure: unknown;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Adds a value when there is room; after the end it is dropped. */
  async push(value: T): Promise<void> {
    while (this.#values.length >= this.#limit && !this.#isEnded) await this.#change.promise;
    if (this.#isEnded) return;
    this.#values.push(value);
    this.#signal();
  }

  /** No more values; those in the queue are still handed out, then `failure` is thrown if given. */
  end(failure?: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#failure = failure;
    this.#signal();
  }

  async *values(): AsyncGenerator<T> {
    for (;;) {
      const taken = this.#values;
      this.#values = [];
      this.#signal();
      yield* taken;
      if (this.#values.length > 0) continue;
      if (this.#isEnded) break;
      await this.#change.promise;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #signal(): void {
    const change = this.#change;
    this.#change = new Deferred();
    change.resolve();
  }
}
