/**
 * What a batch costs on a device, learned from what batches cost.
 *
 * Owns: seconds = overhead + linear * sum(c) + quadratic * sum(c^2) for one device and one run,
 * fitted by least squares on relative errors with exponential forgetting. With little data a device
 * leans on the run's shape (its usual overhead and ratio of quadratic to linear), and the shape
 * follows the devices slowly. Invariant: all terms are finite, `linear` is positive, the others are
 * not negative. One odd batch hardly counts; a second odd one the same way is a new speed.
 */

/** What the devices of a run have in common. */
export interface Shape {
  overheadSeconds: number;
  /** Quadratic over linear term, per cost unit. */
  quadraticPerCost: number;
}

interface Observation {
  readonly cost: number;
  readonly square: number;
  readonly seconds: number;
}

export interface CostModel {
  overhead: number;
  /** Seconds a cost unit; its inverse is the device's speed. */
  linear: number;
  quadratic: number;
  observationCount: number;
  /** Largest cost of one report so far: predictions far beyond it are not trusted. */
  costSeenMax: number;
  /** Normal equations: upper triangle of the 3x3 matrix, then the right side. */
  readonly sums: Float64Array;
  /** The last observation if it was odd, and how far off: measured over predicted. */
  odd: { readonly observation: Observation; readonly ratio: number } | undefined;
}

/** An observation's weight falls to a half in three more: two batches move a device's speed. */
const MEMORY = 0.8;
/** Noise of real batches stays within 10-20 %; beyond this it is an outlier or a new speed. */
const ODD_RATIO = 1.35;
const ODD_WEIGHT = 0.1;
/** The run's shape weighs as much as this many observations. */
const SHAPE_WEIGHT = 0.5;
/** How fast the shape follows one device's fit. */
const SHAPE_RATE = 0.02;
const SECONDS_MIN = 1e-6;
const SECONDS_MAX = 1e7;

export function createModel(): CostModel {
  return {
    overhead: 0,
    linear: 0,
    quadratic: 0,
    observationCount: 0,
    costSeenMax: 0,
    sums: new Float64Array(9),
    odd: undefined,
  };
}

export function isKnown(model: CostModel): boolean {
  return model.observationCount > 0;
}

/** Cost units a second of tiny tasks in an endless batch; 0 while unknown. */
export function speedOf(model: CostModel): number {
  return model.observationCount > 0 ? 1 / model.linear : 0;
}

/** Seconds that one engine call takes for tasks of these sums. The model must be known. */
export function predictSeconds(model: CostModel, cost: number, square: number): number {
  return model.overhead + model.linear * cost + model.quadratic * square;
}

/** The largest single task that takes at most `seconds`. The model must be known. */
export function costWithin(model: CostModel, seconds: number): number {
  const rest = seconds - model.overhead;
  if (rest <= 0) return 0;
  const { linear, quadratic } = model;
  if (quadratic * rest < 1e-9 * linear * linear) return rest / linear;
  return (Math.sqrt(linear * linear + 4 * quadratic * rest) - linear) / (2 * quadratic);
}

/** Learns from one engine call: sums over its tasks, and its time. Ignores impossible numbers. */
export function observe(
  model: CostModel,
  shape: Shape,
  observation: { readonly cost: number; readonly square: number; readonly seconds: number },
): void {
  const { cost, square } = observation;
  if (!(cost > 0) || !(observation.seconds >= 0)) return;
  const seconds = Math.min(Math.max(observation.seconds, SECONDS_MIN), SECONDS_MAX);
  const sample: Observation = { cost, square, seconds };
  model.costSeenMax = Math.max(model.costSeenMax, cost);
  if (model.observationCount === 0) {
    rescale(model, shape, sample);
    remember(model, sample, 1);
  } else {
    const ratio = seconds / predictSeconds(model, cost, square);
    const isOdd = ratio > ODD_RATIO || ratio < 1 / ODD_RATIO;
    if (isOdd && model.odd !== undefined && ratio > 1 === model.odd.ratio > 1) {
      const earlier = model.odd.observation;
      model.sums.fill(0);
      rescale(model, shape, sample);
      remember(model, earlier, 0.5);
      remember(model, sample, 1);
      model.odd = undefined;
    } else {
      remember(model, sample, isOdd ? ODD_WEIGHT : 1);
      model.odd = isOdd ? { observation: sample, ratio } : undefined;
    }
  }
  model.observationCount += 1;
  fit(model, shape, sample);
}

/** Sets the terms from a single observation and the run's shape. */
function rescale(model: CostModel, shape: Shape, { cost, square, seconds }: Observation): void {
  const work = cost + shape.quadraticPerCost * square;
  // A call cannot be all overhead: leave a tenth of it to the work.
  model.overhead = Math.min(shape.overheadSeconds, 0.9 * seconds);
  model.linear = (seconds - model.overhead) / work;
  model.quadratic = model.linear * shape.quadraticPerCost;
}

function remember(model: CostModel, { cost, square, seconds }: Observation, weight: number): void {
  const { sums } = model;
  const scale = weight / (seconds * seconds);
  for (let i = 0; i < 9; i++) sums[i]! *= MEMORY;
  sums[0]! += scale;
  sums[1]! += scale * cost;
  sums[2]! += scale * square;
  sums[3]! += scale * cost * cost;
  sums[4]! += scale * cost * square;
  sums[5]! += scale * square * square;
  sums[6]! += scale * seconds;
  sums[7]! += scale * seconds * cost;
  sums[8]! += scale * seconds * square;
}

function fit(model: CostModel, shape: Shape, latest: Observation): void {
  const { sums } = model;
  const overhead = Math.max(shape.overheadSeconds, 1e-5);
  const lean = SHAPE_WEIGHT / (overhead * overhead);
  const q = shape.quadraticPerCost;
  const pull = SHAPE_WEIGHT * (latest.square / latest.seconds) ** 2;
  const solved = solve(
    sums[0]! + lean,
    sums[1]!,
    sums[2]!,
    sums[3]! + pull * q * q,
    sums[4]! - pull * q,
    sums[5]! + pull,
    sums[6]! + lean * shape.overheadSeconds,
    sums[7]!,
    sums[8]!,
  );
  if (solved === undefined || !(solved[1] > 0)) return;
  const before = Math.max(solved[0], 0);
  const [, linear, quadratic] = [before, solved[1], Math.max(solved[2], 0)];
  // What clamping took from or gave to the terms goes back into a common factor.
  const wanted = Math.max(sums[6]! - before * sums[0]!, 0.1 * sums[6]!);
  const given = linear * sums[1]! + quadratic * sums[2]!;
  const factor = solved[0] < 0 || solved[2] < 0 ? wanted / given : 1;
  if (!Number.isFinite(factor) || factor <= 0) return;
  model.overhead = before;
  model.linear = linear * factor;
  model.quadratic = quadratic * factor;
  shape.overheadSeconds += SHAPE_RATE * (model.overhead - shape.overheadSeconds);
  shape.quadraticPerCost += SHAPE_RATE * (model.quadratic / model.linear - q);
}

/** Solves the symmetric 3x3 system given by its upper triangle; undefined if it is singular. */
function solve(
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
  f: number,
  x: number,
  y: number,
  z: number,
): [number, number, number] | undefined {
  // Scale to a unit diagonal: the columns differ by many orders of magnitude.
  const [sa, sd, sf] = [1 / Math.sqrt(a), 1 / Math.sqrt(d), 1 / Math.sqrt(f)];
  if (!Number.isFinite(sa * sd * sf)) return undefined;
  const [p, q, r] = [b * sa * sd, c * sa * sf, e * sd * sf];
  const determinant = 1 + 2 * p * q * r - r * r - p * p - q * q;
  if (!(determinant > 1e-9)) return undefined;
  const [u, v, w] = [x * sa, y * sd, z * sf];
  const first = u * (1 - r * r) + v * (q * r - p) + w * (p * r - q);
  const second = u * (q * r - p) + v * (1 - q * q) + w * (p * q - r);
  const third = u * (p * r - q) + v * (p * q - r) + w * (1 - p * p);
  return [(first / determinant) * sa, (second / determinant) * sd, (third / determinant) * sf];
}
