/**
 * The contact area of two balls among others.
 *
 * Owns: who cuts a contact, in which order, and from where. Invariant: the area that Voronota
 * prints, to its digits. That is the area of an outline of points, so it depends on every step,
 * and on who bounds the contact beyond the probe's reach. Measured on all pairs of whole complexes
 * (docs/experiments/contact-areas.md).
 */
import {
  areaOf,
  type Contour,
  circleAround,
  cut,
  type Pair,
  probeCircle,
  VORONOTA,
} from "./contour.ts";
import { type Corner, isEven, type Neighbour } from "./corners.ts";
import { distanceBetween, gapTo, type Sphere } from "./hyperboloid.ts";
import {
  type Found,
  farthestSides,
  findSides,
  type NeighboursWithin,
  type Sides,
} from "./sides.ts";

/** Radius of water, angstrom. */
const PROBE = 1.4;
/** Balls as far apart as this have no contact. */
export const TOUCH_GAP = 2 * PROBE;
/** What is seen of a contact that begins beyond the probe is less, square angstrom. */
const SLIVER = 0.5;
/** Centres of balls that barely leave one another, angstrom: the surface between is a needle. */
const WITHIN = 1e-6;

/**
 * The area, square angstrom: who bounds the contact, then an outline cut with those only, in
 * Voronota's order and from its circle, which for a contact that no probe reaches is drawn around
 * the corners.
 */
export function contactArea(pair: Pair, neighboursWithin: NeighboursWithin): number {
  const { a, b } = pair;
  // One ball within the other: nothing is equally far from both.
  if (distanceBetween(a, b) <= Math.abs(a.r - b.r) + WITHIN) return 0;
  const found = findSides(pair, neighboursWithin);
  // Without a corner a contact is unknown to Voronota, whose cells are known by their corners.
  if (found === undefined || (!found.sides.isOpen && found.sides.corners.length === 0)) return 0;
  const area = areaWithin(pair, found);
  if (area === 0 || area > SLIVER || !mayBeginBeyond(found.sides)) return area;
  return areaWithin(pair, farthestSides(pair, found, neighboursWithin));
}

/** Whether an open contact may begin beyond the probe, so that what is before it is none of it. */
function mayBeginBeyond({ isOpen, corners }: Sides): boolean {
  return isOpen && corners.length > 0 && corners.every(({ sphere }) => sphere.r > PROBE);
}

function areaWithin(pair: Pair, { sides, candidates }: Found): number {
  const { corners, bounding, isOpen } = sides;
  const neighbours = candidates
    .filter(({ id }) => bounding.has(id))
    .sort((p, q) => p.gap - q.gap || p.id - q.id);
  const shell = isOpen || !isEven(corners, []) ? undefined : shellAround(corners);
  const isBuried = shell !== undefined && corners.every(({ sphere }) => sphere.r < PROBE);
  const start = isBuried ? shellCircle(pair, shell) : probeCircle(pair, PROBE);
  const contours = cutAll(pair, start, neighbours, shell);
  return contours.reduce((sum, contour) => sum + areaOf(pair, contour), 0);
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
      const parts = cut(pair, contour, { c: sphere, id, ...VORONOTA });
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
  return { ...centre, r: Math.max(...distances) + VORONOTA.step };
}

function shellCircle(pair: Pair, shell: Sphere): Contour {
  return circleAround(pair, shell, { radius: shell.r, step: VORONOTA.step, isOnSurface: false });
}
