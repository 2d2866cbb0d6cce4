/**
 * The work of a simulation: sequence lengths and what they take.
 *
 * Owns: the draw, lognormal(ln 295, 0.637) as protein lengths are, clipped to 20..35,000, until the
 * fleet's ideal time is reached; and the true time of a task, (L + L^2/7680) x 0.1 ms at speed 1,
 * which the scheduler is not told.
 */
import { Random } from "../base/random.ts";

const LOG_MEDIAN = Math.log(295);
const LOG_DEVIATION = 0.637;
const LENGTH_MIN = 20;
const LENGTH_MAX = 35_000;
/** Attention over dense work a token: 1 / (6 x 1280), the width of a 650M-parameter model. */
const QUADRATIC = 1 / 7_680;
const SECONDS_PER_TOKEN = 1e-4;

/** Seconds of one sequence at speed 1, overhead aside. */
export function workSeconds(length: number): number {
  return (length + QUADRATIC * length * length) * SECONDS_PER_TOKEN;
}

export interface Job {
  /** Lengths in tokens, in order of submission. */
  readonly lengths: Uint32Array;
  /** Seconds at speed 1, all together. */
  readonly work: number;
}

export interface JobRequest {
  readonly seed: number;
  /** Either so much work (seconds at speed 1) or so many sequences. */
  readonly work?: number;
  readonly count?: number;
  readonly giants?: readonly number[];
}

/** A job of given lengths. */
export function jobOf(lengths: Uint32Array): Job {
  return { lengths, work: lengths.reduce((sum, length) => sum + workSeconds(length), 0) };
}

/** Draws a job. Giants stand at places of the seed's choosing among the rest. */
export function drawJob({ seed, work = 0, count, giants = [] }: JobRequest): Job {
  const random = new Random(seed);
  let lengths = new Uint32Array(count ?? 1024);
  let [drawn, sum] = [0, 0];
  const add = (length: number) => {
    if (drawn === lengths.length) {
      const grown = new Uint32Array(lengths.length * 2);
      grown.set(lengths);
      lengths = grown;
    }
    lengths[drawn++] = length;
    sum += workSeconds(length);
  };
  for (const giant of giants) add(giant);
  while (count === undefined ? sum < work : drawn < count) {
    const length = Math.round(Math.exp(LOG_MEDIAN + LOG_DEVIATION * random.normal()));
    add(Math.min(Math.max(length, LENGTH_MIN), LENGTH_MAX));
  }
  for (let index = 0; index < giants.length; index++) {
    const other = random.below(drawn);
    [lengths[index], lengths[other]] = [lengths[other]!, lengths[index]!];
  }
  return { lengths: lengths.slice(0, drawn), work: sum };
}

/** The largest tasks' work, descending. */
export function largestWork(lengths: Uint32Array, count: number): number[] {
  // A count of lengths below the largest seen is cheaper than sorting 10^8 of them.
  const histogram = new Float64Array(lengths.reduce((most, each) => Math.max(most, each), 0) + 1);
  for (const length of lengths) histogram[length]! += 1;
  const largest: number[] = [];
  for (let length = histogram.length - 1; length > 0 && largest.length < count; length--) {
    for (let n = histogram[length]!; n > 0 && largest.length < count; n--) {
      largest.push(workSeconds(length));
    }
  }
  return largest;
}
