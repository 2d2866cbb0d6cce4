/**
 * How far away the end is.
 *
 * Owns: the ideal time left for a run on its share of the fleet, on which batch lengths and every
 * decision at the tail depend. Pure arithmetic on sums that the state keeps up to date.
 */
import { shareOf } from "./fairness.ts";
import type { Core, RunState } from "./state.ts";

/** Cost in linear units: sum(c) + q * sum(c^2). */
export function workOf(run: RunState, cost: number, square: number): number {
  return cost + run.shape.quadraticPerCost * square;
}

/** Cost units a second of all devices ready for the run; unknown ones count as the mean. */
export function fleetSpeed(run: RunState): number {
  if (run.knownCount === 0) return 0;
  return (run.speed / run.knownCount) * run.servings.size;
}

/** Seconds until the run could end if all its devices worked without loss; undefined if unknown. */
export function horizonSeconds(core: Core, run: RunState): number | undefined {
  const speed = fleetSpeed(run);
  if (!(speed > 0)) return undefined;
  return workOf(run, run.openCost, run.openSquare) / (speed * shareOf(core, run));
}

/** The largest task that a device of the run faster than `speed` takes; 0 if there is none. */
export function largestTakenAt(run: RunState, speed: number): number {
  let largest = 0;
  for (const serving of run.servings.values()) {
    if (serving.speed > speed && !serving.device.worker.isDraining) {
      largest = Math.max(largest, serving.costMax);
    }
  }
  return largest;
}
