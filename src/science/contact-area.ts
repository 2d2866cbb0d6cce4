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
  HARDLY,
  hiddenPlace,
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
/** So many that bound an open contact, the circle among them, are hardly all. */
const FEW = 4;
/** More candidates than these are not tried pair by pair. */
const TRIED_MAX = 100;
/**
 * Of contacts that go on beyond REACH. What bounds them out there cuts the outline too, whose points
 * stray from its curves: at a contact that begins beyond the probe it may take all of a sliver of
 * 0.2 square angstrom. With 3 one that is bounded at 5 A was wrong.
 */
const FAR_REACH = 6;
/** Voronota's resolution, on which areas depend in the third digit. */
const RESOLUTION: Resolution = { step: 0.2, projections: 5 };
/** Neighbours of a contact smaller than a step are at most this much farther from it, angstrom. */
const NEAR = 1;
/** Centres of balls that barely leave one another, angstrom: the surface between is a needle. */
const WITHIN = 1e-6;

/** All neighbours whose gap to both balls is below `2 * reach`, in order of their gap to the first. */
export type NeighboursWithin = (reach: number) => readonly Neighbour[];

/**
 * The area, square angstrom. Two passes. The first cuts with everything near, to learn who bounds
 * the contact; the corners say who does so exactly. The second cuts with those only, in Voronota's
 * order and from its circle, which for a contact that no probe reaches is drawn around the corners.
 * One contact in sixteen is open; where more may bound it than was seen, one in sixty, it is done
 * again from farther away.
 */
export function contactArea(pair: Pair, neighboursWithin: NeighboursWithin): number {
  const { a, b } = pair;
  // One ball within the other: nothing is equally far from both.
  if (gapTo(a, b.x, b.y, b.z) + a.r <= Math.abs(a.r - b.r) + WITHIN) return 0;
  const candidates = neighboursWithin(REACH);
  const sides = sidesWithin(pair, candidates, REACH);
  if (sides === undefined) return 0;
  const outline = outlineBetween(pair, sides, candidates);
  const area = areaWithin(pair, outline);
  if (!sides.isOpen || area === 0 || !isAmiss(outline, sides, candidates)) return area;
  const all = neighboursWithin(FAR_REACH);
  const far = sidesWithin(pair, all, FAR_REACH);
  return far === undefined ? area : areaWithin(pair, outlineBetween(pair, joined(sides, far), all));
}

function areaWithin(pair: Pair, outline: readonly Contour[]): number {
  return outline.reduce((sum, contour) => sum + areaOf(pair, contour), 0);
}

/**
 * Whether an outline suggests that somebody beyond REACH bounds the contact too: it lies where the
 * contact has not begun, few bound it, or somebody near, who bounds nothing that was seen, takes a
 * point of it.
 */
function isAmiss(
  outline: readonly Contour[],
  { bounding, begins }: Sides,
  candidates: readonly Neighbour[],
): boolean {
  if (begins > PROBE || bounding.size <= FEW) return true;
  return candidates.some(
    ({ id, sphere: c }) =>
      !bounding.has(id) &&
      outline.some((contour) => contour.some((p) => gapTo(c, p.x, p.y, p.z) < p.gap)),
  );
}

/** Who bounds the contact as far as a probe of radius `reach` sees; undefined for no contact. */
function sidesWithin(
  pair: Pair,
  candidates: readonly Neighbour[],
  reach: number,
): Sides | undefined {
  const { contours, hidden } = cutRoughly(pair, candidates, reach);
  if (contours.length === 0 && hidden === undefined) return undefined;
  const sides = sidesOf(pair, candidates, { contours, hidden });
  // Without a corner a contact is unknown to Voronota, whose cells are known by their corners.
  return !sides.isOpen && sides.corners.length === 0 ? undefined : sides;
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
function joined(near: Sides, far: Sides): Sides {
  const isNew = ({ ids, sphere }: Corner) =>
    far.corners.every(
      (other) =>
        Math.abs(other.sphere.r - sphere.r) > WITHIN || !ids.every((id) => other.ids.includes(id)),
    );
  return {
    isOpen: far.isOpen,
    begins: Math.min(near.begins, far.begins),
    corners: [...far.corners, ...near.corners.filter(isNew)],
    bounding: new Set([...near.bounding, ...far.bounding]),
  };
}

interface Sides {
  /** Whether the contact reaches as far as the larger probe. */
  readonly isOpen: boolean;
  /** Radius of the smallest probe that reaches it, as far as the outline tells. */
  readonly begins: number;
  readonly corners: readonly Corner[];
  /** Ids of the neighbours that bound the contact. */
  readonly bounding: ReadonlySet<number>;
}

interface Rough {
  readonly contours: readonly Contour[];
  /** A place near which a contact smaller than a step may have been lost. */
  readonly hidden: MutablePoint | undefined;
}

function sidesOf(pair: Pair, candidates: readonly Neighbour[], { contours, hidden }: Rough): Sides {
  const onOutline = new Set(contours.flatMap((c) => c.flatMap((p) => [p.before, p.after])));
  const isOpen = onOutline.has(ON_CIRCLE);
  const reach = hidden === undefined ? 0 : gapTo(pair.a, hidden.x, hidden.y, hidden.z) + NEAR;
  const farthest = contours.flat().reduce((most, { gap }) => Math.max(most, gap), -REACH);
  const cutters = candidates.filter(({ id, sphere: c, gap }) =>
    contours.length > 0
      ? onOutline.has(id) || (gap < 2 * farthest + HARDLY && isAt(c, contours))
      : hidden !== undefined && gapTo(c, hidden.x, hidden.y, hidden.z) < reach,
  );
  let corners = cornersAmong(pair, cutters, candidates);
  const isTried = contours.length > 0 && !isOpen && candidates.length <= TRIED_MAX;
  if (isTried && (corners.length < 2 || !isEven(corners, []))) {
    // The outline has lost a side: rare enough to try everything.
    corners = cornersAmong(pair, candidates, candidates);
  }
  const begins = contours.flat().reduce((least, { gap }) => Math.min(least, gap), REACH);
  return { isOpen, begins, corners, bounding: boundingIds(corners, contours) };
}

/** Whether a neighbour takes a point of an outline, or nearly: it may have a side shorter than a
 * step there, which an outline of points does not show. */
function isAt(c: Sphere, contours: readonly Contour[]): boolean {
  return contours.some((contour) => contour.some((p) => gapTo(c, p.x, p.y, p.z) < p.gap + HARDLY));
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
