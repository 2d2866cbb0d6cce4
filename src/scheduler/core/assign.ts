/**
 * Fills free credits.
 *
 * Owns: the order in which devices are served (idle before busy, fast before slow) and runs on each
 * (fairness.ts). Invariant: work leaves the queue only into a lease.
 */
import { cutBatch, measureBatch, secondsUntilEnd } from "./batch-cutting.ts";
import { isKnown, predictSeconds } from "./cost-model.ts";
import { servingsByTurn } from "./fairness.ts";
import { backlogSeconds, openLease } from "./lease.ts";
import {
  type Core,
  type DeviceState,
  type Group,
  hasQueuedWork,
  type RunState,
  type Serving,
} from "./state.ts";
import { OUT, QUEUED } from "./tasks.ts";

/** So many devices are looked at whenever anything happens. */
const FEW = 64;
/** More of them so often; those whose credit came free just now always. */
const LOOK_MS = 5;

/** Hands out work to every device that has a free credit. */
export function assignWork(core: Core, now: number): void {
  if (core.hungry.size === 0) return;
  let hasWork = false;
  for (const run of core.runs.values()) hasWork ||= hasQueuedWork(run);
  if (!hasWork) return;
  for (const device of bySpeed(hungryNow(core, now))) {
    while (hasCredit(core, device) && serve(core, device, now)) {}
  }
}

function hasCredit({ options }: Core, { running, waiting }: DeviceState): boolean {
  return running === undefined || (waiting === undefined && options.waitingMax > 0);
}

/**
 * Who may get work now. In a large fleet near its end thousands have a free credit that is better
 * left free: looking at all of them at every event would cost more than it brings.
 */
function hungryNow(core: Core, now: number): DeviceState[] {
  if (core.hungry.size > FEW && now - core.hungryCheckedAt < LOOK_MS) {
    core.wakeAt = Math.min(core.wakeAt, core.hungryCheckedAt + LOOK_MS);
    return [...core.fresh].filter((device) => core.hungry.has(device));
  }
  core.hungryCheckedAt = now;
  return [...core.hungry];
}

function bySpeed(devices: DeviceState[]): DeviceState[] {
  if (devices.length === 1) return devices;
  const keyed = devices.map((device) => {
    let speed = 0;
    for (const serving of device.servings.values()) speed = Math.max(speed, serving.speed);
    return { device, speed: device.running === undefined ? speed + 1e12 : speed };
  });
  keyed.sort((a, b) => b.speed - a.speed || a.device.id - b.device.id);
  return keyed.map(({ device }) => device);
}

/** Gives one batch to the device; false if it gets none. */
function serve(core: Core, device: DeviceState, now: number): boolean {
  if (device.running !== undefined && isTrial(device.running.run, device.running.tasks))
    return false;
  for (const serving of servingsByTurn(device)) {
    if (serveGroup(core, serving, now)) return true;
    if (serving.run.queue.count === 0) continue;
    const measure = measureBatch(core, serving, now);
    if (measure === undefined) continue;
    const batch = cutBatch(core, serving, measure);
    if (batch === undefined) continue;
    openLease(core, { serving, ...batch, now });
    return true;
  }
  return false;
}

/** Hands out the first group that may run here. Groups are few: suspects and copies. */
function serveGroup(core: Core, serving: Serving, now: number): boolean {
  const { run, device } = serving;
  for (let index = 0; index < run.groups.length; index++) {
    const group = run.groups[index]!;
    if (group.avoid === device.id && run.servings.size > 1) continue;
    // At the end a copy that waits behind other work comes too late to be of use.
    const isLast = group.reason !== "retry" && run.queue.count === 0;
    if (isLast && device.running !== undefined) continue;
    if (device.running !== undefined && isTrial(run, group.tasks)) continue;
    const tasks = stillOpen(group, serving);
    if (tasks.some((task) => run.tasks.costs[task]! > serving.costMax)) continue;
    if (!endsInTime(serving, tasks, now)) continue;
    run.groups.splice(index, 1);
    if (tasks.length === 0) {
      index -= 1;
      continue;
    }
    openLease(core, { serving, tasks, reason: group.reason, now });
    return true;
  }
  return false;
}

/** Whether a copy or a retry can be done before the walltime of the device's worker ends. */
function endsInTime({ device, model, run }: Serving, tasks: Uint32Array, now: number): boolean {
  const left = secondsUntilEnd(device.worker, now) - (backlogSeconds(device, now) ?? 0);
  if (left === Number.POSITIVE_INFINITY || !isKnown(model)) return left > 0;
  let [cost, square] = [0, 0];
  for (const task of tasks) {
    const c = run.tasks.costs[task]!;
    cost += c;
    square += c * c;
  }
  return predictSeconds(model, cost, square) <= left;
}

/** A task that two failed on runs with nothing behind it: if it fails again, it is to blame. */
function isTrial({ tasks: { failures } }: RunState, tasks: Uint32Array): boolean {
  return tasks.length === 1 && failures[tasks[0]!]! > 1;
}

/** Copies drop what was committed meanwhile, and what has come back into the queue. */
function stillOpen({ tasks, reason }: Group, { run }: Serving): Uint32Array {
  const state = reason === "retry" ? QUEUED : OUT;
  return tasks.filter((task) => run.tasks.state[task] === state);
}
