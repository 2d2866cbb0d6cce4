/**
 * What happens when runs open, grow, end and are cancelled.
 *
 * Owns: a run's way to its one outcome. Invariant: a run ends once: done when input ended and every
 * task is committed or quarantined; cancelled; or failed with a reason. Afterwards nothing of it is
 * committed, and devices that still hold a lease of it keep only their credit.
 */

import { balanceOf } from "./balance.ts";
import { bucketOf, TaskQueue } from "./buckets.ts";
import type { Event, RunId, RunOutcome } from "./events.ts";
import { catchUp } from "./fairness.ts";
import { noteWaste } from "./lease.ts";
import { orderBack, unserve } from "./on-worker.ts";
import { type Core, createRun, type RunState } from "./state.ts";
import { TASKS_MAX } from "./tasks.ts";

export function onRunOpened(
  core: Core,
  opening: { readonly run: RunId; readonly weight: number },
  now: number,
): void {
  if (core.runs.has(opening.run)) return;
  core.runs.set(opening.run, createRun(core, { id: opening.run, weight: opening.weight, now }));
}

/** Appends tasks. Those known already are ignored; a gap or an impossible cost fails the run. */
export function onTasksSubmitted(
  core: Core,
  event: Extract<Event, { readonly type: "tasksSubmitted" }>,
  now: number,
): void {
  const run = core.runs.get(event.run);
  if (run === undefined || run.cancelled !== undefined) return;
  const known = run.tasks.count;
  if (event.first + event.costs.length <= known) return;
  if (event.first !== known || run.isInputEnded || known + event.costs.length > TASKS_MAX) {
    const text = `tasks from ${event.first} came where ${known} was due; submit them in order`;
    endRun(core, run, { type: "failed", reason: text }, now);
    return;
  }
  if (event.costs.includes(0)) {
    const text = `task ${known + event.costs.indexOf(0)} has cost 0; a task costs 1 or more`;
    endRun(core, run, { type: "failed", reason: text }, now);
    return;
  }
  if (run.openCost === 0) catchUp(core, run);
  run.tasks.append(event.costs);
  let [cost, square] = [0, 0];
  for (let index = 0; index < event.costs.length; index++) {
    const c = event.costs[index]!;
    cost += c;
    square += c * c;
    run.histogram[bucketOf(c)]! += 1;
    run.queue.push(known + index);
  }
  run.submittedCost += cost;
  run.submittedSquare += square;
  run.openCost += cost;
  run.openSquare += square;
}

export function onInputEnded(core: Core, id: RunId): void {
  const run = core.runs.get(id);
  if (run !== undefined) run.isInputEnded = true;
}

/** Drops the queue and asks for every lease back; the run ends when its leases have. */
export function onRunCancelled(core: Core, id: RunId, reason: string, now: number): void {
  const run = core.runs.get(id);
  if (run === undefined || run.cancelled !== undefined) return;
  run.cancelled = { reason, at: now };
  run.queue = new TaskQueue(run.tasks);
  run.groups = [];
  run.openCost = 0;
  run.openSquare = 0;
  for (const lease of run.leases) orderBack(core, lease, { what: "rest", now });
}

/** Ends whatever run has reached its end. */
export function endFinishedRuns(core: Core, now: number): void {
  for (const run of core.runs.values()) {
    if (run.cancelled !== undefined) {
      const isLate = now - run.cancelled.at > core.options.cancelGraceMs;
      if (run.leases.size === 0 || isLate) {
        endRun(core, run, { type: "cancelled", reason: run.cancelled.reason }, now);
      }
    } else if (run.isInputEnded && run.committedCount + run.quarantinedCount === run.tasks.count) {
      endRun(core, run, { type: "done" }, now);
    }
  }
}

export function endRun(core: Core, run: RunState, outcome: RunOutcome, now: number): void {
  run.outcome = outcome;
  if (outcome.type === "done") for (const lease of run.leases) noteWaste(lease, now);
  const balance = balanceOf(run);
  for (const lease of run.leases) orderBack(core, lease, { what: "rest", now });
  for (const serving of [...run.servings.values()]) unserve(serving, now);
  for (const worker of core.workers.values()) worker.refusals.delete(run.id);
  run.queue = new TaskQueue(run.tasks);
  run.groups = [];
  run.openCost = 0;
  run.openSquare = 0;
  core.runs.delete(run.id);
  // They would keep the run's tables alive.
  for (const [id, lease] of core.closed) if (lease.run === run) core.closed.delete(id);
  core.commands.push({
    type: "endRun",
    run: run.id,
    outcome,
    ...(balance === undefined ? {} : { balance }),
  });
}
