/**
 * The outline of a contact between two spheres, cut by their neighbours.
 *
 * Owns: the tessellation. Invariant: points lie on the surface between the two spheres, not farther
 * than the probe from either, in order around the contact; each knows which neighbour the outline
 * follows before and after it. Areas depend on where points are put, so the steps here are those
 * of Voronota (Olechnovic and Venclovas, J. Comput. Chem. 35 (2014)): circle, cuts in order of
 * distance, curves resampled in equal steps, points pulled onto their curve by projections.
 */
import {
  crossing,
  distanceBetween,
  gapTo,
  Hyperboloid,
  type MutablePoint,
  type Sphere,
} from "./hyperboloid.ts";

/** How finely an outline is drawn. */
export interface Resolution {
  /** Distance between points, angstrom. */
  readonly step: number;
  /** How often a point is pulled onto its three surfaces. */
  readonly projections: number;
}

/** Voronota's, on which areas depend in the third digit. */
export const VORONOTA: Resolution = { step: 0.2, projections: 5 };

/** What `before` and `after` are on the circle that no neighbour has cut. */
export const ON_CIRCLE = -1;

export interface ContourPoint extends MutablePoint {
  /** Neighbour whose curve leads to, and away from, this point. */
  before: number;
  after: number;
  /** Distance from sphere a. */
  gap: number;
  /** Nearer to the neighbour that cuts now; meaningless between cuts. */
  isOut: boolean;
}

export type Contour = ContourPoint[];

export interface Pair {
  readonly a: Sphere;
  readonly b: Sphere;
  readonly between: Hyperboloid;
}

/** A circle of points about `centre` across the line from a to b. */
export function circleAround(
  pair: Pair,
  centre: MutablePoint,
  options: { readonly radius: number; readonly step: number; readonly isOnSurface: boolean },
): Contour {
  const { a, b } = pair;
  const { radius, step, isOnSurface } = options;
  const length = distanceBetween(a, b);
  const axis = { x: (b.x - a.x) / length, y: (b.y - a.y) / length, z: (b.z - a.z) / length };
  const first = normalOf(axis);
  const second = {
    x: axis.y * first.z - axis.z * first.y,
    y: axis.z * first.x - axis.x * first.z,
    z: axis.x * first.y - axis.y * first.x,
  };
  const stepDegrees = Math.max(Math.min((360 * step) / (2 * Math.PI * radius), 60), 5);
  const contour: Contour = [];
  for (let degrees = 0; degrees < 360; degrees += stepDegrees) {
    const cosine = radius * Math.cos((degrees * Math.PI) / 180);
    const sine = radius * Math.sin((degrees * Math.PI) / 180);
    const x = centre.x + cosine * first.x + sine * second.x;
    const y = centre.y + cosine * first.y + sine * second.y;
    const z = centre.z + cosine * first.z + sine * second.z;
    const point = newPoint(x, y, z, ON_CIRCLE, ON_CIRCLE);
    if (!isOnSurface) pair.between.project(point);
    point.gap = gapTo(a, point.x, point.y, point.z);
    contour.push(point);
  }
  return contour;
}

/** Where a probe touches both spheres. */
export function probeCircle(pair: Pair, probe: number, step = VORONOTA.step): Contour {
  const { a, b } = pair;
  const distance = distanceBetween(a, b);
  const ra = a.r + probe;
  const rb = b.r + probe;
  const along = (ra * ra - rb * rb + distance * distance) / (2 * distance);
  const t = along / distance;
  const centre = { x: a.x + t * (b.x - a.x), y: a.y + t * (b.y - a.y), z: a.z + t * (b.z - a.z) };
  const radius = Math.sqrt(Math.max(ra * ra - along * along, 0));
  return circleAround(pair, centre, { radius, step, isOnSurface: true });
}

function newPoint(x: number, y: number, z: number, before: number, after: number): ContourPoint {
  return { x, y, z, before, after, gap: 0, isOut: false };
}

/** The unit vector across `v` that Voronota begins its circles with. */
function normalOf(v: MutablePoint): MutablePoint {
  const mirrored = { ...v };
  if (Math.abs(v.x) > 1e-10) mirrored.x = -v.x;
  else if (Math.abs(v.y) > 1e-10) mirrored.y = -v.y;
  else mirrored.z = -v.z;
  const x = v.y * mirrored.z - v.z * mirrored.y;
  const y = v.z * mirrored.x - v.x * mirrored.z;
  const z = v.x * mirrored.y - v.y * mirrored.x;
  const length = Math.hypot(x, y, z);
  if (length > 0) return { x: x / length, y: y / length, z: z / length };
  // Along an axis of coordinates the mirror image is parallel; any normal does.
  return Math.abs(v.x) > 0.5 ? { x: 0, y: 1, z: 0 } : { x: 1, y: 0, z: 0 };
}

/** A neighbour that cuts, its number, and how finely. */
export interface Cutter extends Resolution {
  readonly c: Sphere;
  readonly id: number;
}

/**
 * Takes away what is nearer to a neighbour than to a; returns what is left, possibly in pieces.
 * The contour itself is returned if nothing is taken, and must not be used afterwards otherwise.
 */
export function cut(pair: Pair, contour: Contour, cutter: Cutter): Contour[] {
  const { c, id } = cutter;
  let outCount = 0;
  for (const point of contour) {
    const dx = point.x - c.x;
    const dy = point.y - c.y;
    const dz = point.z - c.z;
    const reach = point.gap + c.r;
    point.isOut = reach > 0 && dx * dx + dy * dy + dz * dz < reach * reach;
    if (point.isOut) outCount++;
  }
  if (outCount === 0) return [contour];
  if (outCount === contour.length) return [];
  const kept: Contour = [];
  const cuts: ContourPoint[] = [];
  let left = contour.at(-1)!;
  for (let i = 0; i < contour.length; i++) {
    const point = contour[i]!;
    if (!point.isOut) kept.push(point);
    else {
      const right = contour[i + 1 < contour.length ? i + 1 : 0]!;
      if (!left.isOut) cuts.push(pointBetween(pair, point, left, c, left.after, id));
      if (!left.isOut) kept.push(cuts.at(-1)!);
      if (!right.isOut) cuts.push(pointBetween(pair, point, right, c, id, right.before));
      if (!right.isOut) kept.push(cuts.at(-1)!);
    }
    left = point;
  }
  const parts = cuts.length > 2 && cuts.length % 2 === 0 ? split(kept, cuts) : [kept];
  const curves = [new Hyperboloid(pair.b, c), new Hyperboloid(pair.a, c), pair.between] as const;
  return parts.map((part) => mend(part, { pair, curves, ...cutter }));
}

function pointBetween(
  pair: Pair,
  out: ContourPoint,
  inside: ContourPoint,
  c: Sphere,
  before: number,
  after: number,
): ContourPoint {
  const t = crossing(out, inside, pair.a, c);
  const x = out.x + t * (inside.x - out.x);
  const y = out.y + t * (inside.y - out.y);
  const z = out.z + t * (inside.z - out.z);
  const point = newPoint(x, y, z, before, after);
  point.gap = gapTo(pair.a, x, y, z);
  return point;
}

/**
 * Several cuts: they are paired with their neighbours in the way that joins nearer ones. Where
 * that leaves pieces apart, each piece is an outline of its own, without its last cut.
 */
function split(contour: Contour, cuts: readonly ContourPoint[]): Contour[] {
  const shifted = [cuts.at(-1)!, ...cuts.slice(0, -1)];
  const ordered = pairedLength(cuts) < pairedLength(shifted) ? cuts : shifted;
  const places = new Map(contour.map((point, i) => [point, i]));
  const pieces: Contour[] = [];
  for (let i = 0; i + 1 < ordered.length; i += 2) {
    const from = places.get(ordered[i]!)!;
    const to = places.get(ordered[i + 1]!)!;
    if (to === (from + 1) % contour.length) continue;
    const piece: Contour = [];
    for (let at = from; at !== to; at = (at + 1) % contour.length) piece.push(contour[at]!);
    pieces.push(piece);
  }
  return pieces.length > 0 ? pieces : [contour];
}

function pairedLength(cuts: readonly ContourPoint[]): number {
  let sum = 0;
  for (let i = 0; i + 1 < cuts.length; i += 2) {
    const [p, q] = [cuts[i]!, cuts[i + 1]!];
    sum += distanceBetween(p, q);
  }
  return sum;
}

interface Curve extends Resolution {
  readonly pair: Pair;
  readonly curves: readonly [Hyperboloid, Hyperboloid, Hyperboloid];
  readonly id: number;
}

/** Puts points along the new curve of the neighbour, wherever the outline now jumps across. */
function mend(contour: Contour, curve: Curve): Contour {
  const { id } = curve;
  const result: Contour = [];
  for (let i = 0; i < contour.length; i++) {
    const from = contour[i]!;
    const to = contour[i + 1 < contour.length ? i + 1 : 0]!;
    result.push(from);
    if (from.before === id || from.after !== id || to.before !== id) continue;
    settle([from, to], curve);
    const between = pointsBetween(from, to, curve);
    settle(between, curve);
    for (const point of between) result.push(point);
  }
  return result;
}

/** Of equal steps, none where the two are one apart. */
function pointsBetween(from: ContourPoint, to: ContourPoint, { id, step }: Curve): ContourPoint[] {
  const points: ContourPoint[] = [];
  const leaps = Math.floor(distanceBetween(from, to) / step + 0.5);
  for (let leap = 1; leap < leaps; leap++) {
    const t = leap / leaps;
    const x = from.x + t * (to.x - from.x);
    const y = from.y + t * (to.y - from.y);
    const z = from.z + t * (to.z - from.z);
    points.push(newPoint(x, y, z, id, id));
  }
  return points;
}

/** Pulls points onto the three surfaces that meet in a curve. */
function settle(points: readonly ContourPoint[], { pair, curves, projections }: Curve): void {
  for (let i = 0; i < projections; i++) {
    for (const surface of curves) surface.projectAll(points);
  }
  for (const point of points) point.gap = gapTo(pair.a, point.x, point.y, point.z);
}

/** The area of the fan from the outline's middle, which is put on the surface first. */
export function areaOf(pair: Pair, contour: Contour): number {
  const middle = { x: 0, y: 0, z: 0 };
  for (const point of contour) {
    middle.x += point.x / contour.length;
    middle.y += point.y / contour.length;
    middle.z += point.z / contour.length;
  }
  pair.between.project(middle);
  let sum = 0;
  for (let i = 0; i < contour.length; i++) {
    const p = contour[i]!;
    const q = contour[(i + 1) % contour.length]!;
    const [px, py, pz] = [p.x - middle.x, p.y - middle.y, p.z - middle.z];
    const [qx, qy, qz] = [q.x - middle.x, q.y - middle.y, q.z - middle.z];
    const [nx, ny, nz] = [py * qz - pz * qy, pz * qx - px * qz, px * qy - py * qx];
    sum += Math.sqrt(nx * nx + ny * ny + nz * nz) / 2;
  }
  return sum;
}
