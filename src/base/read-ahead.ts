/**
 * Fetching ahead of use: while one thing is worked on, the next are on their way.
 *
 * Invariant: order is kept; never more than `concurrency` fetches at once, nor more weight held than
 * `weightMax` (a single heavier one is held alone). A fetch that fails throws where its turn comes.
 */
import PQueue from "p-queue";
import { Deferred } from "./deferred.ts";

export interface ReadAheadLimits {
  readonly concurrency: number;
  readonly weightMax: number;
}

/** What to do for an item, and what its outcome weighs while it waits. */
export interface Fetch<T> {
  readonly weight: number;
  run(): Promise<T>;
}

interface Waiting<T> {
  readonly weight: number;
  readonly value: Promise<T>;
}

/** The outcomes of `fetches`, in order, begun before they are asked for. */
export async function* readAhead<T>(
  fetches: AsyncIterable<Fetch<T>>,
  limits: ReadAheadLimits,
): AsyncGenerator<T> {
  const queue = new PQueue({ concurrency: limits.concurrency });
  const waiting: Waiting<T>[] = [];
  let heldWeight = 0;
  let isStopped = false;
  let failure: { readonly thrown: unknown } | undefined;
  let change = new Deferred<void>();
  const signal = () => {
    change.resolve();
    change = new Deferred();
  };
  const pump = async () => {
    try {
      for await (const { weight, run } of fetches) {
        // As many as run and as many again that are done: more would only hold memory.
        while (
          !isStopped &&
          waiting.length > 0 &&
          (heldWeight + weight > limits.weightMax || waiting.length >= 4 * limits.concurrency)
        ) {
          await change.promise;
        }
        if (isStopped) return;
        const value = queue.add(run);
        // It is thrown where it is awaited; until then it is no unhandled rejection.
        value.catch(() => {});
        heldWeight += weight;
        waiting.push({ weight, value });
        signal();
      }
    } catch (thrown) {
      failure = { thrown };
    } finally {
      isStopped = true;
      signal();
    }
  };
  const pumped = pump();
  try {
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) {
        const value = await next.value;
        heldWeight -= next.weight;
        signal();
        yield value;
      } else if (isStopped) {
        break;
      } else {
        await change.promise;
      }
    }
    if (failure !== undefined) throw failure.thrown;
  } finally {
    isStopped = true;
    queue.clear();
    signal();
    await pumped;
  }
}
