/**
 * How long work takes on a fleet, and how many nodes are worth asking for.
 *
 * Owns: the arithmetic from learned costs to times. A run is what it does once, and stages one after
 * the other (annotating, embedding, scoring), each with costs of its own. The time of a stage's work
 * is the scheduler's own lower bound (scheduler/core/bound.ts) and what real runs lose to it. Pure;
 * times in seconds.
 */
import { lowerBound } from "../../scheduler/core/bound.ts";

/** What a sample, or a past run, taught of a stage. */
export interface LearnedCosts {
  /** Seconds a cost unit on one device while all devices of its node work. */
  readonly secondsPerCost: number;
  /** What is done once: engines are opened and become warm, results are gathered. */
  readonly startSeconds: number;
  /** What the driver does at the end for each record, alone. */
  readonly writeSecondsPerRow: number;
  /** Devices of the node where it was learned. */
  readonly devices: number;
}

export interface PlannedWork {
  /** All of it, in cost units. */
  readonly cost: number;
  /** The largest items, descending; a few are enough. */
  readonly largest: readonly number[];
  /** Records of the output. */
  readonly rows: number;
}

export interface PlannedStage {
  readonly work: PlannedWork;
  readonly costs: LearnedCosts;
}

export interface PlannedRun {
  /** What nobody shares: the program and its fleet start and end, inputs are read. */
  readonly serialSeconds: number;
  readonly stages: readonly PlannedStage[];
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
export function secondsOn(fleet: readonly FleetDevice[], run: PlannedRun): number {
  return secondsOf(run, () => fleet);
}

function secondsOf(
  { serialSeconds, stages }: PlannedRun,
  fleetOf: (costs: LearnedCosts) => readonly FleetDevice[],
): number {
  return stages.reduce((sum, { work, costs }) => {
    const scaled = {
      total: work.cost * costs.secondsPerCost,
      largest: work.largest.map((cost) => cost * costs.secondsPerCost),
    };
    // Who joins late may have joined while an earlier stage ran.
    const elapsed = sum - serialSeconds;
    const lanes = fleetOf(costs).map(({ speed, readyAtSeconds }) => [
      { at: 1000 * Math.max(0, readyAtSeconds - elapsed), speed },
    ]);
    const bound = lowerBound(scaled, lanes, 0) / 1000;
    const alone = costs.startSeconds + work.rows * costs.writeSecondsPerRow;
    return sum + alone + ACHIEVED_OVER_BOUND * bound;
  }, serialSeconds);
}

export interface NodesTime {
  readonly nodes: number;
  readonly seconds: number;
  /** Share of the nodes' time that goes into work. */
  readonly efficiency: number;
}

/** Times on 1, 2, 4 ... nodes like the one where costs were learned. */
export function timesByNodes(run: PlannedRun): NodesTime[] {
  const times: NodesTime[] = [];
  for (let nodes = 1; nodes <= NODES_MAX; nodes *= 2) times.push(timeOf(nodes, run));
  return times;
}

/** The most nodes that are worth asking for; at least one. */
export function nodesWorth(run: PlannedRun): NodesTime {
  let [least, beyond] = [1, NODES_MAX + 1];
  // Efficiency falls with every node: bisection.
  while (beyond - least > 1) {
    const middle = Math.floor((least + beyond) / 2);
    if (timeOf(middle, run).efficiency >= EFFICIENCY_MIN) least = middle;
    else beyond = middle;
  }
  return timeOf(least, run);
}

function timeOf(nodes: number, run: PlannedRun): NodesTime {
  const device = { speed: 1, readyAtSeconds: 0 };
  const seconds = secondsOf(run, ({ devices }) =>
    Array.from({ length: nodes * devices }, () => device),
  );
  const busy = run.stages.reduce(
    (sum, { work, costs }) => sum + (work.cost * costs.secondsPerCost) / costs.devices,
    0,
  );
  return { nodes, seconds, efficiency: busy / (nodes * seconds) };
}
