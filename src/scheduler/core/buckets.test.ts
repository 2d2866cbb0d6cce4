import assert from "node:assert/strict";
import { test } from "node:test";
import { BUCKET_COUNT, bucketFloor, bucketOf, TaskQueue } from "./buckets.ts";
import { TaskTable } from "./tasks.ts";

test("buckets are exact up to 1,024 and at most 1.6 % wide beyond", () => {
  for (let cost = 1; cost <= 1024; cost++) assert.equal(bucketFloor(bucketOf(cost)), cost);
  let before = 0;
  for (let cost = 1025; cost < 2 ** 32; cost = Math.ceil(cost * 1.003)) {
    const bucket = bucketOf(cost);
    const floor = bucketFloor(bucket);
    assert.ok(floor <= cost && cost < floor * 1.016, `${cost} in a bucket from ${floor}`);
    assert.ok(bucket >= before && bucket < BUCKET_COUNT);
    before = bucket;
  }
  assert.equal(bucketOf(2 ** 32 - 1), BUCKET_COUNT - 1);
});

function queueOf(costs: number[]): { tasks: TaskTable; queue: TaskQueue } {
  const tasks = new TaskTable();
  tasks.append(Uint32Array.from(costs));
  const queue = new TaskQueue(tasks);
  for (let task = 0; task < costs.length; task++) queue.push(task);
  return { tasks, queue };
}

test("tasks leave longest first, and of one cost in order of submission", () => {
  const costs = Array.from({ length: 3000 }, (_, index) => 1 + ((index * 7919) % 5000));
  const { queue } = queueOf(costs);
  const left: number[] = [];
  for (let bucket = queue.bucketAtMost(BUCKET_COUNT - 1); bucket >= 0; ) {
    left.push(queue.pop(bucket));
    bucket = queue.bucketAtMost(bucket);
  }
  const expected = costs
    .map((_, task) => task)
    .sort((a, b) => bucketOf(costs[b]!) - bucketOf(costs[a]!) || a - b);
  assert.deepEqual(left, expected);
  assert.deepEqual([queue.count, queue.cost, queue.square], [0, 0, 0]);
  assert.equal(queue.lowestBucket(), -1);
});

test("what came back stands at the front of its bucket", () => {
  const { queue } = queueOf([50, 50, 50, 90]);
  const first = queue.pop(50);
  queue.pushFront(first);
  assert.equal(queue.peek(50), first);
  assert.equal(queue.bucketAtMost(89), 50);
  assert.equal(queue.lowestBucket(), 50);
  assert.equal(queue.cost, 240);
});

test("a task costs eleven bytes", () => {
  const tasks = new TaskTable();
  tasks.append(new Uint32Array(1_000_000).fill(7));
  const { costs, next, state, holders, failures } = tasks;
  const sizeBytes = [costs, next, state, holders, failures].reduce(
    (sum, column) => sum + column.byteLength,
    0,
  );
  assert.equal(sizeBytes / tasks.count, 11);
});
