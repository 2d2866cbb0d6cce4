/**
 * The end of a run: what idle devices can take over from busy ones.
 *
 * Owns: three ways, the cheapest first. A waiting batch comes back and is cut anew; a running one
 * gives back what it has not begun; and where neither helps, idle devices run copies of what would
 * end last, split among them. The first commit wins. Only when all input is known and the queue is
 * empty, and only where it is predicted to end the run sooner.
 */
import { isKnown, predictSeconds } from "./cost-model.ts";
import { horizonSeconds } from "./horizon.ts";
import { backlogSeconds, leaseSeconds, openLease, openTasks, runningSeconds } from "./lease.ts";
import { orderBack } from "./on-worker.ts";
import type { Core, Lease, RunState, Serving } from "./state.ts";

/** How often idle devices look for more: about a network round trip or two. */
const LOOK_MS = 20;
/** A copy has to be so much faster than what it replaces: predictions err. */
const GAIN = 1.15;
/** A device that takes so many times what was predicted is not merely noisy. */
const LATE = 1.5;
/** So many leases not worth a copy, and the rest is not worth the look. */
const REFUSED_MAX = 8;
/** An order to give back is answered within so many round trips, or something is wrong. */
const ANSWER_TRIPS = 10;

/** Moves work to idle devices. Asks to be woken until the run's end. */
export function balanceTail(core: Core, now: number): void {
  let isTail = false;
  for (const run of core.runs.values()) {
    if (run.isInputEnded && run.openCost > 0 && run.queue.count === 0) isTail = true;
  }
  if (!isTail) return;
  const dueAt = core.tailCheckedAt + LOOK_MS;
  if (now >= dueAt) core.tailCheckedAt = now;
  core.wakeAt = Math.min(core.wakeAt, core.tailCheckedAt + LOOK_MS);
  if (now < dueAt) return;
  for (const run of [...core.runs.values()]) {
    if (run.isInputEnded && run.openCost > 0 && run.queue.count === 0) relieve(core, run, now);
  }
}

function isIdle({ device }: Serving): boolean {
  return device.running === undefined && !device.worker.isDraining;
}

interface Candidate {
  readonly lease: Lease;
  /** Predicted seconds until it ends where it is. */
  readonly seconds: number;
}

function relieve(core: Core, run: RunState, now: number): void {
  const idle = [...run.servings.values()].filter(isIdle).filter(({ model }) => isKnown(model));
  if (idle.length === 0) return;
  idle.sort((a, b) => b.speed - a.speed);
  const candidates = candidatesOf(run, now);
  let free = 0;
  let refused = 0;
  for (const candidate of candidates) {
    if (free >= idle.length) break;
    if (!isIdle(idle[free]!)) free += 1;
    else if (askBack(core, candidate, { helper: idle[free]!, now })) free += 1;
    else if (!copy(core, candidate, now)) refused += 1;
    // Those that follow end sooner still.
    if (refused > REFUSED_MAX) break;
  }
}

/** All leases of the run, the one that ends last first. */
function candidatesOf(run: RunState, now: number): Candidate[] {
  const candidates: Candidate[] = [];
  for (const lease of run.leases) {
    const { device } = lease;
    const running = device.running!;
    // Nothing is known of a first batch but how long it has taken.
    const first = runningSeconds(running, now) ?? (now - running.startedAt) / 1000;
    const seconds = lease === running ? first : first + (leaseSeconds(lease) ?? first);
    candidates.push({ lease, seconds });
  }
  return candidates.sort((a, b) => b.seconds - a.seconds);
}

/** Asks for what has not begun, if an idle device would end it sooner. */
function askBack(
  core: Core,
  { lease, seconds }: Candidate,
  { helper, now }: { readonly helper: Serving; readonly now: number },
): boolean {
  const tripSeconds = (2 * core.options.roundTripMs) / 1000;
  const serving = lease.device.servings.get(lease.run.id);
  if (lease.device.running !== lease) {
    if (lease.takeBack !== "none") return false;
    const elsewhere = predictSeconds(helper.model, lease.openCost, lease.openSquare);
    if (seconds <= tripSeconds + elsewhere) return false;
    orderBack(core, lease, { what: "waiting", now });
    return true;
  }
  if (lease.takeBack === "rest" || serving === undefined) return false;
  // What has begun is at most one engine call.
  if (lease.openCost <= serving.callCost || lease.openCount < 2) return false;
  if (seconds * (1 - serving.callCost / lease.openCost) <= tripSeconds) return false;
  orderBack(core, lease, { what: "rest", now });
  return true;
}

interface Helper {
  readonly serving: Serving;
  readonly backlog: number;
}

/** Deals copies of what a lease has open to the devices that are free, or soon will be. */
function copy(core: Core, { lease, seconds }: Candidate, now: number): boolean {
  const { run } = lease;
  if (lease.isCopied || lease.reason === "backup copy" || lease.reason === "overdue copy") {
    return false;
  }
  const isWaiting = lease.device.running !== lease;
  // One that waits is asked back; if nothing comes, its worker may be dead.
  if (isWaiting && now - lease.takeBackAt < ANSWER_TRIPS * core.options.roundTripMs) return false;
  const helpers = helpersOf(run, { lease, within: seconds / 2, now });
  if (helpers.length > 0 && !couldGain({ lease, seconds }, helpers)) return false;
  const tasks = openTasks(lease);
  const parts = deal(tasks, Math.min(helpers.length, tasks.length));
  if (parts.length === 0) return false;
  let longest = 0;
  for (const [index, part] of parts.entries()) {
    const { serving, backlog } = helpers[index]!;
    longest = Math.max(longest, backlog + partSeconds(serving, part));
  }
  if (longest * GAIN + core.options.roundTripMs / 1000 >= seconds) return false;
  lease.isCopied = true;
  for (const [index, part] of parts.entries()) {
    const { serving } = helpers[index]!;
    if (isIdle(serving)) openLease(core, { serving, tasks: part, reason: "backup copy", now });
    else run.groups.push({ tasks: part, reason: "backup copy", avoid: lease.device.id });
  }
  return true;
}

/** Whether all helpers together, as fast as the fastest, would end a lease sooner: cheap to ask. */
function couldGain({ lease, seconds }: Candidate, helpers: readonly Helper[]): boolean {
  let least = Number.POSITIVE_INFINITY;
  for (const { serving } of helpers) {
    least = Math.min(least, predictSeconds(serving.model, lease.openCost, lease.openSquare));
  }
  return (least / helpers.length) * GAIN < seconds;
}

/** Who could run a part of the lease's work soon, the first to be free first. */
function helpersOf(
  run: RunState,
  { lease, within, now }: { readonly lease: Lease; readonly within: number; readonly now: number },
): Helper[] {
  const largest = run.tasks.costs[lease.tasks[0]!]!;
  const helpers: Helper[] = [];
  for (const serving of run.servings.values()) {
    const { device, model, costMax } = serving;
    if (device === lease.device || device.worker.isDraining) continue;
    if (!isKnown(model) || costMax < largest) continue;
    const backlog = backlogSeconds(device, now);
    if (backlog !== undefined && backlog <= within) helpers.push({ serving, backlog });
  }
  return helpers.sort((a, b) => a.backlog - b.backlog || b.serving.speed - a.serving.speed);
}

function partSeconds({ run, model }: Serving, part: Uint32Array): number {
  let [cost, square] = [0, 0];
  for (const task of part) {
    const c = run.tasks.costs[task]!;
    cost += c;
    square += c * c;
  }
  return predictSeconds(model, cost, square);
}

/** Deals tasks to `count` hands in turn: they lie longest first, so the hands weigh much the same. */
function deal(tasks: Uint32Array, count: number): Uint32Array[] {
  return Array.from({ length: count }, (_, hand) => {
    const part = new Uint32Array(Math.ceil((tasks.length - hand) / count));
    for (let index = 0; index < part.length; index++) part[index] = tasks[hand + index * count]!;
    return part;
  });
}

/** Copies what a late device will not end before all the rest is done, while there is a rest. */
export function rescueLate(core: Core, run: RunState, now: number): void {
  const horizon = horizonSeconds(core, run);
  if (!run.isInputEnded || horizon === undefined || run.queue.count === 0) return;
  for (const lease of run.leases) {
    if (lease.isCopied || lease.device.running !== lease) continue;
    const predicted = leaseSeconds(lease);
    const elapsed = (now - lease.startedAt) / 1000;
    if (predicted === undefined || elapsed < LATE * predicted || elapsed < horizon) continue;
    if (lease.reason === "backup copy" || lease.reason === "overdue copy") continue;
    lease.isCopied = true;
    for (const part of deal(openTasks(lease), Math.min(run.servings.size, lease.openCount))) {
      run.groups.push({ tasks: part, reason: "backup copy", avoid: lease.device.id });
    }
  }
}
