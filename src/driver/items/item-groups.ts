/**
 * Items that a program gives one by one -> groups that are worth a message.
 *
 * Invariant: what the source has given is never held back while the source itself waits; a program
 * may wait for a result before it gives the next item. Nothing is read ahead of the group.
 */
import { setImmediate } from "node:timers/promises";

/** Groups of at most `itemsMax`, in order. Closes the source where the iteration is left early. */
export async function* groupsOf<T>(
  items: Iterable<T> | AsyncIterable<T>,
  itemsMax: number,
): AsyncGenerator<T[]> {
  const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : pulled(items);
  let group: T[] = [];
  // A source that is asked, has ended or threw cannot or need not be closed.
  let canClose = true;
  try {
    for (;;) {
      canClose = false;
      const next = source.next();
      if (group.length > 0 && !(await isQuick(next))) {
        yield group;
        group = [];
      }
      const result = await next;
      if (result.done === true) break;
      canClose = true;
      group.push(result.value);
      if (group.length < itemsMax) continue;
      yield group;
      group = [];
    }
    if (group.length > 0) yield group;
  } finally {
    if (canClose) await source.return?.();
  }
}

async function* pulled<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

/** Whether `next` settles before timers and sockets get their turn. */
async function isQuick(next: Promise<unknown>): Promise<boolean> {
  const settled = next.then(
    () => true,
    () => true,
  );
  return Promise.race([settled, setImmediate(false)]);
}
