/**
 * What happens when workers come, speak, drain and go.
 *
 * Owns: membership. Invariant: a worker that is not in `core.workers` has no device and no lease;
 * whatever it still says is ignored.
 */
import type { DeviceId, Event, RunId, WorkerId } from "./events.ts";
import { closeLease } from "./lease.ts";
import { noteLoss } from "./reliability.ts";
import {
  type Core,
  createServing,
  type DeviceState,
  epochOf,
  type Lease,
  markHungry,
  type RunState,
  type Serving,
  type WorkerState,
} from "./state.ts";

export function onWorkerJoined(
  core: Core,
  id: WorkerId,
  { endsAt, now }: { readonly endsAt: number | undefined; readonly now: number },
): void {
  if (core.workers.has(id)) return;
  core.workers.set(id, {
    id,
    epoch: epochOf(core, id),
    devices: new Set(),
    joinedAt: now,
    heardAt: now,
    isDraining: false,
    endsAt,
    refusals: new Map(),
  });
}

export interface WorkerLoss {
  readonly reason: string;
  /** It was given up, rather than its connection having broken. */
  readonly isSilent: boolean;
  readonly now: number;
}

/** Its leases are requeued at once; the tasks of the running one are suspects. */
export function onWorkerLost(
  core: Core,
  id: WorkerId,
  { reason, isSilent, now }: WorkerLoss,
): void {
  const worker = core.workers.get(id);
  if (worker === undefined) return;
  core.workers.delete(id);
  let runningCount = 0;
  for (const device of worker.devices) if (device.running !== undefined) runningCount += 1;
  const blame = isSilent || runningCount > 1 ? "weak" : "strong";
  if (!worker.isDraining) noteLoss(core, worker, now);
  const runs = new Set<RunState>();
  for (const device of worker.devices) {
    core.devices.delete(device.id);
    core.hungry.delete(device);
    if (device.running !== undefined) runs.add(device.running.run);
    loseLeases(core, device, { now, reason, blame, of: undefined });
    for (const serving of [...device.servings.values()]) unserve(serving, now);
  }
  for (const run of runs) makeRoom(core, run, now);
}

/** What was lost had begun: it goes ahead of what merely waits on other devices. */
function makeRoom(core: Core, run: RunState, now: number): void {
  let wanted = run.groups.length;
  for (const { device } of run.servings.values()) {
    const { waiting } = device;
    // A device without one is given a group in this very step.
    const isFree = waiting === undefined;
    if (wanted === 0) return;
    if (!isFree && (waiting.run !== run || waiting.reason === "retry")) continue;
    if (!isFree) orderBack(core, waiting, { what: "waiting", now });
    wanted -= 1;
  }
}

/** Closes what a device holds: of one run, or of all. */
function loseLeases(
  core: Core,
  device: DeviceState,
  {
    of,
    ...closing
  }: { now: number; reason: string; blame: "weak" | "strong"; of: RunId | undefined },
): void {
  const isOf = (lease: Lease) => of === undefined || lease.run.id === of;
  const { running, waiting } = device;
  // The waiting one first: closing the running one would promote it.
  if (waiting !== undefined && isOf(waiting)) {
    closeLease(core, waiting, { ...closing, blame: "none", isLost: true });
  }
  if (running !== undefined && isOf(running)) {
    closeLease(core, running, { ...closing, isLost: true });
  }
}

/** No new work, and what it has not begun comes back. */
export function onWorkerDraining(
  core: Core,
  id: WorkerId,
  { endsAt, now }: { readonly endsAt: number | undefined; readonly now: number },
): void {
  const worker = core.workers.get(id);
  if (worker === undefined) return;
  worker.endsAt = endsAt ?? worker.endsAt;
  if (worker.isDraining) return;
  worker.isDraining = true;
  for (const device of worker.devices) {
    core.hungry.delete(device);
    for (const lease of [device.running, device.waiting]) {
      if (lease !== undefined) orderBack(core, lease, { what: "waiting", now });
    }
  }
}

/** Asks a worker to give back work: all of a lease if not begun, or the rest of a running one. */
export function orderBack(
  core: Core,
  lease: Lease,
  { what, now }: { readonly what: "waiting" | "rest"; readonly now: number },
): void {
  if (lease.takeBack === "rest" || lease.takeBack === what) return;
  lease.takeBack = what;
  lease.takeBackAt = now;
  core.commands.push({
    type: "takeBack",
    lease: lease.id,
    epoch: lease.epoch,
    worker: lease.device.worker.id,
    keepRunning: what === "waiting",
  });
}

export function onEngineReady(
  core: Core,
  event: Extract<Event, { readonly type: "engineReady" }>,
  now: number,
): void {
  const worker = core.workers.get(event.worker);
  const run = core.runs.get(event.run);
  if (worker === undefined || run === undefined || run.outcome !== undefined) return;
  const device = knownDevice(core, worker, event.device, now);
  // Another worker's device, or a device without memory: a lying or broken worker gets no work.
  if (device === undefined || !(event.costMax >= 1)) return;
  worker.refusals.delete(run.id);
  run.refusedAt = undefined;
  run.firstReadyAt ??= now;
  const { costMax, callCost = costMax } = event;
  if (!device.servings.has(run.id)) {
    const serving = createServing(device, run, { costMax, callCost });
    device.servings.set(run.id, serving);
    run.servings.set(device.id, serving);
    run.story.readyAt(device.id, now);
  }
  if (device.waiting === undefined && !worker.isDraining) markHungry(core, device);
  shareDevice(core, device, { run: run.id, now });
}

/** A run that gets a device used by others is not to wait for what has not begun there. */
function shareDevice(
  core: Core,
  device: DeviceState,
  { run, now }: { readonly run: RunId; readonly now: number },
): void {
  const { waiting } = device;
  if (waiting !== undefined && waiting.run.id !== run)
    orderBack(core, waiting, { what: "waiting", now });
}

function knownDevice(
  core: Core,
  worker: WorkerState,
  id: DeviceId,
  now: number,
): DeviceState | undefined {
  const known = core.devices.get(id);
  if (known !== undefined) return known.worker === worker ? known : undefined;
  const device: DeviceState = {
    id,
    worker,
    servings: new Map(),
    running: undefined,
    waiting: undefined,
    idleSince: now,
  };
  core.devices.set(id, device);
  worker.devices.add(device);
  return device;
}

/** Takes a device out of a run; its speed no longer counts. */
export function unserve(serving: Serving, now: number): void {
  const { device, run } = serving;
  device.servings.delete(run.id);
  run.servings.delete(device.id);
  run.speed -= serving.speed;
  if (serving.model.observationCount > 0) run.knownCount -= 1;
  if (run.knownCount === 0) run.speed = 0;
  serving.speed = 0;
  run.story.goneAt(device.id, now);
}

/** The engine of one device died, or (not retryable) the worker cannot serve the run at all. */
export function onEngineFailed(
  core: Core,
  event: Extract<Event, { readonly type: "engineFailed" }>,
  now: number,
): void {
  const worker = core.workers.get(event.worker);
  const run = core.runs.get(event.run);
  if (worker === undefined || run === undefined) return;
  for (const device of worker.devices) {
    if (event.retryable && event.device !== undefined && device.id !== event.device) continue;
    loseLeases(core, device, { now, reason: event.reason, blame: "strong", of: run.id });
    const serving = device.servings.get(run.id);
    if (serving !== undefined) unserve(serving, now);
  }
  if (!event.retryable) worker.refusals.set(run.id, event.reason);
}
