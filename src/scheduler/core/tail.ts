/**
 * The end of a run: what idle devices can take over from busy ones.
 *
 * Owns: three ways, the cheapest first. A waiting batch comes back and is cut anew; a running one
 * gives back what it has not begun; and where neither helps, idle devices run copies of what would
 * end last, split among them. The first commit wins. Only when all input is known and the queue is
 * empty, and only where it is predicted to end the run sooner.
 */
import { isKnown, predictSeconds } from "./cost-model.ts";
import { leaseSeconds, openLease, openTasks, runningSeconds } from "./lease.ts";
import { orderBack } from "./on-worker.ts";
import type { Core, Lease, RunState, Serving } from "./state.ts";

/** How often idle devices look for more: about a network round trip or two. */
const LOOK_MS = 20;
/** A copy has to be so much faster than what it replaces: predictions err. */
const GAIN = 1.15;

/** Moves work to idle devices. Asks to be woken while some remain idle. */
export function balanceTail(core: Core, now: number): void {
  let isTail = false;
  for (const run of core.runs.values()) {
    if (run.isInputEnded && run.openCost > 0 && run.queue.count === 0) {
      if (run.groups.length === 0 && hasIdle(run)) isTail = true;
    }
  }
  if (!isTail) return;
  core.commands.push({ type: "wakeAt", at: now + LOOK_MS });
  if (now - core.tailCheckedAt < LOOK_MS) return;
  core.tailCheckedAt = now;
  for (const run of [...core.runs.values()]) {
    if (run.isInputEnded && run.openCost > 0 && run.queue.count === 0) relieve(core, run, now);
  }
}

function isIdle({ device }: Serving): boolean {
  return device.running === undefined && !device.worker.isDraining;
}

function hasIdle(run: RunState): boolean {
  for (const serving of run.servings.values()) if (isIdle(serving)) return true;
  return false;
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
  for (const candidate of candidates) {
    if (free >= idle.length) break;
    const helpers = idle.slice(free);
    if (askBack(core, candidate, helpers)) free += 1;
    else free += copy(core, candidate, { helpers, now });
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
function askBack(core: Core, { lease, seconds }: Candidate, helpers: readonly Serving[]): boolean {
  const tripSeconds = (2 * core.options.roundTripMs) / 1000;
  const isRunning = lease.device.running === lease;
  const serving = lease.device.servings.get(lease.run.id);
  if (!isRunning) {
    if (lease.takeBack !== "none") return false;
    const elsewhere = predictSeconds(helpers[0]!.model, lease.openCost, lease.openSquare);
    if (seconds <= tripSeconds + elsewhere) return false;
    orderBack(core, lease, "waiting");
    return true;
  }
  if (lease.takeBack === "rest" || serving === undefined) return false;
  // What has begun is at most one engine call.
  if (lease.openCost <= serving.costMax || lease.openCount < 2) return false;
  if (seconds * (1 - serving.costMax / lease.openCost) <= tripSeconds) return false;
  orderBack(core, lease, "rest");
  return true;
}

/** Runs copies of what a lease has open on idle devices; returns how many took one. */
function copy(
  core: Core,
  { lease, seconds }: Candidate,
  { helpers, now }: { readonly helpers: readonly Serving[]; readonly now: number },
): number {
  const { run } = lease;
  if (lease.isCopied || lease.device.running !== lease) return 0;
  if (lease.reason === "backup copy" || lease.reason === "overdue copy") return 0;
  const tasks = openTasks(lease);
  const able = helpers.filter(({ costMax }) => costMax >= run.tasks.costs[tasks[0] ?? 0]!);
  const parts = deal(tasks, Math.min(able.length, tasks.length));
  const slowest = able[parts.length - 1];
  if (slowest === undefined) return 0;
  const longest = Math.max(
    ...parts.map((part, index) => {
      let [cost, square] = [0, 0];
      for (const task of part) {
        const c = run.tasks.costs[task]!;
        cost += c;
        square += c * c;
      }
      return predictSeconds(able[index]!.model, cost, square);
    }),
  );
  if (longest * GAIN + core.options.roundTripMs / 1000 >= seconds) return 0;
  lease.isCopied = true;
  for (const [index, part] of parts.entries()) {
    openLease(core, { serving: able[index]!, tasks: part, reason: "backup copy", now });
  }
  return parts.length;
}

/** Deals tasks to `count` hands in turn: they lie longest first, so the hands weigh much the same. */
function deal(tasks: Uint32Array, count: number): Uint32Array[] {
  return Array.from({ length: count }, (_, hand) =>
    tasks.filter((_task, index) => index % count === hand),
  );
}
