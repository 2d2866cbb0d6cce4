/**
 * Who bounds the contact of two balls.
 *
 * Owns: how far neighbours are looked for, and how. An outline cut with everything near says
 * roughly who does; corners say it exactly. Invariant: no side is lost, however short, and however
 * far away: an area depends on each in the fifth digit. Where one may be, more is tried.
 */
import { type Contour, type ContourPoint, ON_CIRCLE, type Pair, VORONOTA } from "./contour.ts";
import {
  boundingIds,
  type Corner,
  cornersAmong,
  endsOfOdd,
  isEmpty,
  isEven,
  type Neighbour,
} from "./corners.ts";
import { gapTo } from "./hyperboloid.ts";
import { isAt, type Outline, outlineOf } from "./outline.ts";

/**
 * Neighbours are looked for with a larger probe: a contact may hide behind a chord of the circle,
 * and its corners may lie outside.
 */
export const REACH = 1.9;
/** More candidates than these are not tried pair by pair where a side is lost ... */
const TRIED_MAX = 100;
/** ... or where the outline fell apart, which is rarer: one contact in a thousand. */
const TANGLED_MAX = 250;
/**
 * Of contacts that go on beyond REACH, one in sixteen. What bounds them out there cuts the outline
 * too, in its turn: it may move points that others leave, and at a contact that begins beyond the
 * probe it may take all of a sliver of 0.2 square angstrom.
 */
const FAR_REACHES = [3, 6, 20];
/** Where what was found may be a sliver only, whose corners are still farther away. */
const FARTHEST_REACH = 40;
/**
 * A neighbour that no point of an outline is this near to has no side on it, angstrom. Where the
 * surfaces that cross are nearly parallel an outline strays: by 0.032 seen, past two corners.
 */
const STRAY = 0.1;
/** Chords of the circle are less than this within it, angstrom. */
const CHORD_MAX = 0.05;
/** Neighbours of a contact smaller than a step are at most this much farther from it, angstrom. */
const NEAR = 1;
/** Corners are the same, angstrom. */
const SAME = 1e-6;

/** All neighbours whose gap to both balls is below `2 * reach`, in no order. */
export type NeighboursWithin = (reach: number) => readonly Neighbour[];

export interface Sides {
  /** Whether the contact reaches as far as the larger probe. */
  readonly isOpen: boolean;
  readonly corners: readonly Corner[];
  /** Ids of the neighbours that bound the contact. */
  readonly bounding: ReadonlySet<number>;
}

/** Sides, and the neighbours as far as was looked for them. */
export interface Found {
  readonly sides: Sides;
  readonly candidates: readonly Neighbour[];
}

/**
 * The sides of a contact. Undefined where there is no contact. Looks farther until who bounds it is
 * known, or as far as it ever looks.
 */
export function findSides(pair: Pair, neighboursWithin: NeighboursWithin): Found | undefined {
  let candidates = neighboursWithin(REACH);
  let sides = sidesWithin(pair, candidates, REACH);
  let reach = REACH;
  for (const farther of FAR_REACHES) {
    if (sides === undefined || areAll(sides, reach)) break;
    candidates = neighboursWithin(farther);
    sides = joined(sides, sidesWithin(pair, candidates, farther), candidates);
    reach = farther;
  }
  return sides && { sides, candidates };
}

/** The same sides where corners beyond the farthest look are known, too. */
export function farthestSides(
  pair: Pair,
  { sides, candidates }: Found,
  neighboursWithin: NeighboursWithin,
): Found {
  const all = neighboursWithin(FARTHEST_REACH);
  const farthest = sidesWithin(pair, all, FARTHEST_REACH);
  return farthest === undefined
    ? { sides, candidates }
    : { sides: joined(sides, farthest, all), candidates: all };
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
  // As many points on a larger circle.
  const step = (VORONOTA.step * reach) / REACH;
  const outline = outlineOf(pair, candidates, { ...VORONOTA, step, reach });
  const { contours, hidden, isTangled } = outline;
  if (contours.length === 0 && hidden === undefined && !isTangled) return undefined;
  return sidesOf(pair, candidates, { outline, reach });
}

/** What is seen from near and from far: the larger outline is coarser and may miss a small side. */
function joined(near: Sides, far: Sides | undefined, candidates: readonly Neighbour[]): Sides {
  const isNew = ({ ids, sphere }: Corner) =>
    far === undefined ||
    far.corners.every(
      (other) =>
        Math.abs(other.sphere.r - sphere.r) > SAME || !ids.every((id) => other.ids.includes(id)),
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

function sidesOf(
  pair: Pair,
  candidates: readonly Neighbour[],
  { outline, reach }: { readonly outline: Outline; readonly reach: number },
): Sides {
  const { contours, hidden, isTangled } = outline;
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
  const areAllTried = isTangled && candidates.length <= TANGLED_MAX;
  if (areAllTried) {
    tryAmong(candidates);
  } else if (contours.length === 0 && hidden !== undefined) {
    const near = gapTo(pair.a, hidden.x, hidden.y, hidden.z) + NEAR;
    tryAmong(candidates.filter(({ sphere: c }) => gapTo(c, hidden.x, hidden.y, hidden.z) < near));
  } else {
    // A side shorter than a step may have no point, but its neighbour takes one of another's.
    const mayBeAt = ({ id, sphere, gap }: Neighbour) =>
      onOutline.has(id) || (gap < 2 * farthest + STRAY && isAt(sphere, outline, STRAY));
    tryAmong(candidates.filter(mayBeAt));
  }
  // A side is lost: rare enough to try everything. Without a corner, what is hidden is nothing.
  const isSeen = contours.length > 0 || corners.length > 0;
  if (!areAllTried && isSeen && !isOpen && !isWhole()) {
    // Among many, as where chains clash: who makes a corner with a side that lacks an end.
    tryAmong(candidates.length <= TRIED_MAX ? candidates : endsOfOdd(pair, corners, candidates));
  }
  const bounding = boundingIds(corners, ends);
  return { isOpen: isOpen && !isClosedBeyond(corners, contours), corners, bounding };
}

/** Whether sides that reach the circle meet farther out: the circle's ends are one each too many. */
function isClosedBeyond(corners: readonly Corner[], contours: readonly Contour[]): boolean {
  return isEven(corners, []) && !isEven(corners, contours);
}

/**
 * Whether a point is on the circle of the probe, or on a chord of it. Its labels alone do not tell: a
 * contact that was split is closed by an edge that kept the label of the piece cut off.
 */
function isOnCircle({ before, after, gap }: ContourPoint, reach: number): boolean {
  return (before === ON_CIRCLE || after === ON_CIRCLE) && gap > reach - CHORD_MAX;
}
