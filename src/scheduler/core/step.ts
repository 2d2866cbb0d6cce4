/**
 * The scheduler's core: one event in, orders out.
 *
 * Owns: dispatch, and the order of what follows each event: runs end, free credits are filled, the
 * tail is balanced. Pure but for `core`, which it changes in place: no clock, no randomness, no I/O.
 * The same core runs behind sockets and in the simulation.
 */
import assert from "node:assert/strict";
import { assignWork } from "./assign.ts";
import type { Command, Event, WorkerId } from "./events.ts";
import { onBatchProgressed, onBatchReturned } from "./on-batch.ts";
import {
  endFinishedRuns,
  onInputEnded,
  onRunCancelled,
  onRunOpened,
  onTasksSubmitted,
} from "./on-run.ts";
import { sweep } from "./on-tick.ts";
import {
  onEngineFailed,
  onEngineReady,
  onWorkerDraining,
  onWorkerJoined,
  onWorkerLost,
} from "./on-worker.ts";
import type { Core } from "./state.ts";
import { balanceTail } from "./tail.ts";

/**
 * Tells the core what happened at `now` (milliseconds on any steady clock, never going back);
 * returns what to do about it, in order.
 */
export function step(core: Core, event: Event, now: number): Command[] {
  core.commands = [];
  core.wakeAt = Number.POSITIVE_INFINITY;
  if ("worker" in event) hear(core, event.worker, now);
  dispatch(core, event, now);
  sweep(core, now);
  endFinishedRuns(core, now);
  assignWork(core, now);
  balanceTail(core, now);
  const { commands, wakeAt } = core;
  if (wakeAt !== Number.POSITIVE_INFINITY) commands.push({ type: "wakeAt", at: wakeAt });
  core.commands = [];
  core.fresh.clear();
  return commands;
}

function hear(core: Core, id: WorkerId, now: number): void {
  const worker = core.workers.get(id);
  if (worker !== undefined) worker.heardAt = now;
}

function dispatch(core: Core, event: Event, now: number): void {
  switch (event.type) {
    case "workerJoined":
      return onWorkerJoined(core, event.worker, { endsAt: event.endsAt, now });
    case "workerHeard":
      return;
    case "workerLost":
      return onWorkerLost(core, event.worker, { reason: event.reason, isSilent: false, now });
    case "workerDraining":
      return onWorkerDraining(core, event.worker, { endsAt: event.endsAt, now });
    case "engineReady":
      return onEngineReady(core, event, now);
    case "engineFailed":
      return onEngineFailed(core, event, now);
    case "runOpened":
      return onRunOpened(core, event, now);
    case "tasksSubmitted":
      return onTasksSubmitted(core, event, now);
    case "inputEnded":
      return onInputEnded(core, event.run);
    case "runCancelled":
      return onRunCancelled(core, event.run, event.reason, now);
    case "batchProgressed":
      return onBatchProgressed(core, event, now);
    case "batchReturned":
      return onBatchReturned(core, event, now);
    case "ticked":
      return;
    default:
      assert.fail(`unknown event ${JSON.stringify(event satisfies never)}`);
  }
}
