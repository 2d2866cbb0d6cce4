/**
 * Several runs on one fleet.
 *
 * Owns: whose turn it is. Each run has a virtual clock, the fleet seconds it got over its weight;
 * the run furthest behind is served next (start-time fair queuing: Goyal, Vin, Cheng 1996). A run
 * that opens, or comes back after having had nothing to do, starts level with the others, so it is
 * served at once and owes nothing, and nothing is owed to it.
 */
import {
  type Core,
  type DeviceState,
  hasQueuedWork,
  type RunState,
  type Serving,
} from "./state.ts";

/** The run's share of the fleet among the runs that have open work. */
export function shareOf(core: Core, run: RunState): number {
  if (core.runs.size === 1) return 1;
  let weights = 0;
  for (const other of core.runs.values()) {
    if (other === run || other.openCost > 0) weights += other.weight;
  }
  return run.weight / weights;
}

/** Whether more than one run has open work. */
export function isShared(core: Core): boolean {
  let active = 0;
  for (const run of core.runs.values()) if (run.openCost > 0) active += 1;
  return active > 1;
}

/** The servings of a device with work to hand out, the most deserving run first. */
export function servingsByTurn(device: DeviceState): Serving[] {
  const servings: Serving[] = [];
  for (const serving of device.servings.values()) {
    if (hasQueuedWork(serving.run)) servings.push(serving);
  }
  if (servings.length > 1) {
    servings.sort((a, b) => a.run.virtualSeconds - b.run.virtualSeconds || a.run.id - b.run.id);
  }
  return servings;
}

/** Sets a run that had nothing to do level with those that had. Call before its work arrives. */
export function catchUp(core: Core, run: RunState): void {
  let least = Number.POSITIVE_INFINITY;
  for (const other of core.runs.values()) {
    if (other !== run && other.openCost > 0) least = Math.min(least, other.virtualSeconds);
  }
  if (least !== Number.POSITIVE_INFINITY) run.virtualSeconds = Math.max(run.virtualSeconds, least);
}
