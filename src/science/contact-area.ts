/**
 * The contact area of two balls among others.
 *
 * Owns: who cuts a contact, in which order, and from where. Invariant: the area that Voronota
 * prints, to its digits. That is the area of an outline of points, so it depends on every step,
 * and on who bounds the contact beyond the probe's reach. Measured on all 361,355 pairs of four
 * poses: none differs by more than 5e-5, which is half of the last digit.
 */
import {
  areaOf,
  type Contour,
  type ContourPoint,
  circleAround,
  cut,
  ON_CIRCLE,
  type Pair,
  type Resolution,
} from "./contour.ts";
import {
  boundingIds,
  type Corner,
  cornersAmong,
  endsOfOdd,
  hiddenPlace,
  isEmpty,
  isEven,
  type Neighbour,
} from "./corners.ts";
import { gapTo, type MutablePoint, type Sphere } from "./hyperboloid.ts";

/** Radius of water, angstrom. */
const PROBE = 1.4;
/** Balls as far apart as this have no contact. */
export const TOUCH_GAP = 2 * PROBE;
/**
 * Neighbours are looked for with a larger probe: a contact may hide behind a chord of the circle,
 * and its corners may lie outside.
 */
export const REACH = 1.9;
/** More candidates than these are not tried pair by pair. */
const TRIED_MAX = 100;
/**
 * Of contacts that go on beyond REACH, one in sixteen. What bounds them out there cuts the outline
 * too, in its turn: it may move points that others leave, and at a contact that begins beyond the
 * probe it may take all of a sliver of 0.2 square angstrom.
 */
const FAR_REACHES = [3, 6, 20];
/** Voronota's resolution, on which areas depend in the third digit. */
const RESOLUTION: Resolution = { step: 0.2, projections: 5 };
/** A neighbour that no point of an outline is this near to has no side on it, angstrom. */
const STRAY = 0.0005;
/** Chords of the circle are less than this within it, angstrom. */
const CHORD_MAX = 0.05;
/** Neighbours of a contact smaller than a step are at most this much farther from it, angstrom. */
const NEAR = 1;
/** Centres of balls that barely leave one another, angstrom: the surface between is a needle. */
const WITHIN = 1e-6;

/** All neighbours whose gap to both balls is below `2 * reach`, in order of their gap to the first. */
export type NeighboursWithin = (reach: number) => readonly Neighbour[];

/**
 * The area, square angstrom. Two passes. The first cuts with everything near, to learn who bounds
 * the contact; the corners say who does so exactly, and it is done again from farther away until
 * they are all of them. The second cuts with those only, in Voronota's order and from its circle,
 * which for a contact that no probe reaches is drawn around the corners.
 */
export function contactArea(pair: Pair, neighboursWithin: NeighboursWithin): number {
  const { a, b } = pair;
  // One ball within the other: nothing is equally far from both.
  if (gapTo(a, b.x, b.y, b.z) + a.r <= Math.abs(a.r - b.r) + WITHIN) return 0;
  let candidates = neighboursWithin(REACH);
  let sides = sidesWithin(pair, candidates, REACH);
  let reach = REACH;
  for (const farther of FAR_REACHES) {
    if (sides === undefined || areAll(sides, reach)) break;
    candidates = neighboursWithin(farther);
    sides = joined(sides, sidesWithin(pair, candidates, farther), candidates);
    reach = farther;
  }
  // Without a corner a contact is unknown to Voronota, whose cells are known by their corners.
  if (sides === undefined || (!sides.isOpen && sides.corners.length === 0)) return 0;
  return outlineBetween(pair, sides, candidates).reduce(
    (sum, contour) => sum + areaOf(pair, contour),
    0,
  );
}

/** Whether nobody beyond `reach` can be missing: a corner touches what is nearer than itself. */
function areAll({ isOpen, corners }: Sides, reach: number): boolean {
  return !isOpen && isEven(corners, []) && corners.every(({ sphere }) => sphere.r <= reach);
}

/** Who bounds the contact as far as a probe of radius `reach` sees; undefined for no contact. */
function sidesWithin(
  pair: Pair,
  candidates: readonly Neighbour[],
  reach: number,
): Sides | undefined {
  const { contours, hidden } = cutRoughly(pair, candidates, reach);
  if (contours.length === 0 && hidden === undefined) return undefined;
  return sidesOf(pair, candidates, { contours, hidden, reach });
}

function outlineBetween(
  pair: Pair,
  { corners, bounding, isOpen }: Sides,
  candidates: readonly Neighbour[],
): Contour[] {
  const neighbours = candidates.filter(({ id }) => bounding.has(id));
  const shell = isOpen || !isEven(corners, []) ? undefined : shellAround(corners);
  const isBuried = shell !== undefined && corners.every(({ sphere }) => sphere.r < PROBE);
  const start = isBuried ? shellCircle(pair, shell) : probeCircle(pair, PROBE);
  return cutAll(pair, start, neighbours, shell);
}

/** What is seen from near and from far: the larger outline is coarser and may miss a small side. */
function joined(near: Sides, far: Sides | undefined, candidates: readonly Neighbour[]): Sides {
  const isNew = ({ ids, sphere }: Corner) =>
    far === undefined ||
    far.corners.every(
      (other) =>
        Math.abs(other.sphere.r - sphere.r) > WITHIN || !ids.every((id) => other.ids.includes(id)),
    );
  const corners = [
    ...(far?.corners ?? []),
    ...near.corners.filter((corner) => isNew(corner) && isEmpty(corner, candidates)),
  ];
  const onCircle = near.isOpen ? near.bounding : new Set<number>();
  return {
    isOpen: far?.isOpen ?? false,
    corners,
    bounding: new Set([
      ...corners.flatMap(({ ids }) => ids),
      ...(far?.bounding ?? []),
      ...onCircle,
    ]),
  };
}

interface Sides {
  /** Whether the contact reaches as far as the larger probe. */
  readonly isOpen: boolean;
  readonly corners: readonly Corner[];
  /** Ids of the neighbours that bound the contact. */
  readonly bounding: ReadonlySet<number>;
}

interface Rough {
  readonly contours: readonly Contour[];
  /** A place near which a contact smaller than a step may have been lost. */
  readonly hidden: MutablePoint | undefined;
}

function sidesOf(
  pair: Pair,
  candidates: readonly Neighbour[],
  { contours, hidden, reach }: Rough & { readonly reach: number },
): Sides {
  const onOutline = new Set<number>();
  let isOpen = false;
  let farthest = -reach;
  for (const contour of contours) {
    for (const point of contour) {
      onOutline.add(point.before).add(point.after);
      isOpen ||= isOnCircle(point, reach);
      farthest = Math.max(farthest, point.gap);
    }
  }
  const ends = isOpen ? contours : [];
  let corners: Corner[] = [];
  const isWhole = () => (isOpen || corners.length > 1) && isEven(corners, ends);
  const tryAmong = (among: readonly Neighbour[]) => {
    corners = cornersAmong(pair, among, candidates);
  };
  if (contours.length === 0 && hidden !== undefined) {
    const near = gapTo(pair.a, hidden.x, hidden.y, hidden.z) + NEAR;
    tryAmong(candidates.filter(({ sphere: c }) => gapTo(c, hidden.x, hidden.y, hidden.z) < near));
  } else {
    // A side shorter than a step may have no point, but its neighbour takes one of another's.
    const mayBeAt = ({ id, sphere, gap }: Neighbour) =>
      onOutline.has(id) || (gap < 2 * farthest + STRAY && isAt(sphere, contours));
    tryAmong(candidates.filter(mayBeAt));
  }
  // A side is lost: rare enough to try everything. Without a corner, what is hidden is nothing.
  const isSeen = contours.length > 0 || corners.length > 0;
  if (isSeen && !isOpen && !isWhole()) {
    // Among many, as where chains clash: who makes a corner with a side that lacks an end.
    tryAmong(candidates.length <= TRIED_MAX ? candidates : endsOfOdd(pair, corners, candidates));
  }
  return { isOpen, corners, bounding: boundingIds(corners, ends) };
}

/**
 * Whether a point is on the circle of the probe, or on a chord of it. Its labels alone do not tell: a
 * contact that was split is closed by an edge that kept the label of the piece cut off.
 */
function isOnCircle({ before, after, gap }: ContourPoint, reach: number): boolean {
  return (before === ON_CIRCLE || after === ON_CIRCLE) && gap > reach - CHORD_MAX;
}

/**
 * Whether a neighbour takes a point of an outline, or nearly: it may have a side shorter than a step
 * there, which an outline of points does not show.
 */
function isAt(c: Sphere, contours: readonly Contour[]): boolean {
  for (const contour of contours) {
    for (const p of contour) {
      const [dx, dy, dz] = [p.x - c.x, p.y - c.y, p.z - c.z];
      const reach = p.gap + STRAY + c.r;
      if (reach > 0 && dx * dx + dy * dy + dz * dz < reach * reach) return true;
    }
  }
  return false;
}

/** Cuts the circle of the larger probe with all candidates. */
function cutRoughly(pair: Pair, candidates: readonly Neighbour[], reach: number): Rough {
  // As many points on a larger circle.
  const resolution = { ...RESOLUTION, step: (RESOLUTION.step * reach) / REACH };
  let contours = [probeCircle(pair, reach, resolution.step)];
  let hidden: MutablePoint | undefined;
  for (const { id, sphere } of deepestFirst(pair, candidates)) {
    contours = contours.flatMap((contour) => {
      const parts = cut(pair, contour, { c: sphere, id, ...resolution });
      if (parts.length === 0) hidden ??= hiddenPlace(pair, contour, sphere);
      return parts;
    });
    if (contours.length === 0) break;
  }
  return { contours, hidden };
}

/** Those first that take most: they reach farthest over the middle between the two atoms. */
function deepestFirst({ a, b }: Pair, candidates: readonly Neighbour[]): readonly Neighbour[] {
  const [x, y, z] = [(a.x + b.x) / 2, (a.y + b.y) / 2, (a.z + b.z) / 2];
  return candidates
    .map((neighbour) => ({ neighbour, gap: gapTo(neighbour.sphere, x, y, z) }))
    .sort((p, q) => p.gap - q.gap)
    .map(({ neighbour }) => neighbour);
}

/** Cuts with the neighbours in order, dropping pieces that lie outside of the shell, if any. */
function cutAll(
  pair: Pair,
  start: Contour,
  neighbours: readonly Neighbour[],
  shell: Sphere | undefined,
): Contour[] {
  let contours = [start];
  for (const { id, sphere } of neighbours) {
    contours = contours.flatMap((contour) => {
      const parts = cut(pair, contour, { c: sphere, id, ...RESOLUTION });
      if (shell === undefined || parts[0] === contour) return parts;
      return parts.filter((part) => part.some((p) => gapTo(shell, p.x, p.y, p.z) <= 0));
    });
  }
  return contours;
}

/** A sphere around all corners, a step larger. */
function shellAround(corners: readonly Corner[]): Sphere {
  const centre = { x: 0, y: 0, z: 0, r: 0 };
  for (const { sphere } of corners) {
    centre.x += sphere.x / corners.length;
    centre.y += sphere.y / corners.length;
    centre.z += sphere.z / corners.length;
  }
  const distances = corners.map(({ sphere: s }) => gapTo(centre, s.x, s.y, s.z));
  return { ...centre, r: Math.max(...distances) + RESOLUTION.step };
}

function shellCircle(pair: Pair, shell: Sphere): Contour {
  return circleAround(pair, shell, { radius: shell.r, step: RESOLUTION.step, isOnSurface: false });
}

/** Where a probe touches both spheres. */
function probeCircle(pair: Pair, probe: number, step = RESOLUTION.step): Contour {
  const { a, b } = pair;
  const distance = gapTo(a, b.x, b.y, b.z) + a.r;
  const ra = a.r + probe;
  const rb = b.r + probe;
  const along = (ra * ra - rb * rb + distance * distance) / (2 * distance);
  const t = along / distance;
  const centre = { x: a.x + t * (b.x - a.x), y: a.y + t * (b.y - a.y), z: a.z + t * (b.z - a.z) };
  const radius = Math.sqrt(Math.max(ra * ra - along * along, 0));
  return circleAround(pair, centre, { radius, step, isOnSurface: true });
}
