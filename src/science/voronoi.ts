/**
 * Contact areas of atoms: the faces of the Voronoi cells of balls, as far as a probe reaches.
 *
 * Owns: which neighbours cut a contact and in which order. Invariant: the areas of the pairs asked
 * for only, from the atoms near them only. Source: Voronota (Olechnovic and Venclovas, J. Comput.
 * Chem. 35 (2014)); its areas are those of an outline of points, reproduced to its printed digits.
 */
import { CellList } from "./cells.ts";
import type { ContactGraph, Edges } from "./contacts.ts";
import { areaOf, type Contour, circleAround, cut, ON_CIRCLE, type Pair, STEP } from "./contour.ts";
import {
  boundingIds,
  type Corner,
  cornersAmong,
  isRing,
  leavesMiddle,
  type Neighbour,
} from "./corners.ts";
import { gapTo, Hyperboloid, type Sphere } from "./hyperboloid.ts";
import type { PreparedComplex } from "./prepare.ts";

/** Radius of water, angstrom. */
const PROBE = 1.4;
/** A slightly larger probe finds the neighbours: a contact may hide behind a chord of its circle. */
const REACH = 1.5;
/** Radii by the first letter of an atom's name; any other is 1.7. */
const RADII: Readonly<Record<string, number>> = { C: 1.7, N: 1.55, O: 1.52, S: 1.8, P: 1.8 };
const RADIUS_DEFAULT = 1.7;
const RADIUS_MAX = 1.8;

/** Areas, square angstrom, of the edges of a graph: `[interface]` and `[internal]` float64. */
export function contactAreas(
  complex: PreparedComplex,
  graph: ContactGraph,
): [Float64Array, Float64Array] {
  const surroundings = new Surroundings(complex);
  const known = new Map<number, number>();
  const areasOf = (edges: Edges) => {
    const areas = new Float64Array(edges.source.length);
    for (let edge = 0; edge < areas.length; edge++) {
      const u = graph.nodeAtoms[edges.source[edge]!]!;
      const v = graph.nodeAtoms[edges.target[edge]!]!;
      const key = Math.min(u, v) * complex.atomCount + Math.max(u, v);
      let area = known.get(key);
      if (area === undefined) {
        area = surroundings.area(Math.min(u, v), Math.max(u, v));
        known.set(key, area);
      }
      areas[edge] = area;
    }
    return areas;
  };
  return [areasOf(graph.interface), areasOf(graph.internal)];
}

class Surroundings {
  readonly #cells: CellList;
  readonly #spheres: (Sphere | undefined)[];
  readonly #neighbours = new Map<number, readonly Neighbour[]>();

  constructor(complex: PreparedComplex) {
    const balls = ballsOf(complex);
    this.#spheres = new Array<Sphere | undefined>(complex.atomCount).fill(undefined);
    for (const atom of balls) {
      const r = radiusOf(complex.atomNames[atom]!);
      this.#spheres[atom] = { x: complex.x[atom]!, y: complex.y[atom]!, z: complex.z[atom]!, r };
    }
    this.#cells = new CellList(complex, balls, RADIUS_MAX + REACH);
  }

  /** The contact area of atoms a < b; 0 for what is no ball. */
  area(a: number, b: number): number {
    const [sphereA, sphereB] = [this.#spheres[a], this.#spheres[b]];
    if (sphereA === undefined || sphereB === undefined) return 0;
    if (gapTo(sphereA, sphereB.x, sphereB.y, sphereB.z) - sphereB.r >= 2 * PROBE) return 0;
    const candidates = this.#neighboursOf(a).filter(
      ({ id, sphere: c }) => id !== b && gapTo(sphereB, c.x, c.y, c.z) - c.r < 2 * REACH,
    );
    const pair = { a: sphereA, b: sphereB, between: new Hyperboloid(sphereA, sphereB) };
    return contactArea(pair, candidates);
  }

  /** What can cut a contact of this atom, nearest first. */
  #neighboursOf(atom: number): readonly Neighbour[] {
    let neighbours = this.#neighbours.get(atom);
    if (neighbours === undefined) {
      const { x, y, z, r } = this.#spheres[atom]!;
      const found: number[] = [];
      const count = this.#cells.within(x, y, z, r + RADIUS_MAX + 2 * REACH, found);
      neighbours = found
        .slice(0, count)
        .filter((id) => id !== atom)
        .map((id) => {
          const sphere = this.#spheres[id]!;
          return { id, sphere, gap: gapTo(sphere, x, y, z) - r };
        })
        .filter(({ gap }) => gap < 2 * REACH)
        .sort((p, q) => p.gap - q.gap || p.id - q.id);
      this.#neighbours.set(atom, neighbours);
    }
    return neighbours;
  }
}

/**
 * Two passes. The first cuts with everything near, to learn who bounds the contact; the corners
 * say who does so exactly. The second cuts with those only, in Voronota's order and from its
 * circle, which for a contact that no probe reaches is drawn around the corners.
 */
function contactArea(pair: Pair, candidates: readonly Neighbour[]): number {
  const rough = cutRoughly(pair, candidates);
  if (rough.contours.length === 0 && !rough.hasHidden) return 0;
  const onOutline = new Set(rough.contours.flatMap((c) => c.flatMap((p) => [p.before, p.after])));
  const cutters = candidates.filter(({ id }) => onOutline.has(id));
  let corners = cornersAmong(pair, cutters, candidates);
  if (!onOutline.has(ON_CIRCLE)) {
    if (!isRing(corners)) corners = cornersAmong(pair, candidates, candidates);
    if (isRing(corners) && corners.every(({ sphere }) => sphere.r < PROBE)) {
      return sumOf(pair, cutAroundCorners(pair, corners, candidates));
    }
  }
  if (rough.contours.length === 0) return 0;
  const bounding = boundingIds(corners, rough.contours);
  let contours = [probeCircle(pair, PROBE)];
  for (const { id, sphere } of cutters) {
    if (!bounding.has(id)) continue;
    contours = contours.flatMap((contour) => cut(pair, contour, sphere, id));
  }
  return sumOf(pair, contours);
}

function sumOf(pair: Pair, contours: readonly Contour[]): number {
  return contours.reduce((sum, contour) => sum + areaOf(pair, contour), 0);
}

/** Cuts with all candidates; `hasHidden` if one took an outline but not what is in its middle. */
function cutRoughly(
  pair: Pair,
  candidates: readonly Neighbour[],
): { contours: Contour[]; hasHidden: boolean } {
  let contours = [probeCircle(pair, REACH)];
  let hasHidden = false;
  for (const { id, sphere } of candidates) {
    contours = contours.flatMap((contour) => {
      const parts = cut(pair, contour, sphere, id);
      if (parts.length === 0) hasHidden ||= leavesMiddle(pair, contour, sphere);
      return parts;
    });
    if (contours.length === 0) break;
  }
  return { contours, hasHidden };
}

/** Cuts a circle around the corners, dropping what lies apart from them. */
function cutAroundCorners(
  pair: Pair,
  corners: readonly Corner[],
  candidates: readonly Neighbour[],
): Contour[] {
  const bounding = boundingIds(corners, []);
  const centre = { x: 0, y: 0, z: 0, r: 0 };
  for (const { sphere } of corners) {
    centre.x += sphere.x / corners.length;
    centre.y += sphere.y / corners.length;
    centre.z += sphere.z / corners.length;
  }
  const distances = corners.map(({ sphere: s }) => gapTo(centre, s.x, s.y, s.z));
  const radius = Math.max(...distances) + STEP;
  const circle = circleAround(pair, centre, radius);
  for (const point of circle) pair.between.project(point);
  let contours: Contour[] = [circle];
  for (const { id, sphere } of candidates) {
    if (!bounding.has(id)) continue;
    contours = contours.flatMap((contour) => {
      const parts = cut(pair, contour, sphere, id);
      if (parts[0] === contour) return parts;
      return parts.filter((part) => part.some((p) => gapTo(centre, p.x, p.y, p.z) <= radius));
    });
  }
  return contours;
}

/** Where a probe touches both spheres. */
function probeCircle(pair: Pair, probe: number): Contour {
  const { a, b } = pair;
  const distance = gapTo(a, b.x, b.y, b.z) + a.r;
  const ra = a.r + probe;
  const rb = b.r + probe;
  const along = (ra * ra - rb * rb + distance * distance) / (2 * distance);
  const t = along / distance;
  const centre = { x: a.x + t * (b.x - a.x), y: a.y + t * (b.y - a.y), z: a.z + t * (b.z - a.z) };
  return circleAround(pair, centre, Math.sqrt(Math.max(ra * ra - along * along, 0)));
}

function radiusOf(name: string): number {
  return RADII[name.replace(/^\d+/, "").charAt(0)] ?? RADIUS_DEFAULT;
}

/** Heavy atoms of ATOM records, without water; of alternate locations, A or 1. */
function ballsOf(complex: PreparedComplex): number[] {
  const balls: number[] = [];
  for (const residue of complex.residues) {
    if (residue.isHetero || residue.name === "HOH") continue;
    for (let atom = residue.atomStart; atom < residue.atomEnd; atom++) {
      const element = complex.elements[atom]!;
      const altLoc = complex.altLocs[atom]!;
      const isHydrogen = element === "H" || element === "D";
      if (isHydrogen || /^\d*H/.test(complex.atomNames[atom]!)) continue;
      if (altLoc === 0 || altLoc === 65 || altLoc === 49) balls.push(atom);
    }
  }
  return balls;
}
