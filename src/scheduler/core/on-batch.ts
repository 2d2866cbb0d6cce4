/**
 * What happens when a worker reports on a lease.
 *
 * Owns: the commit. Invariant: a task is committed at most once, only under a live lease that holds
 * it, reported by that lease's worker under its epoch. Anything else is stale and changes nothing.
 */
import type { Event, LeaseId, Task, TaskFailure, WorkerId } from "./events.ts";
import { closeLease, learn, locate, settle } from "./lease.ts";
import { orderBack } from "./on-worker.ts";
import { quarantine, requeue } from "./requeue.ts";
import type { Core, Lease } from "./state.ts";
import { COMMITTED, OUT } from "./tasks.ts";

type Progressed = Extract<Event, { readonly type: "batchProgressed" }>;
type Returned = Extract<Event, { readonly type: "batchReturned" }>;

/** The live lease that a report is about; undefined if the report is stale. */
function heldLease(
  core: Core,
  event: { readonly worker: WorkerId; readonly lease: LeaseId; readonly epoch: number },
): Lease | undefined {
  const lease = core.leases.get(event.lease);
  if (lease === undefined || lease.epoch !== event.epoch) return undefined;
  return lease.device.worker.id === event.worker ? lease : undefined;
}

export function onBatchProgressed(core: Core, event: Progressed, now: number): void {
  const lease = heldLease(core, event);
  if (lease === undefined) return recordStale(core, event, now);
  const ran = commit(core, lease, event.tasks, now);
  const failed = fail(core, lease, event.failures);
  const seconds = event.busySeconds;
  if (Number.isFinite(seconds) && seconds > 0) {
    lease.busySeconds += seconds;
    const serving = lease.device.servings.get(lease.run.id);
    const whole = { cost: ran.cost + failed.cost, square: ran.square + failed.square };
    if (serving !== undefined && lease.run.outcome === undefined) {
      learn(serving, { ...whole, seconds }, now);
    }
  }
  lease.startedAt = now;
  if (event.finished) {
    closeLease(core, lease, { now, reason: "not reported", blame: "none", isLost: false });
  }
}

function commit(core: Core, lease: Lease, tasks: readonly Task[], now: number) {
  const { run } = lease;
  const { state, costs } = run.tasks;
  const isOver = run.outcome !== undefined;
  const sums = { cost: 0, square: 0 };
  const fresh: Task[] = [];
  let freshCost = 0;
  for (const task of tasks) {
    const position = locate(lease, task);
    if (position < 0) continue;
    settle(lease, position);
    const cost = costs[task]!;
    sums.cost += cost;
    sums.square += cost * cost;
    lease.ranCount += 1;
    if (isOver) continue;
    if (state[task] !== OUT) {
      run.story.repeatedCost += cost;
      continue;
    }
    state[task] = COMMITTED;
    fresh.push(task);
    freshCost += cost;
    run.openSquare -= cost * cost;
    run.committedSquare += cost * cost;
    // Whoever else runs it may stop: see onCommitted below.
    if (run.tasks.holders[task]! > 0) lease.isCopied = true;
  }
  lease.ranCost += sums.cost;
  if (fresh.length === 0) return sums;
  lease.committedCount += fresh.length;
  run.committedCount += fresh.length;
  run.committedCost += freshCost;
  run.openCost -= freshCost;
  run.lastCommitAt = now;
  core.commands.push({
    type: "commitTasks",
    run: run.id,
    worker: lease.device.worker.id,
    lease: lease.id,
    tasks: fresh.length === tasks.length ? tasks : fresh,
  });
  if (lease.isCopied) releaseCopies(core, lease, now);
  return sums;
}

/** What others hold of the tasks of a copied lease need not run any more: ask for it back. */
function releaseCopies(core: Core, lease: Lease, now: number): void {
  const { run } = lease;
  for (const other of run.leases) {
    if (other === lease || other.isClosed) continue;
    if (!other.isCopied && other.reason !== "backup copy" && other.reason !== "overdue copy") {
      continue;
    }
    const isNeeded = other.tasks.some(
      (task, position) => other.reported[position] === 0 && run.tasks.state[task] === OUT,
    );
    if (!isNeeded) orderBack(core, other, { what: "rest", now });
  }
}

function fail(core: Core, lease: Lease, failures: readonly TaskFailure[]) {
  const { run, device } = lease;
  const sums = { cost: 0, square: 0 };
  const hopeless: TaskFailure[] = [];
  const suspects: Task[] = [];
  let reason = "";
  for (const failure of failures) {
    const position = locate(lease, failure.task);
    if (position < 0) continue;
    settle(lease, position);
    const cost = run.tasks.costs[failure.task]!;
    sums.cost += cost;
    sums.square += cost * cost;
    lease.failedCount += 1;
    lease.ranCount += 1;
    lease.ranCost += cost;
    if (run.outcome !== undefined || run.tasks.state[failure.task] !== OUT) continue;
    run.story.lostCost += cost;
    if (!failure.retryable) hopeless.push(failure);
    else if (run.tasks.holders[failure.task] === 0) {
      suspects.push(failure.task);
      reason = failure.reason;
    }
  }
  if (hopeless.length > 0) {
    quarantine(core, run, { worker: device.worker.id, failures: hopeless });
  }
  if (suspects.length > 0) requeue(core, run, { tasks: suspects, blame: "strong", reason, device });
  return sums;
}

export function onBatchReturned(core: Core, event: Returned, now: number): void {
  const lease = heldLease(core, event);
  if (lease === undefined) return;
  const { run } = lease;
  const orphans: Task[] = [];
  for (const task of event.tasks) {
    const position = locate(lease, task);
    if (position < 0) continue;
    settle(lease, position);
    lease.returnedCount += 1;
    if (run.tasks.holders[task] === 0 && run.tasks.state[task] === OUT) orphans.push(task);
  }
  if (orphans.length > 0 && run.outcome === undefined) {
    requeue(core, run, { tasks: orphans, blame: "none", reason: "returned", device: undefined });
  }
  if (event.finished) {
    closeLease(core, lease, { now, reason: "returned", blame: "none", isLost: false });
  }
}

/** A late report is a row of the trace, and nothing else. */
function recordStale(core: Core, event: Progressed, now: number): void {
  const lease = core.closed.get(event.lease);
  if (lease === undefined || !event.finished || lease.run.outcome !== undefined) return;
  if (lease.epoch !== event.epoch) return;
  core.closed.delete(event.lease);
  core.commands.push({
    type: "recordAttempt",
    attempt: {
      run: lease.run.id,
      lease: lease.id,
      worker: event.worker,
      device: lease.device.id,
      taskCount: event.tasks.length,
      cost: 0,
      assignedAt: lease.assignedAt,
      finishedAt: now,
      busySeconds: Number.isFinite(event.busySeconds) ? event.busySeconds : 0,
      outcome: "stale",
      reason: lease.reason,
    },
  });
}
