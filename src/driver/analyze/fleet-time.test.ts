/** Times on fleets: against arithmetic by hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodesWorth, secondsOn, timesByNodes } from "./fleet-time.ts";

const costs = { secondsPerCost: 0.01, startSeconds: 4, writeSecondsPerRow: 0.001, devices: 2 };
const work = { cost: 100_000, largest: [1000], rows: 1000 };
const run = { serialSeconds: 20, stages: [{ work, costs }] };
const device = { speed: 1, readyAtSeconds: 0 };
const near = (actual: number, wanted: number) =>
  assert.ok(Math.abs(actual - wanted) < 1e-6 * wanted, `${actual}, not ${wanted}`);

test("work over devices, with what nobody shares", () => {
  near(secondsOn([device, device], run), 25 + 1.02 * 500);
  near(secondsOn([device, { speed: 3, readyAtSeconds: 0 }], run), 25 + 1.02 * 250);
  near(secondsOn([device, { speed: 1, readyAtSeconds: 100 }], run), 25 + 1.02 * 550);
});

test("the largest item bounds what a large fleet can do", () => {
  near(
    secondsOn(
      Array.from({ length: 1000 }, () => device),
      run,
    ),
    25 + 1.02 * 10,
  );
});

test("stages follow one another", () => {
  const twice = { serialSeconds: 20, stages: [...run.stages, ...run.stages] };
  near(secondsOn([device, device], twice), 20 + 2 * (5 + 1.02 * 500));
});

test("nodes are worth it while they work four fifths of their time", () => {
  const worth = nodesWorth(run);
  assert.ok(worth.efficiency >= 0.8 && worth.nodes >= 4 && worth.nodes < 16, `${worth.nodes}`);
  const times = timesByNodes(run);
  assert.deepEqual(
    times.slice(0, 3).map(({ nodes }) => nodes),
    [1, 2, 4],
  );
  for (const [i, { efficiency }] of times.entries()) {
    assert.ok(i === 0 || efficiency <= times[i - 1]!.efficiency);
  }
  const little = { work: { cost: 10, largest: [10], rows: 1 }, costs };
  assert.equal(nodesWorth({ serialSeconds: 0, stages: [little] }).nodes, 1);
});
