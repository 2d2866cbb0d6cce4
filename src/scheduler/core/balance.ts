/**
 * How near a run came to its bound, and where the rest of the fleet's time went.
 *
 * Owns: the figures of the summary and of run.json, from what devices reported: what each did, when, and
 * how long it took. They are estimates, good to the noise of batch times; the simulation
 * computes the same figures from the truth. Losses are shares of the capacity, the integral of all
 * speeds from the first device's readiness to the last commit.
 */
import { capacityOf, LARGEST_MAX, lowerBound, type SpeedChange } from "./bound.ts";
import { BUCKET_COUNT, bucketFloor } from "./buckets.ts";
import type { Balance } from "./events.ts";
import { workOf } from "./horizon.ts";
import type { RunState } from "./state.ts";
import type { DeviceStory, Phase } from "./story.ts";

/** The balance of a run so far, up to its last commit; undefined if nothing was committed. */
export function balanceOf(run: RunState): Balance | undefined {
  const { story, firstReadyAt: from, lastCommitAt: to } = run;
  if (from === undefined || to === undefined || to <= from) return undefined;
  const total = workOf(run, run.committedCost, run.committedSquare);
  const devices = [...story.devices.values()].filter(({ ready }) => ready.length > 0);
  const lanes = devices.map((device) => laneOf(run, device, to));
  const boundMs = lowerBound({ total, largest: largestOf(run) }, lanes, from);
  const repeated = workOf(run, story.repeatedCost + story.lostCost, 0);
  let [capacity, startUp, tail, overhead, batchCount] = [0, 0, 0, 0, 0];
  for (const [index, device] of devices.entries()) {
    const lane = lanes[index]!;
    capacity += capacityOf(lane, from, to);
    startUp += capacityOf(lane, from, Math.min(device.firstBatchAt ?? to, to));
    tail += capacityOf(lane, Math.min(device.lastReportAt ?? to, to), to);
    for (const phase of device.phases) overhead += phase.overhead * phaseSpeed(run, phase);
    batchCount += device.batchCount;
  }
  // What ran unreported when its worker was lost came after the last report.
  tail = Math.max(tail - workOf(run, story.lostCost, 0), 0);
  const share = (part: number) => (capacity > 0 ? Math.min(Math.max(part / capacity, 0), 1) : 0);
  return {
    bound_s: boundMs / 1000,
    achieved_s: (to - from) / 1000,
    ratio: boundMs > 0 && Number.isFinite(boundMs) ? (to - from) / boundMs : 0,
    repeated_work: total > 0 ? repeated / total : 0,
    losses: {
      start_up: share(startUp),
      batch_overhead: share(overhead),
      idle_tail: share(tail),
      idle_between: share(capacity - total - startUp - tail - overhead - repeated),
      repeated_work: share(repeated),
    },
    devices: devices.length,
    batches: batchCount,
  };
}

/** A device's speed over time: what it did in each phase, and as fast before its first one. */
function laneOf(run: RunState, { ready, phases }: DeviceStory, end: number): SpeedChange[] {
  const lane: SpeedChange[] = [];
  for (const { from, to } of ready) {
    const before = phases.findLast((phase) => phase.from < from);
    const within = phases.filter((phase) => phase.from >= from && phase.from < to);
    const first = before ?? within[0];
    // Ready, but no batch ended yet: it was as fast as it turned out to be.
    lane.push({ at: from, speed: first === undefined ? 0 : phaseSpeed(run, first) });
    for (const phase of within) lane.push({ at: phase.from, speed: phaseSpeed(run, phase) });
    if (to <= end) lane.push({ at: to, speed: 0 });
  }
  return lane;
}

/** Work a second of a phase, overhead aside: at least a tenth of its time was work. */
export function phaseSpeed(run: RunState, { cost, square, seconds, overhead }: Phase): number {
  return workOf(run, cost, square) / Math.max(seconds - overhead, 0.1 * seconds, 1e-9);
}

/** The largest tasks' work, from the histogram: each counts as its bucket's smallest. */
function largestOf(run: RunState): number[] {
  const largest: number[] = [];
  for (let bucket = BUCKET_COUNT - 1; bucket > 0 && largest.length < LARGEST_MAX; bucket--) {
    const cost = bucketFloor(bucket);
    for (let n = run.histogram[bucket]!; n > 0 && largest.length < LARGEST_MAX; n--) {
      largest.push(workOf(run, cost, cost * cost));
    }
  }
  return largest;
}
