/**
 * How long work takes on a fleet, and how many nodes are worth asking for.
 *
 * Owns: the arithmetic from learned costs to times. The time of the work itself is the scheduler's
 * own lower bound (scheduler/core/bound.ts) and what real runs lose to it. Pure; times in seconds.
 */
import { lowerBound } from "../scheduler/core/bound.ts";

/** What a sample, or a past run, taught. */
export interface LearnedCosts {
  /** Seconds a cost unit on one device while all devices of its node work. */
  readonly secondsPerCost: number;
  /** From the start of the command to the first batch, and from the last to the end. */
  readonly startSeconds: number;
  /** Devices of the node where it was learned. */
  readonly devices: number;
}

export interface PlannedWork {
  /** All of it, in cost units. */
  readonly cost: number;
  /** The largest items, descending; a few are enough. */
  readonly largest: readonly number[];
  /** What the driver does alone before the fleet has work: reading. */
  readonly serialSeconds: number;
}

/** A device: its speed against the one where costs were learned, and when it is there. */
export interface FleetDevice {
  readonly speed: number;
  readonly readyAtSeconds: number;
}

/**
 * Achieved over bound of real runs on real engines: micro-batch overhead, gaps between batches and
 * the tail (1.015 to 1.023 for 60 poses, 1.01 for 2,000 chains).
 */
const ACHIEVED_OVER_BOUND = 1.02;
/** Nodes are worth their place while four fifths of their time goes into work. */
const EFFICIENCY_MIN = 0.8;
export const NODES_MAX = 1024;

/** Seconds from the start of the command to its end. */
export function secondsOn(
  fleet: readonly FleetDevice[],
  work: PlannedWork,
  costs: LearnedCosts,
): number {
  const scaled = {
    total: work.cost * costs.secondsPerCost,
    largest: work.largest.map((cost) => cost * costs.secondsPerCost),
  };
  const lanes = fleet.map(({ speed, readyAtSeconds }) => [{ at: 1000 * readyAtSeconds, speed }]);
  const bound = lowerBound(scaled, lanes, 0) / 1000;
  return costs.startSeconds + work.serialSeconds + ACHIEVED_OVER_BOUND * bound;
}

export interface NodesTime {
  readonly nodes: number;
  readonly seconds: number;
  /** Share of the nodes' time that goes into work. */
  readonly efficiency: number;
}

/** Times on 1, 2, 4 ... nodes like the one where costs were learned. */
export function timesByNodes(work: PlannedWork, costs: LearnedCosts): NodesTime[] {
  const times: NodesTime[] = [];
  for (let nodes = 1; nodes <= NODES_MAX; nodes *= 2) times.push(timeOf(nodes, work, costs));
  return times;
}

/** The most nodes that are worth asking for; at least one. */
export function nodesWorth(work: PlannedWork, costs: LearnedCosts): NodesTime {
  let [least, beyond] = [1, NODES_MAX + 1];
  // Efficiency falls with every node: bisection.
  while (beyond - least > 1) {
    const middle = Math.floor((least + beyond) / 2);
    if (timeOf(middle, work, costs).efficiency >= EFFICIENCY_MIN) least = middle;
    else beyond = middle;
  }
  return timeOf(least, work, costs);
}

function timeOf(nodes: number, work: PlannedWork, costs: LearnedCosts): NodesTime {
  const device = { speed: 1, readyAtSeconds: 0 };
  const fleet = Array.from({ length: nodes * costs.devices }, () => device);
  const seconds = secondsOn(fleet, work, costs);
  const busy = (work.cost * costs.secondsPerCost) / costs.devices;
  return { nodes, seconds, efficiency: busy / (nodes * seconds) };
}
