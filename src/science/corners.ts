/**
 * Corners of a contact: spheres that touch two atoms and two of their neighbours and overlap none.
 *
 * Owns: which neighbours bound a contact. Invariant: found by solving for the touching spheres,
 * not by looking at an outline, so that a side of a hundredth of an angstrom is not lost.
 */
import { type Contour, ON_CIRCLE, type Pair } from "./contour.ts";
import { gapTo, type MutablePoint, type Sphere } from "./hyperboloid.ts";
import { tangentSpheres } from "./tangent.ts";

/** An atom near both atoms of a pair. */
export interface Neighbour {
  readonly id: number;
  readonly sphere: Sphere;
  /** Between its surface and that of the pair's first atom, angstrom. */
  readonly gap: number;
}

export interface Corner {
  readonly sphere: Sphere;
  readonly ids: readonly [number, number];
}

/** Overlaps smaller than this are a touch, angstrom. */
const TOUCH = 1e-9;
/** A point nearer to a neighbour by less than this is hardly taken, angstrom: an outline strays
 * from its curves, and its steps cut across what is smaller than they are. */
const HARDLY = 0.1;
/** How far the search for a hidden contact looks, and how finely. */
const ASCENT_STEPS = 60;
const ASCENT_STEP_MIN = 1e-3;

/** Corners that any two of `among` make and none of `candidates` overlaps. */
export function cornersAmong(
  pair: Pair,
  among: readonly Neighbour[],
  candidates: readonly Neighbour[],
): Corner[] {
  const corners: Corner[] = [];
  for (let i = 0; i < among.length; i++) {
    for (let j = i + 1; j < among.length; j++) {
      const [c, d] = [among[i]!, among[j]!];
      for (const sphere of tangentSpheres(pair.a, pair.b, c.sphere, d.sphere)) {
        const corner: Corner = { sphere, ids: [c.id, d.id] };
        // Most are overlapped by one of the few that are tried.
        if (isEmpty(corner, among) && isEmpty(corner, candidates)) corners.push(corner);
      }
    }
  }
  return corners;
}

/** Whether no candidate overlaps a corner. */
export function isEmpty({ sphere, ids }: Corner, candidates: readonly Neighbour[]): boolean {
  const { x, y, z, r } = sphere;
  for (const { id, sphere: other } of candidates) {
    if (gapTo(other, x, y, z) < r - TOUCH && !ids.includes(id)) return false;
  }
  return true;
}

/**
 * Whether sides are whole: each neighbour has two ends (or four ...), which are corners or places
 * where the outline comes from or goes to the circle.
 */
export function isEven(corners: readonly Corner[], contours: readonly Contour[]): boolean {
  const odd = new Set<number>();
  const count = (id: number) => odd.delete(id) || odd.add(id);
  for (const { ids } of corners) ids.forEach(count);
  for (const contour of contours) {
    for (const { before, after } of contour) {
      if (before === after) continue;
      if (before === ON_CIRCLE) count(after);
      if (after === ON_CIRCLE) count(before);
    }
  }
  return odd.size === 0;
}

/**
 * Neighbours of the corners, and those that make another with a neighbour of an odd number of them:
 * a side whose other end is missing meets there a side that was lost.
 */
export function endsOfOdd(
  pair: Pair,
  corners: readonly Corner[],
  candidates: readonly Neighbour[],
): Neighbour[] {
  const ids = boundingIds(corners, []);
  const odd = candidates.filter(
    ({ id }) => corners.filter((corner) => corner.ids.includes(id)).length % 2 === 1,
  );
  for (const one of odd) {
    for (const other of candidates) {
      if (other !== one && cornersAmong(pair, [one, other], candidates).length > 0) {
        ids.add(other.id);
      }
    }
  }
  return candidates.filter(({ id }) => ids.has(id));
}

/** Neighbours of a corner, or next to the circle on the outline. */
export function boundingIds(corners: readonly Corner[], contours: readonly Contour[]): Set<number> {
  const ids = new Set(corners.flatMap((corner) => corner.ids));
  for (const { before, after } of contours.flat()) {
    if (before === ON_CIRCLE) ids.add(after);
    if (after === ON_CIRCLE) ids.add(before);
  }
  return ids;
}

/**
 * Where a neighbour that takes every point of an outline may leave something: at a point that it
 * hardly takes, or in the middle. The latter only where it is larger than the pair's smaller atom:
 * its boundary is then a closed curve. Climbs from the outline's middle to where the neighbour is
 * farthest. Undefined where nothing can be left.
 */
export function hiddenPlace(pair: Pair, contour: Contour, c: Sphere): MutablePoint | undefined {
  const { a, b, between } = pair;
  const point = { x: 0, y: 0, z: 0 };
  for (const { x, y, z, gap } of contour) {
    if (gapTo(c, x, y, z) - gap > -HARDLY) return { x, y, z };
    point.x += x / contour.length;
    point.y += y / contour.length;
    point.z += z / contour.length;
  }
  if (c.r <= Math.min(a.r, b.r)) return undefined;
  between.project(point);
  let step = 0.5;
  let height = gapTo(c, point.x, point.y, point.z) - gapTo(a, point.x, point.y, point.z);
  for (let i = 0; i < ASCENT_STEPS && step > ASCENT_STEP_MIN; i++) {
    if (height > -HARDLY) return point;
    const fromC = gapTo(c, point.x, point.y, point.z) + c.r;
    const fromA = gapTo(a, point.x, point.y, point.z) + a.r;
    const next = {
      x: point.x + step * ((point.x - c.x) / fromC - (point.x - a.x) / fromA),
      y: point.y + step * ((point.y - c.y) / fromC - (point.y - a.y) / fromA),
      z: point.z + step * ((point.z - c.z) / fromC - (point.z - a.z) / fromA),
    };
    between.project(next);
    const reached = gapTo(c, next.x, next.y, next.z) - gapTo(a, next.x, next.y, next.z);
    if (reached > height) {
      Object.assign(point, next);
      height = reached;
      step *= 1.5;
    } else step /= 2;
  }
  return undefined;
}
