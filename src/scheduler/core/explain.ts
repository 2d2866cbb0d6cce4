/**
 * Why an item ran where and when, and why a device idled: in words.
 *
 * Owns: the telling, from a run's bounded records. What has been forgotten is said to be so.
 * Devices and workers are named by whoever knows their names.
 */
import { phaseSpeed } from "./balance.ts";
import type { Attempt, DeviceId, RunId, Task, WorkerId } from "./events.ts";
import type { Core, Lease, LeaseReason, RunState } from "./state.ts";
import { COMMITTED, OUT, QUARANTINED } from "./tasks.ts";

export interface Names {
  readonly worker: (id: WorkerId) => string;
  readonly device: (id: DeviceId) => string;
}

/** Why a batch was cut as it was, in words. */
export const REASONS: Readonly<Record<LeaseReason, string>> = {
  probe: "the device's speed was unknown, so it got a small first batch",
  "longest first": "it was among the longest tasks left, and they go first",
  giant: "it takes longer than a whole batch, so it went alone, and early",
  tail: "the end was near, so batches were short",
  retry: "a worker or engine had failed on its batch, so it ran again in a small group",
  "backup copy": "the device that had it would have ended last, so another ran a copy",
  "overdue copy": "the device that had it was past its deadline, so another ran a copy",
};

export const OUTCOMES: Readonly<Record<Attempt["outcome"], string>> = {
  committed: "its results count",
  returned: "given back unrun",
  lost: "lost with its worker",
  stale: "reported too late to count",
  failed: "failed",
};

/** The story of one task, one sentence a line. */
export function explainTask(
  core: Core,
  { run: id, task, names }: { readonly run: RunId; readonly task: Task; readonly names: Names },
): string[] {
  const run = core.runs.get(id);
  if (run === undefined) return ["The run is over or unknown; its trace.tsv has its attempts."];
  if (!(task >= 0 && task < run.tasks.count)) return [`The run has no task ${task}.`];
  const lines = [`Task ${task} costs ${run.tasks.costs[task]} tokens.`];
  for (const { attempt, tasks } of run.story.records()) {
    if (tasks.includes(task)) lines.push(attemptLine(run, attempt, names));
  }
  for (const lease of run.leases) {
    if (lease.tasks.includes(task)) lines.push(leaseLine(run, lease, names));
  }
  lines.push(stateLine(run, task, lines.length > 1));
  return lines;
}

function seconds(run: RunState, at: number): string {
  return `${((at - run.openedAt) / 1000).toFixed(2)} s`;
}

function attemptLine(run: RunState, attempt: Attempt, names: Names): string {
  const { device, worker, lease, assignedAt, finishedAt, outcome, reason } = attempt;
  const where = `${names.device(device)} of ${names.worker(worker)}`;
  const when = `from ${seconds(run, assignedAt)} to ${seconds(run, finishedAt)}`;
  const why = REASONS[reason as LeaseReason] ?? reason;
  return `Lease ${lease} on ${where}, ${when}: ${why}; ${OUTCOMES[outcome]}.`;
}

function leaseLine(run: RunState, lease: Lease, names: Names): string {
  const { device } = lease;
  const where = `${names.device(device.id)} of ${names.worker(device.worker.id)}`;
  const does = device.running === lease ? "runs" : "waits";
  const since = seconds(run, lease.assignedAt);
  return `Lease ${lease.id} ${does} on ${where} since ${since}: ${REASONS[lease.reason]}.`;
}

function stateLine(run: RunState, task: Task, isRemembered: boolean): string {
  const forgotten = isRemembered ? "" : " Its attempts are too long ago to be remembered.";
  const failures = run.tasks.failures[task]!;
  const died = failures > 0 ? ` ${failures} workers or engines failed on it.` : "";
  switch (run.tasks.state[task]) {
    case COMMITTED:
      return `It is committed.${died}${forgotten}`;
    case QUARANTINED:
      return `It is quarantined.${died}${forgotten}`;
    case OUT:
      return `It is with ${run.tasks.holders[task]} device(s) now.${died}`;
    default: {
      const ahead = tasksAhead(run, run.tasks.costs[task]!);
      return `It waits in the queue, with ${ahead} longer tasks to go before it.${died}`;
    }
  }
}

/** Open tasks of the run that are longer than `cost`. */
function tasksAhead(run: RunState, cost: number): number {
  let ahead = 0;
  for (let task = 0; task < run.tasks.count; task++) {
    const state = run.tasks.state[task]!;
    if (state !== COMMITTED && state !== QUARANTINED && run.tasks.costs[task]! > cost) ahead += 1;
  }
  return ahead;
}

/** What a device did and does in a run, one sentence a line. */
export function explainDevice(
  core: Core,
  {
    run: id,
    device,
    names,
  }: { readonly run: RunId; readonly device: DeviceId; readonly names: Names },
): string[] {
  const run = core.runs.get(id);
  if (run === undefined) return ["The run is over or unknown; its trace.tsv has its attempts."];
  const story = run.story.devices.get(device);
  if (story === undefined) return [`${names.device(device)} was never ready for this run.`];
  const lines: string[] = [];
  for (const { from, to } of story.ready) {
    const until = to === Number.POSITIVE_INFINITY ? "" : ` until ${seconds(run, to)}`;
    lines.push(`${names.device(device)} was ready from ${seconds(run, from)}${until}.`);
  }
  const speeds = story.phases.map((phase) => phaseSpeed(run, phase));
  const speed = speeds.at(-1);
  const does = speed === undefined ? "not known yet" : `${speed.toFixed(0)} tokens/s`;
  lines.push(`Its speed is ${does}, after ${story.batchCount} engine calls.`);
  const first = speeds[0];
  if (speed !== undefined && first !== undefined && speed < first / 2) {
    lines.push(`It has become ${(first / speed).toFixed(1)} times slower since its first batch.`);
  }
  for (const { from, to } of story.idle) {
    const what =
      from <= (story.ready[0]?.from ?? from) ? "before its first batch" : "between batches";
    lines.push(
      `It idled ${((to - from) / 1000).toFixed(2)} s from ${seconds(run, from)}, ${what}.`,
    );
  }
  lines.push(nowLine(core, run, device));
  return lines;
}

function nowLine(core: Core, run: RunState, id: DeviceId): string {
  const device = core.devices.get(id);
  if (device === undefined) return "Its worker is gone.";
  if (device.worker.isDraining) return "Its worker drains: it gets nothing new.";
  const { running } = device;
  if (running !== undefined) {
    const whose = running.run === run ? "this run" : `run ${running.run.id}`;
    return `Now it runs lease ${running.id} of ${whose}: ${REASONS[running.reason]}.`;
  }
  if (run.queue.count === 0 && run.groups.length === 0) {
    return run.isInputEnded
      ? "Now it idles: all that is left runs elsewhere, and a copy here would not end sooner."
      : "Now it idles: the driver has not submitted more work yet.";
  }
  return "Now it idles: what is queued is too large for it, or a faster device will end it sooner.";
}
