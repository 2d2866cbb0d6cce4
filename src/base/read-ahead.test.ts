/** Fetching ahead: order, bounds, errors, and an end before the end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Deferred } from "./deferred.ts";
import { type Fetch, readAhead } from "./read-ahead.ts";

/** Fetches that end when told to, and what is under way. */
class Desk {
  readonly running = new Map<number, Deferred<number>>();
  mostAtOnce = 0;

  async *fetches(weights: readonly number[]): AsyncGenerator<Fetch<number>> {
    for (const [number, weight] of weights.entries())
      yield { weight, run: () => this.#run(number) };
  }

  end(number: number): void {
    this.running.get(number)!.resolve(number);
    this.running.delete(number);
  }

  #run(number: number): Promise<number> {
    const deferred = new Deferred<number>();
    this.running.set(number, deferred);
    this.mostAtOnce = Math.max(this.mostAtOnce, this.running.size);
    return deferred.promise;
  }
}

/** Lets everything run that can without a timer. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("order is kept whatever comes first, and no more run at once than may", async () => {
  const desk = new Desk();
  const outcomes = readAhead(desk.fetches([1, 1, 1, 1, 1]), { concurrency: 2, weightMax: 100 });
  const first = outcomes.next();
  await settle();
  assert.deepEqual([...desk.running.keys()], [0, 1]);
  desk.end(1);
  await settle();
  desk.end(2);
  desk.end(0);
  assert.equal((await first).value, 0);
  await settle();
  desk.end(3);
  await settle();
  desk.end(4);
  const rest: number[] = [];
  for await (const outcome of outcomes) rest.push(outcome);
  assert.deepEqual(rest, [1, 2, 3, 4]);
  assert.equal(desk.mostAtOnce, 2);
});

test("no more weight waits than may; what weighs more comes alone", async () => {
  const desk = new Desk();
  const outcomes = readAhead(desk.fetches([4, 4, 50, 1]), { concurrency: 8, weightMax: 10 });
  const first = outcomes.next();
  await settle();
  assert.deepEqual([...desk.running.keys()], [0, 1]);
  desk.end(0);
  desk.end(1);
  await first;
  await outcomes.next();
  await settle();
  assert.deepEqual([...desk.running.keys()], [2]);
  const third = outcomes.next();
  desk.end(2);
  assert.equal((await third).value, 2);
  await settle();
  desk.end(3);
  assert.equal((await outcomes.next()).value, 3);
  assert.equal((await outcomes.next()).done, true);
});

test("a failure comes in its turn, and stopping early ends the source", async () => {
  let isEnded = false;
  async function* fetches(): AsyncGenerator<Fetch<string>> {
    try {
      yield { weight: 1, run: async () => "good" };
      yield { weight: 1, run: () => Promise.reject(new Error("bad")) };
      for (;;) yield { weight: 1, run: async () => "more" };
    } finally {
      isEnded = true;
    }
  }
  const outcomes = readAhead(fetches(), { concurrency: 2, weightMax: 10 });
  assert.equal((await outcomes.next()).value, "good");
  await assert.rejects(outcomes.next(), /bad/);
  assert.equal(isEnded, true);
  assert.equal((await outcomes.next()).done, true);
});
