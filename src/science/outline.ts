/**
 * The outline of a contact, cut with everything near.
 *
 * Owns: the order of the cuts, and which are not tried. Invariant: what is passed over cuts
 * nothing: the outline is the one that all candidates leave.
 */
import { type Contour, cut, type Pair, probeCircle, type Resolution } from "./contour.ts";
import { hiddenPlace, type Neighbour } from "./corners.ts";
import { distanceBetween, gapTo, type MutablePoint, type Sphere } from "./hyperboloid.ts";

/**
 * Atoms this near have a contact, angstrom: they are bonded. Where chains clash a third may lie between
 * them, and an outline around all of it shows nothing.
 */
const BONDED = 2;
/** Candidates this near to the middle are put in order first, angstrom; then those twice as far ... */
const SHELL = 2;

export interface Outline {
  readonly contours: readonly Contour[];
  /** Whoever does not touch it takes no point of the outline. */
  readonly ball: Sphere;
  /** A place near which a contact smaller than a step may have been lost. */
  readonly hidden: MutablePoint | undefined;
  /** Whether parts of the contact may be missing. */
  readonly isTangled: boolean;
}

/** Cuts the circle of a probe of radius `reach` with all candidates. */
export function outlineOf(
  pair: Pair,
  candidates: readonly Neighbour[],
  { reach, ...resolution }: Resolution & { readonly reach: number },
): Outline {
  let contours = [probeCircle(pair, reach, resolution.step)];
  let ball = ballAround(contours);
  let hidden: MutablePoint | undefined;
  let isTangled = false;
  const middle = middleOf(pair);
  for (const { neighbour, gap } of deepestFirst(middle, candidates)) {
    const { id, sphere } = neighbour;
    // All that follow are as far from the middle, and so from the ball.
    if (gap - distanceBetween(middle, ball) >= ball.r) break;
    if (gapTo(sphere, ball.x, ball.y, ball.z) >= ball.r) continue;
    let isCut = false;
    contours = contours.flatMap((contour) => {
      const parts = cut(pair, contour, { c: sphere, id, ...resolution });
      isCut ||= parts[0] !== contour;
      if (parts.length === 0) hidden ??= hiddenPlace(pair, contour, sphere);
      isTangled ||= parts.length > 1;
      return parts;
    });
    if (contours.length === 0) break;
    if (isCut) ball = ballAround(contours);
  }
  isTangled ||= contours.length === 0 && isBonded(pair);
  return { contours, ball, hidden, isTangled };
}

/** Whether a neighbour takes a point of an outline, or is as near to one as `stray`, angstrom. */
export function isAt(c: Sphere, { contours, ball }: Outline, stray: number): boolean {
  if (gapTo(c, ball.x, ball.y, ball.z) >= ball.r + stray) return false;
  for (const contour of contours) {
    for (const p of contour) {
      const [dx, dy, dz] = [p.x - c.x, p.y - c.y, p.z - c.z];
      const reach = p.gap + stray + c.r;
      if (reach > 0 && dx * dx + dy * dy + dz * dz < reach * reach) return true;
    }
  }
  return false;
}

/** Around the spheres about all points that touch the pair. */
function ballAround(contours: readonly Contour[]): Sphere {
  const ball = { x: 0, y: 0, z: 0, r: Number.NEGATIVE_INFINITY };
  const count = contours.reduce((sum, contour) => sum + contour.length, 0);
  for (const contour of contours) {
    for (const p of contour) {
      ball.x += p.x / count;
      ball.y += p.y / count;
      ball.z += p.z / count;
    }
  }
  for (const contour of contours) {
    for (const p of contour) ball.r = Math.max(ball.r, distanceBetween(ball, p) + p.gap);
  }
  return ball;
}

interface Deep {
  readonly neighbour: Neighbour;
  /** From the middle to its surface, angstrom. */
  readonly gap: number;
}

/**
 * Those first that take most: they reach farthest over the middle between the two atoms. In shells,
 * since of thousands in a far look the nearest few cut, and the others need no order.
 */
function* deepestFirst(
  { x, y, z }: MutablePoint,
  candidates: readonly Neighbour[],
): Iterable<Deep> {
  let rest = candidates.map((neighbour) => ({ neighbour, gap: gapTo(neighbour.sphere, x, y, z) }));
  for (let shell = SHELL; rest.length > 0; shell *= 2) {
    yield* rest.filter(({ gap }) => gap < shell).sort((p, q) => p.gap - q.gap);
    rest = rest.filter(({ gap }) => gap >= shell);
  }
}

function middleOf({ a, b }: Pair): MutablePoint {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, z: (a.z + b.z) / 2 };
}

function isBonded({ a, b }: Pair): boolean {
  return distanceBetween(a, b) < BONDED;
}
