/**
 * Tasks that come back: into their buckets, into groups of suspects, or out as quarantined.
 *
 * Owns: who is guilty when an engine or worker dies. After a first death the batch's tasks run
 * again in groups of about the square root of their number, after a second each alone; a task that
 * had `retriesMax` deaths is quarantined. The last trials run with nothing else on their device, so
 * only a guilty one ever is, after a handful of batches. A worker that fell silent or ran several
 * batches when it died proves less: that takes three times as many deaths.
 */
import type { DeviceId, Task, TaskFailure, WorkerId } from "./events.ts";
import type { Core, RunState } from "./state.ts";
import { QUARANTINED, QUEUED } from "./tasks.ts";

/** How sure it is that one of the tasks was the cause. */
export type Blame = "none" | "weak" | "strong";

const WEAK_FACTOR = 3;

export interface Requeueing {
  readonly tasks: readonly Task[];
  readonly blame: Blame;
  readonly reason: string;
  readonly device:
    | { readonly id: DeviceId; readonly worker: { readonly id: WorkerId } }
    | undefined;
}

/** Puts tasks without a holder back in the queue. */
export function requeue(core: Core, run: RunState, requeueing: Requeueing): void {
  const { tasks, blame, device } = requeueing;
  if (run.cancelled !== undefined) return;
  if (blame === "none" || device === undefined) {
    // Backwards, so that they stand in their old order at the front of each bucket.
    for (let index = tasks.length - 1; index >= 0; index--) {
      const task = tasks[index]!;
      run.tasks.state[task] = QUEUED;
      if (run.tasks.failures[task] === 0) run.queue.pushFront(task);
      else pushGroup(run, [task], device?.id);
    }
    return;
  }
  const { retriesMax } = core.options;
  const failuresMax = blame === "strong" ? retriesMax : WEAK_FACTOR * retriesMax;
  const dead: TaskFailure[] = [];
  const once: Task[] = [];
  for (const task of tasks) {
    const failures = run.tasks.failures[task]! + 1;
    // Counted in a byte.
    run.tasks.failures[task] = Math.min(failures, 255);
    if (failures >= failuresMax) {
      const reason = `given up after ${failures} workers or engines failed on it: ${requeueing.reason}`;
      dead.push({ task, reason, retryable: false });
    } else {
      run.tasks.state[task] = QUEUED;
      if (failures > 1) pushGroup(run, [task], device.id);
      else once.push(task);
    }
  }
  const size = Math.ceil(Math.sqrt(once.length));
  for (let from = 0; from < once.length; from += size) {
    pushGroup(run, once.slice(from, from + size), device.id);
  }
  if (dead.length > 0) quarantine(core, run, { worker: device.worker.id, failures: dead });
}

function pushGroup(run: RunState, tasks: readonly Task[], avoid: DeviceId | undefined): void {
  run.groups.push({ tasks: Uint32Array.from(tasks), reason: "retry", avoid });
}

/** Gives tasks up for good. None of them may be committed or quarantined. */
export function quarantine(
  core: Core,
  run: RunState,
  { worker, failures }: { readonly worker: WorkerId; readonly failures: readonly TaskFailure[] },
): void {
  for (const { task } of failures) {
    run.tasks.state[task] = QUARANTINED;
    const cost = run.tasks.costs[task]!;
    run.openCost -= cost;
    run.openSquare -= cost * cost;
  }
  run.quarantinedCount += failures.length;
  core.commands.push({ type: "quarantineTasks", run: run.id, worker, failures });
}
