import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command, DeviceId, Event, RunId, WorkerId } from "./events.ts";
import { createCore } from "./state.ts";
import { step } from "./step.ts";

const [worker, device] = [1 as WorkerId, 1 as DeviceId];

/** Two runs on one device of speed 1 for a while; returns the cost committed of each. */
function share(weights: readonly [number, number], lengths: readonly [number, number]): number[] {
  const core = createCore();
  const pending: Extract<Command, { type: "assignBatch" }>[] = [];
  let now = 0;
  const tell = (event: Event) => {
    for (const command of step(core, event, now)) {
      if (command.type === "assignBatch") pending.push(command);
    }
  };
  tell({ type: "workerJoined", worker });
  for (const [index, weight] of weights.entries()) {
    const run = (index + 1) as RunId;
    tell({ type: "runOpened", run, weight });
    const costs = new Uint32Array(200_000).fill(lengths[index]!);
    tell({ type: "tasksSubmitted", run, first: 0, costs });
    tell({ type: "engineReady", worker, device, run, costMax: 1e6 });
  }
  while (now < 300_000) {
    const assign = pending.shift()!;
    const cost = assign.tasks.length * lengths[assign.run - 1]!;
    const busySeconds = 0.01 + 1e-4 * cost;
    now += 1000 * busySeconds;
    const { lease, epoch } = assign;
    const report = { worker, lease, epoch, tasks: [...assign.tasks], failures: [] };
    tell({ type: "batchProgressed", ...report, finished: true, busySeconds });
  }
  return [...core.runs.values()].map(({ committedCost }) => committedCost);
}

test("runs share a device by their weights, whatever their tasks' lengths", () => {
  for (const weights of [
    [1, 1],
    [3, 1],
  ] as const) {
    const [first = 0, second = 1] = share(weights, [900, 100]);
    const wanted = weights[0] / weights[1];
    assert.ok(Math.abs(first / second / wanted - 1) < 0.1, `${first / second} for ${wanted}`);
  }
});
