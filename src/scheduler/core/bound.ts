/**
 * The least time in which any scheduler could have done the work on the fleet as it really was.
 *
 * Owns: LB = max(T : integral of all speeds = all work; max over k < m of T_k : integral of the k
 * fastest speeds = the k largest tasks). With constant speeds that is the optimal preemptive
 * makespan on uniform machines (Horvath, Lam, Sethi 1977), so it bounds indivisible tasks too.
 * Overhead is not in it. Pure arithmetic; units: work = speed x seconds, times in milliseconds.
 */

/** From `at` (ms) on, the device works at `speed`; 0 before it is ready and after it is lost. */
export interface SpeedChange {
  readonly at: number;
  readonly speed: number;
}

export interface Work {
  readonly total: number;
  /** The largest tasks' work, descending; as many as matter (see `LARGEST_MAX`). */
  readonly largest: ArrayLike<number>;
}

/** Beyond the 64 largest of realistic work, the total decides. */
export const LARGEST_MAX = 64;
/** Changes are moved to a grid of so many steps where there are more of them. */
const SEGMENTS_MAX = 4_096;

interface Change extends SpeedChange {
  readonly lane: number;
}

/**
 * The bound in milliseconds, counted from `from`. Each lane is one device's changes in order of
 * time, with speed 0 before the first. Infinity if the fleet never gets so far.
 */
export function lowerBound(
  work: Work,
  lanes: readonly (readonly SpeedChange[])[],
  from: number,
): number {
  if (work.total <= 0) return 0;
  const changes = changesOf(lanes, from);
  const needs = needsOf(work, lanes.length);
  const done = new Float64Array(needs.length);
  const speeds = new Float64Array(lanes.length);
  let latest = 0;
  let open = needs.length;
  for (let index = 0; index < changes.length; ) {
    const at = changes[index]!.at;
    for (; index < changes.length && changes[index]!.at === at; index++) {
      speeds[changes[index]!.lane] = changes[index]!.speed;
    }
    const until = changes[index]?.at ?? Number.POSITIVE_INFINITY;
    const rates = ratesOf(speeds, needs.length);
    for (let k = 0; k < needs.length; k++) {
      if (done[k] === Number.POSITIVE_INFINITY) continue;
      const rate = rates[k]! / 1000;
      const reachedAt = rate > 0 ? at + (needs[k]! - done[k]!) / rate : Number.POSITIVE_INFINITY;
      if (reachedAt <= until && reachedAt !== Number.POSITIVE_INFINITY) {
        latest = Math.max(latest, reachedAt - from);
        done[k] = Number.POSITIVE_INFINITY;
        open -= 1;
      } else done[k]! += until === Number.POSITIVE_INFINITY ? 0 : rate * (until - at);
    }
    if (open === 0) return latest;
  }
  return Number.POSITIVE_INFINITY;
}

/** All changes by time, none before `from`, on a grid where there are too many. */
function changesOf(lanes: readonly (readonly SpeedChange[])[], from: number): Change[] {
  const changes: Change[] = [];
  for (const [lane, each] of lanes.entries()) {
    for (const { at, speed } of each) changes.push({ lane, speed, at: Math.max(at, from) });
  }
  const last = changes.reduce((latest, { at }) => Math.max(latest, at), from);
  const step = changes.length > SEGMENTS_MAX ? (last - from) / SEGMENTS_MAX : 0;
  const snapped =
    step === 0
      ? changes
      : changes.map((change) => ({
          ...change,
          at: from + Math.round((change.at - from) / step) * step,
        }));
  // The sort is stable: of changes moved to the same time, a lane's last one holds.
  return snapped.sort((a, b) => a.at - b.at);
}

/** What must be done: by the k fastest for k = 1, 2 ..., and last by all. */
function needsOf({ total, largest }: Work, deviceCount: number): number[] {
  const needs: number[] = [];
  let sum = 0;
  for (let k = 0; k < Math.min(largest.length, deviceCount - 1, LARGEST_MAX); k++) {
    sum += largest[k]!;
    needs.push(sum);
  }
  return [...needs, total];
}

function ratesOf(speeds: Float64Array, count: number): Float64Array {
  const rates = new Float64Array(count);
  let all = 0;
  for (const speed of speeds) all += speed;
  if (count > 1) {
    const fastest = fastestOf(speeds, count - 1);
    let sum = 0;
    for (let k = 0; k < count - 1; k++) {
      sum += fastest[k]!;
      rates[k] = sum;
    }
  }
  rates[count - 1] = all;
  return rates;
}

/** The `count` highest speeds, descending. Fleets are large and `count` is small: no sorting. */
function fastestOf(speeds: Float64Array, count: number): Float64Array {
  const fastest = new Float64Array(count);
  for (const speed of speeds) {
    if (speed <= fastest[count - 1]!) continue;
    let place = count - 1;
    for (; place > 0 && fastest[place - 1]! < speed; place--) fastest[place] = fastest[place - 1]!;
    fastest[place] = speed;
  }
  return fastest;
}

/** Integral of a device's speed, in seconds at speed 1. */
export function capacityOf(lane: readonly SpeedChange[], from: number, to: number): number {
  let sum = 0;
  for (const [index, { at, speed }] of lane.entries()) {
    const until = Math.min(lane[index + 1]?.at ?? to, to);
    const since = Math.max(at, from);
    if (until > since) sum += (speed * (until - since)) / 1000;
  }
  return sum;
}
