/**
 * Contact areas of atoms: the faces of the Voronoi cells of balls, as far as a probe reaches.
 *
 * Owns: which neighbours cut a contact and in which order. Invariant: the areas of the pairs asked
 * for only, from the atoms near them only. Source: Voronota; its areas are those of an outline of
 * points, reproduced here.
 */
import { CellList } from "./cells.ts";
import type { ContactGraph, Edges } from "./contacts.ts";
import { areaOf, type Contour, circleAround, cut, ON_CIRCLE, type Pair, STEP } from "./contour.ts";
import { gapTo, Hyperboloid, type Sphere } from "./hyperboloid.ts";
import type { PreparedComplex } from "./prepare.ts";

/** Radius of water, angstrom. */
const PROBE = 1.4;
/** Radii by the first letter of an atom's name; any other is 1.7. */
const RADII: Readonly<Record<string, number>> = { C: 1.7, N: 1.55, O: 1.52, S: 1.8, P: 1.8 };
const RADIUS_DEFAULT = 1.7;
const RADIUS_MAX = 1.8;

interface Neighbour {
  readonly id: number;
  readonly sphere: Sphere;
  readonly gap: number;
}

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
  readonly #complex: PreparedComplex;
  readonly #cells: CellList;
  readonly #isBall: Uint8Array;
  readonly #neighbours = new Map<number, readonly Neighbour[]>();

  constructor(complex: PreparedComplex) {
    this.#complex = complex;
    const balls = ballsOf(complex);
    this.#isBall = new Uint8Array(complex.atomCount);
    for (const atom of balls) this.#isBall[atom] = 1;
    this.#cells = new CellList(complex, balls, 2 * RADIUS_MAX + 2 * PROBE);
  }

  /** The contact area of atoms a < b. */
  area(a: number, b: number): number {
    if (this.#isBall[a] === 0 || this.#isBall[b] === 0) return 0;
    const sphereA = this.#sphere(a);
    const sphereB = this.#sphere(b);
    const pair: Pair = { a: sphereA, b: sphereB, between: new Hyperboloid(sphereA, sphereB) };
    if (gapTo(sphereA, sphereB.x, sphereB.y, sphereB.z) - sphereB.r >= 2 * PROBE) return 0;
    const candidates = this.#neighboursOf(a).filter(
      ({ id, sphere: c }) => id !== b && gapTo(sphereB, c.x, c.y, c.z) - c.r < 2 * PROBE,
    );
    const start = probeCircle(pair);
    const rough = cutAll(pair, start, candidates);
    if (rough.length === 0) return 0;
    if (MODE === 1) return rough.reduce((s, c) => s + areaOf(pair, c), 0);
    const onOutline = new Set(rough.flatMap((c) => c.flatMap((p) => [p.before, p.after])));
    const isBuried = !onOutline.has(ON_CIRCLE);
    const cutters = candidates.filter((c) => onOutline.has(c.id));
    const fine = cutAll(pair, isBuried ? vertexCircle(pair, rough) : start, cutters);
    return fine.reduce((sum, contour) => sum + areaOf(pair, contour), 0);
  }

  #sphere(atom: number): Sphere {
    const { x, y, z } = this.#complex;
    return { x: x[atom]!, y: y[atom]!, z: z[atom]!, r: radiusOf(this.#complex.atomNames[atom]!) };
  }

  /** What can cut a contact of this atom, nearest first. */
  #neighboursOf(atom: number): readonly Neighbour[] {
    let neighbours = this.#neighbours.get(atom);
    if (neighbours === undefined) {
      const { x, y, z, r } = this.#sphere(atom);
      const found: number[] = [];
      const count = this.#cells.within(x, y, z, r + RADIUS_MAX + 2 * PROBE, found);
      neighbours = found
        .slice(0, count)
        .filter((id) => id !== atom)
        .map((id) => {
          const sphere = this.#sphere(id);
          return { id, sphere, gap: gapTo(sphere, x, y, z) - r };
        })
        .filter(({ gap }) => gap < 2 * PROBE)
        .sort((p, q) => p.gap - q.gap || p.id - q.id);
      this.#neighbours.set(atom, neighbours);
    }
    return neighbours;
  }
}
const MODE = Number(process.env["MODE"] ?? 2);

function cutAll(pair: Pair, start: Contour, neighbours: readonly Neighbour[]): Contour[] {
  let contours = [start.map((point) => ({ ...point }))];
  for (const { id, sphere } of neighbours) {
    contours = contours.flatMap((contour) => cut(pair, contour, sphere, id));
    if (contours.length === 0) break;
  }
  return contours;
}

/** Where a probe touches both spheres. */
function probeCircle(pair: Pair): Contour {
  const { a, b } = pair;
  const distance = Math.hypot(b.x - a.x, b.y - a.y, b.z - a.z);
  const ra = a.r + PROBE;
  const rb = b.r + PROBE;
  const along = (ra * ra - rb * rb + distance * distance) / (2 * distance);
  const t = along / distance;
  const centre = { x: a.x + t * (b.x - a.x), y: a.y + t * (b.y - a.y), z: a.z + t * (b.z - a.z) };
  return circleAround(pair, centre, Math.sqrt(Math.max(ra * ra - along * along, 0)));
}

/** A circle around the corners of a contact that no probe reaches. */
function vertexCircle(pair: Pair, contours: readonly Contour[]): Contour {
  const corners = contours.flatMap((contour) => contour.filter((p) => p.before !== p.after));
  const centre = { x: 0, y: 0, z: 0 };
  for (const { x, y, z } of corners) {
    centre.x += x / corners.length;
    centre.y += y / corners.length;
    centre.z += z / corners.length;
  }
  const radii = corners.map((p) => Math.hypot(p.x - centre.x, p.y - centre.y, p.z - centre.z));
  const circle = circleAround(pair, centre, Math.max(...radii) + STEP);
  for (const point of circle) pair.between.project(point);
  return circle;
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
      const name = complex.atomNames[atom]!;
      const element = complex.elements[atom]!;
      const altLoc = complex.altLocs[atom]!;
      const isHydrogen = /^\d*H/.test(name) || element === "H" || element === "D";
      if (!isHydrogen && (altLoc === 0 || altLoc === 65 || altLoc === 49)) balls.push(atom);
    }
  }
  return balls;
}
