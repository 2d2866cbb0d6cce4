/**
 * What only the passing of time can tell.
 *
 * Owns: silent workers, overdue leases, runs that nobody can serve, tasks too large for every
 * device. Looks at all of them at most four times a second.
 */
import { BUCKET_COUNT, bucketFloor } from "./buckets.ts";
import type { TaskFailure, WorkerId } from "./events.ts";
import { openTasks } from "./lease.ts";
import { endRun } from "./on-run.ts";
import { onWorkerLost } from "./on-worker.ts";
import { quarantine } from "./requeue.ts";
import type { Core, Lease, RunState } from "./state.ts";
import { rescueLate } from "./tail.ts";

const SWEEP_MS = 250;
/** A worker that says something every second may have died. */
const SILENT_MS = 2000;
/** Copies of one task that may run at once besides the first. */
const HOLDERS_MAX = 3;

export function sweep(core: Core, now: number): void {
  if (now - core.sweptAt < SWEEP_MS) return;
  core.sweptAt = now;
  dropSilentWorkers(core, now);
  for (const lease of [...core.leases.values()]) {
    if (!lease.isClosed && now > lease.deadlineAt) onOverdue(core, lease, now);
  }
  for (const run of [...core.runs.values()]) {
    recount(run);
    rescueLate(core, run, now);
    judgeRefusals(core, run, now);
    if (run.outcome === undefined) giveUpOversize(core, run, now);
  }
}

function dropSilentWorkers(core: Core, now: number): void {
  for (const worker of [...core.workers.values()]) {
    const silentMs = now - worker.heardAt;
    const leftMs = core.options.lostAfterMs - silentMs;
    if (leftMs >= 0) {
      // Given up when its time is over, not at the tick after that.
      if (silentMs > SILENT_MS) {
        core.wakeAt = Math.min(core.wakeAt, now + Math.max(leftMs + 1, SWEEP_MS));
      }
      continue;
    }
    const reason = `nothing heard for ${(silentMs / 1000).toFixed(1)} s`;
    core.commands.push({ type: "dropWorker", worker: worker.id, reason });
    onWorkerLost(core, worker.id, { reason, isSilent: true, now });
  }
}

/** Gives a copy to another device; much later, with no sign of the lease, gives the worker up. */
function onOverdue(core: Core, lease: Lease, now: number): void {
  const { run, device } = lease;
  const allowedMs = lease.deadlineAt - lease.assignedAt;
  if (now > lease.deadlineAt + allowedMs && now - lease.startedAt > allowedMs) {
    const reason = `lease ${lease.id} unanswered for ${Math.round((now - lease.assignedAt) / 1000)} s`;
    core.commands.push({ type: "dropWorker", worker: device.worker.id, reason });
    onWorkerLost(core, device.worker.id, { reason, isSilent: true, now });
    return;
  }
  if (lease.isCopied || run.outcome !== undefined || run.cancelled !== undefined) return;
  const open = openTasks(lease).filter((task) => run.tasks.holders[task]! < HOLDERS_MAX);
  if (open.length === 0) return;
  lease.isCopied = true;
  run.groups.push({ tasks: open, reason: "overdue copy", avoid: device.id });
}

/** Sums of differences drift; four times a second they are made afresh. */
function recount(run: RunState): void {
  run.speed = 0;
  run.knownCount = 0;
  run.fastest = 0;
  for (const { speed, model } of run.servings.values()) {
    run.speed += speed;
    run.fastest = Math.max(run.fastest, speed);
    if (model.observationCount > 0) run.knownCount += 1;
  }
}

function notifyWait(core: Core, run: RunState, what: string): void {
  const seconds = core.options.refusalGraceMs / 1000;
  const text = `${what}; waiting ${seconds} s for a worker that can`;
  core.commands.push({ type: "notify", run: run.id, text });
}

/** A run that every attached worker refused fails, if nobody else comes in time. */
function judgeRefusals(core: Core, run: RunState, now: number): void {
  let reason: string | undefined;
  for (const worker of core.workers.values()) {
    reason = worker.refusals.get(run.id);
    if (reason === undefined) break;
  }
  if (reason === undefined || run.cancelled !== undefined) {
    run.refusedAt = undefined;
    return;
  }
  if (run.refusedAt === undefined) {
    run.refusedAt = now;
    notifyWait(core, run, `no attached worker can serve this run (${reason})`);
  }
  if (now - run.refusedAt < core.options.refusalGraceMs) return;
  const text = `no attached worker can serve this run: ${reason}`;
  endRun(core, run, { type: "failed", reason: text }, now);
}

/** Tasks larger than every device takes are quarantined, if no larger device comes in time. */
function giveUpOversize(core: Core, run: RunState, now: number): void {
  let costMax = 0;
  let worker: WorkerId | undefined;
  for (const serving of run.servings.values()) {
    costMax = Math.max(costMax, serving.costMax);
    worker = serving.device.worker.id;
  }
  const { costs } = run.tasks;
  const top = run.queue.bucketAtMost(BUCKET_COUNT - 1);
  const isInQueue = top >= 0 && costs[run.queue.peek(top)]! > costMax;
  const isTooLarge = (task: number) => costs[task]! > costMax;
  const inGroups = run.groups.filter(({ tasks }) => tasks.some(isTooLarge));
  if (worker === undefined || (!isInQueue && inGroups.length === 0)) {
    run.oversizeAt = undefined;
    return;
  }
  if (run.oversizeAt === undefined) {
    run.oversizeAt = now;
    notifyWait(
      core,
      run,
      `some tasks need more than the ${costMax} tokens any device takes at once`,
    );
  }
  if (now - run.oversizeAt < core.options.refusalGraceMs) return;
  const failures: TaskFailure[] = [];
  const giveUp = (task: number) => {
    const reason = `needs ${costs[task]} tokens at once; the largest device takes ${costMax}`;
    failures.push({ task, reason, retryable: false });
  };
  for (let bucket = top; bucket >= 0 && bucketFloor(bucket) > costMax; ) {
    giveUp(run.queue.pop(bucket));
    bucket = run.queue.bucketAtMost(bucket);
  }
  for (const group of inGroups) {
    if (group.reason !== "retry") continue;
    run.groups.splice(run.groups.indexOf(group), 1);
    for (const task of group.tasks) {
      if (isTooLarge(task)) giveUp(task);
      else run.groups.push({ ...group, tasks: Uint32Array.of(task) });
    }
  }
  if (failures.length > 0) quarantine(core, run, { worker, failures });
}
