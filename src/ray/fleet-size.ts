/**
 * How many worker daemons a run is worth: what is asked of Ray's autoscaler.
 *
 * Owns: the decision alone. Giving idle workers back is their own doing (worker start --max-idle).
 */

export interface FleetNow {
  /** Daemons that work now. */
  readonly workers: number;
  /** What is left would take them so long, perfectly balanced; 0: not known yet. */
  readonly idealSeconds: number;
  /** More workers than tasks are of no use. */
  readonly tasksLeft: number;
}

export interface FleetLimits {
  readonly workersMin?: number | undefined;
  readonly workersMax?: number | undefined;
  /** From asking for a node until its daemon works. */
  readonly nodeStartSeconds: number;
}

/** A cloud's node boots, starts Ray and is given Node and code within this time. */
export const NODE_START_SECONDS = 120;

/** A node that was asked for comes within this time, or there is no autoscaler. */
export const NODE_WAIT_SECONDS = 600;

/**
 * More workers are wanted where what is left takes longer than a node takes to start: so many that
 * each has that long to do, since one with less would start for longer than it works. Never fewer
 * than there are.
 */
export function workersWanted(now: FleetNow, limits: FleetLimits): number {
  const { workersMin = 0, workersMax = Number.POSITIVE_INFINITY, nodeStartSeconds } = limits;
  const isWorthIt = now.idealSeconds > nodeStartSeconds;
  const starts = Math.floor((now.workers * now.idealSeconds) / nodeStartSeconds);
  const useful = isWorthIt ? Math.min(starts, now.tasksLeft) : 0;
  const least = Math.max(1, workersMin, now.workers);
  return Math.max(Math.min(Math.max(least, useful), workersMax), workersMin);
}
