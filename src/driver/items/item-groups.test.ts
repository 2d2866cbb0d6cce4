import assert from "node:assert/strict";
import { test } from "node:test";
import { Deferred } from "../../base/deferred.ts";
import { groupsOf } from "./item-groups.ts";

async function collect<T>(groups: AsyncIterable<T[]>): Promise<T[][]> {
  const all: T[][] = [];
  for await (const group of groups) all.push(group);
  return all;
}

test("what is there at once is grouped, in order, the last group short", async () => {
  assert.deepEqual(await collect(groupsOf([1, 2, 3, 4, 5], 2)), [[1, 2], [3, 4], [5]]);
  assert.deepEqual(await collect(groupsOf(new Set([1, 2]), 2)), [[1, 2]]);
  assert.deepEqual(await collect(groupsOf([], 2)), []);
});

test("a source that waits does not hold back what it gave before", async () => {
  const seen = new Deferred<void>();
  async function* source() {
    yield "a";
    yield "b";
    await seen.promise;
    yield "c";
  }
  const groups: string[][] = [];
  for await (const group of groupsOf(source(), 100)) {
    groups.push(group);
    seen.resolve();
  }
  assert.deepEqual(groups, [["a", "b"], ["c"]]);
});

test("an error comes after what was given before it, and a source that is left is closed", async () => {
  async function* broken() {
    yield 1;
    throw new Error("no more");
  }
  const groups = groupsOf(broken(), 1);
  assert.deepEqual((await groups.next()).value, [1]);
  await assert.rejects(groups.next(), /no more/);

  let isClosed = false;
  function* endless() {
    try {
      for (let i = 0; ; i++) yield i;
    } finally {
      isClosed = true;
    }
  }
  for await (const group of groupsOf(endless(), 3)) {
    assert.deepEqual(group, [0, 1, 2]);
    break;
  }
  assert(isClosed);
});
