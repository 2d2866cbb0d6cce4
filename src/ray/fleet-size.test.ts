/** The decision how many workers a run is worth, by hand-made cases. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { workersWanted } from "./fleet-size.ts";

const limits = { nodeStartSeconds: 100 };
const wanted = (workers: number, idealSeconds: number, more: object = {}) =>
  workersWanted({ workers, idealSeconds, tasksLeft: 1000 }, { ...limits, ...more });

test("no more where what is left is done before a node would start", () => {
  assert.equal(wanted(3, 100), 3);
  assert.equal(wanted(3, 5), 3);
});

test("so many that each has a start's time of work", () => {
  assert.equal(wanted(1, 800), 8);
  assert.equal(wanted(2, 800), 16);
  assert.equal(wanted(4, 130), 5);
  assert.equal(wanted(4, 101), 4);
});

test("as work is done, nodes that have not come yet are wanted no more", () => {
  assert.deepEqual(
    [800, 400, 150, 90].map((seconds) => wanted(2, seconds)),
    [16, 8, 3, 2],
  );
});

test("never more than there are tasks", () => {
  const now = { workers: 1, idealSeconds: 800, tasksLeft: 3 };
  assert.equal(workersWanted(now, limits), 3);
});

test("nothing known yet: one, or as many as there are", () => {
  assert.equal(wanted(0, 0), 1);
  assert.equal(wanted(5, 0), 5);
});

test("within the limits, of which the least counts where they contradict", () => {
  assert.equal(wanted(1, 1000, { workersMax: 4 }), 4);
  assert.equal(wanted(0, 0, { workersMin: 3 }), 3);
  assert.equal(wanted(2, 10, { workersMin: 3, workersMax: 8 }), 3);
  assert.equal(wanted(2, 10, { workersMax: 1 }), 1);
  assert.equal(wanted(1, 1000, { workersMin: 6, workersMax: 4 }), 6);
});
