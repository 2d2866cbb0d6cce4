/**
 * The life of a lease: opened on a device, reported task by task, closed once.
 *
 * Owns: device credits, holders of tasks, and the attempt record of each lease. Invariant: opening
 * needs a free credit; closing frees it and leaves no open task behind without a holder.
 */
import assert from "node:assert/strict";
import { observe, predictSeconds, speedOf } from "./cost-model.ts";
import type { Attempt, LeaseId, Task } from "./events.ts";
import { type Blame, requeue } from "./requeue.ts";
import {
  type Core,
  type DeviceState,
  type Lease,
  type LeaseReason,
  markHungry,
  type Serving,
} from "./state.ts";
import { OUT, QUEUED } from "./tasks.ts";

/** Closed leases remembered for late reports: some seconds of a large fleet. */
const CLOSED_MAX = 4_096;
/** A device whose speed is unknown may take this long for its first batches. */
const DEADLINE_UNKNOWN_MS = 600_000;
const DEADLINE_MIN_MS = 30_000;
/** Predicted time times this is more than noise and a slow-down that still pays. */
const DEADLINE_FACTOR = 10;

export interface LeaseOpening {
  readonly serving: Serving;
  readonly tasks: Uint32Array;
  readonly reason: LeaseReason;
  readonly now: number;
}

/** Gives `tasks` to the device and orders it so. The device must have a free credit. */
export function openLease(core: Core, { serving, tasks, reason, now }: LeaseOpening): Lease {
  const { device, run, model } = serving;
  assert(device.running === undefined || device.waiting === undefined, "device has no credit");
  assert(tasks.length > 0 && !device.worker.isDraining);
  let [cost, square] = [0, 0];
  for (const task of tasks) {
    const state = run.tasks.state[task]!;
    assert(state === QUEUED || state === OUT, "only open tasks are handed out");
    run.tasks.state[task] = OUT;
    run.tasks.holders[task]! += 1;
    const c = run.tasks.costs[task]!;
    cost += c;
    square += c * c;
  }
  const seconds = model.observationCount > 0 ? predictSeconds(model, cost, square) : 0;
  const backlog = backlogSeconds(device, now);
  const deadlineMs =
    seconds === 0 || backlog === undefined
      ? DEADLINE_UNKNOWN_MS
      : Math.max(DEADLINE_MIN_MS, Math.ceil(DEADLINE_FACTOR * 1000 * (seconds + backlog)));
  const lease: Lease = {
    id: core.nextLease++ as LeaseId,
    epoch: device.worker.epoch,
    run,
    device,
    tasks,
    reported: new Uint8Array(tasks.length),
    reason,
    assignedAt: now,
    deadlineAt: now + deadlineMs,
    cursor: 0,
    positions: undefined,
    openCount: tasks.length,
    openCost: cost,
    openSquare: square,
    startedAt: now,
    busySeconds: 0,
    ranCount: 0,
    ranCost: 0,
    returnedCount: 0,
    failedCount: 0,
    committedCount: 0,
    takeBack: "none",
    takeBackAt: now,
    isCopied: false,
    isClosed: false,
  };
  if (device.running === undefined) {
    device.running = lease;
    run.story.deviceStarted(device.id, { since: device.idleSince ?? now, now });
    device.idleSince = undefined;
  } else {
    device.waiting = lease;
    core.hungry.delete(device);
  }
  core.leases.set(lease.id, lease);
  run.leases.add(lease);
  run.virtualSeconds += seconds / run.weight;
  core.commands.push({
    type: "assignBatch",
    lease: lease.id,
    epoch: lease.epoch,
    worker: device.worker.id,
    device: device.id,
    run: run.id,
    tasks,
    deadlineMs,
    reason,
  });
  return lease;
}

/** Predicted seconds until the lease's open tasks are done, once it runs; undefined if unknown. */
export function leaseSeconds(lease: Lease): number | undefined {
  const model = lease.device.servings.get(lease.run.id)?.model;
  if (model === undefined || model.observationCount === 0) return undefined;
  return predictSeconds(model, lease.openCost, lease.openSquare);
}

/** Predicted seconds until the running lease ends. Late ones are expected to be late once more. */
export function runningSeconds(lease: Lease, now: number): number | undefined {
  const predicted = leaseSeconds(lease);
  if (predicted === undefined) return undefined;
  const elapsed = (now - lease.startedAt) / 1000;
  const left = predicted - elapsed;
  return elapsed <= 1.2 * predicted ? Math.max(left, 0.02 * predicted) : elapsed;
}

/** Predicted seconds until the device is done with all it holds; undefined if unknown. */
export function backlogSeconds(device: DeviceState, now: number): number | undefined {
  if (device.running === undefined) return 0;
  const running = runningSeconds(device.running, now);
  if (device.waiting === undefined || running === undefined) return running;
  const waiting = leaseSeconds(device.waiting);
  return waiting === undefined ? undefined : running + waiting;
}

/** The position of an unreported task in its lease; -1 if it is not there or was reported. */
export function locate(lease: Lease, task: Task): number {
  let position = lease.cursor;
  if (lease.tasks[position] !== task) {
    if (lease.positions === undefined) {
      lease.positions = new Map();
      for (const [index, each] of lease.tasks.entries()) lease.positions.set(each, index);
    }
    position = lease.positions.get(task) ?? -1;
    if (position < 0) return -1;
  }
  if (lease.reported[position] === 1) return -1;
  lease.cursor = position + 1;
  return position;
}

/** Takes a task out of the lease's open ones: it was reported, or it came back. */
export function settle(lease: Lease, position: number): void {
  const { tasks } = lease.run;
  const task = lease.tasks[position]!;
  const cost = tasks.costs[task]!;
  assert(lease.reported[position] === 0 && tasks.holders[task]! > 0);
  lease.reported[position] = 1;
  lease.openCount -= 1;
  lease.openCost -= cost;
  lease.openSquare -= cost * cost;
  tasks.holders[task]! -= 1;
}

/** The tasks of a lease that nobody has committed yet. */
export function openTasks(lease: Lease): Uint32Array {
  const { state } = lease.run.tasks;
  return lease.tasks.filter(
    (task, position) => lease.reported[position] === 0 && state[task] === OUT,
  );
}

/** Notes a device's new speed wherever it is summed. */
export function learn(
  serving: Serving,
  observation: { readonly cost: number; readonly square: number; readonly seconds: number },
  now: number,
): void {
  const { run, model } = serving;
  const wasKnown = model.observationCount > 0;
  observe(model, run.shape, observation);
  if (model.observationCount === 0) return;
  const speed = speedOf(model);
  run.speed += speed - serving.speed;
  if (!wasKnown) run.knownCount += 1;
  serving.speed = speed;
  run.fastest = Math.max(run.fastest, speed);
  run.story.ran(serving.device.id, { ...observation, overhead: model.overhead, now });
}

export interface LeaseClosing {
  readonly now: number;
  readonly reason: string;
  /** Whether its open tasks are suspected of having caused the end. */
  readonly blame: Blame;
  readonly isLost: boolean;
}

/** Frees the credit, requeues what is open and records the attempt. */
export function closeLease(core: Core, lease: Lease, closing: LeaseClosing): void {
  assert(!lease.isClosed, "a lease is closed once");
  const { device, run } = lease;
  if (closing.isLost) noteWaste(lease, closing.now);
  const orphans: Task[] = [];
  for (let position = 0; position < lease.tasks.length && lease.openCount > 0; position++) {
    if (lease.reported[position] === 1) continue;
    settle(lease, position);
    const task = lease.tasks[position]!;
    if (run.tasks.holders[task] === 0 && run.tasks.state[task] === OUT) orphans.push(task);
  }
  lease.isClosed = true;
  lease.positions = undefined;
  core.leases.delete(lease.id);
  run.leases.delete(lease);
  if (device.running === lease) {
    device.running = device.waiting;
    if (device.running !== undefined) device.running.startedAt = closing.now;
    else device.idleSince = closing.now;
  } else assert(device.waiting === lease);
  device.waiting = undefined;
  if (core.devices.has(device.id) && !device.worker.isDraining) markHungry(core, device);
  if (closing.isLost) rememberClosed(core, lease);
  if (run.outcome === undefined) {
    record(core, lease, closing);
    if (orphans.length > 0) {
      requeue(core, run, {
        tasks: orphans,
        ...closing,
        device: closing.blame !== "none" ? device : undefined,
      });
    }
  }
}

/** What a device has done of its running lease without reporting it is in vain. */
export function noteWaste(lease: Lease, now: number): void {
  const { device, run, openCost, startedAt } = lease;
  if (device.running !== lease) return;
  const speed = device.servings.get(run.id)?.speed ?? 0;
  run.story.lostCost += Math.min(openCost, (speed * (now - startedAt)) / 1000);
}

function rememberClosed(core: Core, lease: Lease): void {
  core.closed.set(lease.id, lease);
  if (core.closed.size <= CLOSED_MAX) return;
  for (const oldest of core.closed.keys()) {
    core.closed.delete(oldest);
    break;
  }
}

function outcomeOf(lease: Lease, isLost: boolean): Attempt["outcome"] {
  if (isLost) return "lost";
  if (lease.committedCount > 0) return "committed";
  if (lease.failedCount > 0) return "failed";
  return lease.ranCount > 0 ? "stale" : "returned";
}

function record(core: Core, lease: Lease, { now, isLost }: LeaseClosing): void {
  const attempt: Attempt = {
    run: lease.run.id,
    lease: lease.id,
    worker: lease.device.worker.id,
    device: lease.device.id,
    taskCount: lease.ranCount,
    cost: lease.ranCost,
    assignedAt: lease.assignedAt,
    finishedAt: now,
    busySeconds: lease.busySeconds,
    outcome: outcomeOf(lease, isLost),
    reason: lease.reason,
  };
  lease.run.story.attempted(attempt, lease.tasks);
  core.commands.push({ type: "recordAttempt", attempt });
}
