import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command, DeviceId, RunId, WorkerId } from "./events.ts";
import { explainDevice, explainTask } from "./explain.ts";
import { createCore } from "./state.ts";
import { step } from "./step.ts";

const [run, worker, device] = [1 as RunId, 1 as WorkerId, 7 as DeviceId];
const names = { worker: () => "node3", device: () => "cuda0" };

/** One device, 40 tasks, of which the first batches have run. */
function begun() {
  const core = createCore();
  const costs = Uint32Array.from({ length: 40 }, (_, index) => 100 + 10 * index);
  step(core, { type: "runOpened", run, weight: 1 }, 0);
  step(core, { type: "tasksSubmitted", run, first: 0, costs }, 0);
  step(core, { type: "inputEnded", run }, 0);
  step(core, { type: "workerJoined", worker }, 0);
  const commands = step(core, { type: "engineReady", worker, device, run, costMax: 1e6 }, 1000);
  const [probe] = commands as Extract<Command, { type: "assignBatch" }>[];
  const { lease, epoch } = probe!;
  const tasks = [...probe!.tasks];
  const report = { worker, lease, epoch, tasks, failures: [], finished: true, busySeconds: 0.5 };
  step(core, { type: "batchProgressed", ...report }, 1500);
  return { core, ran: tasks[0]! };
}

test("an item's story says where and when it ran, and why there and then", () => {
  const { core, ran } = begun();
  const story = explainTask(core, { run, task: ran, names }).join("\n");
  assert.match(story, /on cuda0 of node3, from 1\.00 s to 1\.50 s: the device's speed was unknown/);
  assert.match(story, /It is committed\./);
});

test("an item that waits is told how many go before it", () => {
  const { core } = begun();
  const story = explainTask(core, { run, task: 0, names });
  assert.match(story.at(-1)!, /waits in the queue, with \d+ longer tasks/);
  assert.deepEqual(explainTask(core, { run, task: 40, names }), ["The run has no task 40."]);
  assert.match(explainTask(core, { run: 9 as RunId, task: 0, names })[0]!, /over or unknown/);
});

test("a device's story says since when it serves, how fast, and what it does now", () => {
  const { core } = begun();
  const story = explainDevice(core, { run, device, names }).join("\n");
  assert.match(story, /cuda0 was ready from 1\.00 s\./);
  assert.match(story, /\d+ tokens\/s, after 1 engine calls/);
  assert.match(story, /Now it runs lease 2 of this run/);
  step(core, { type: "workerDraining", worker }, 1600);
  assert.match(explainDevice(core, { run, device, names }).at(-1)!, /drains/);
  step(core, { type: "workerLost", worker, reason: "gone" }, 1700);
  assert.match(explainDevice(core, { run, device, names }).at(-1)!, /gone/);
});
