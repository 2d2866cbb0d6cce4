/**
 * Contact areas of the atoms of a graph: the faces of the Voronoi cells of balls, as far as a probe
 * reaches.
 *
 * Owns: which atoms are balls, how large, and which of them are near. Invariant: the areas of the
 * pairs asked for only, from the atoms near them only. Source: Voronota (Olechnovic and Venclovas,
 * J. Comput. Chem. 35 (2014)): ATOM records without hydrogens, one radius an element.
 */
import { isHydrogenSymbol } from "../formats/structure/elements.ts";
import { CellList } from "./cells.ts";
import { contactArea, TOUCH_GAP } from "./contact-area.ts";
import type { ContactGraph, Edges } from "./contacts.ts";
import type { Neighbour } from "./corners.ts";
import { gapTo, Hyperboloid, type Sphere } from "./hyperboloid.ts";
import type { PreparedComplex } from "./prepare.ts";
import { REACH } from "./sides.ts";

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
  /** By reach, then by atom. */
  readonly #neighbours = new Map<number, Map<number, readonly Neighbour[]>>();

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
    if (gapTo(sphereA, sphereB.x, sphereB.y, sphereB.z) - sphereB.r >= TOUCH_GAP) return 0;
    const pair = { a: sphereA, b: sphereB, between: new Hyperboloid(sphereA, sphereB) };
    return contactArea(pair, (reach) =>
      this.#neighboursOf(a, reach).filter(
        ({ id, sphere: c }) => id !== b && gapTo(sphereB, c.x, c.y, c.z) - c.r < 2 * reach,
      ),
    );
  }

  /** What can cut a contact of this atom, in no order. */
  #neighboursOf(atom: number, reach: number): readonly Neighbour[] {
    let known = this.#neighbours.get(reach);
    if (known === undefined) {
      known = new Map();
      this.#neighbours.set(reach, known);
    }
    let neighbours = known.get(atom);
    if (neighbours === undefined) {
      const { x, y, z, r } = this.#spheres[atom]!;
      const found: number[] = [];
      const count = this.#cells.within(x, y, z, r + RADIUS_MAX + 2 * reach, found);
      neighbours = found
        .slice(0, count)
        .filter((id) => id !== atom)
        .map((id) => {
          const sphere = this.#spheres[id]!;
          return { id, sphere, gap: gapTo(sphere, x, y, z) - r };
        })
        .filter(({ gap }) => gap < 2 * reach);
      known.set(atom, neighbours);
    }
    return neighbours;
  }
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
      if (isHydrogenSymbol(element) || /^\d*H/.test(complex.atomNames[atom]!)) continue;
      if (altLoc === 0 || altLoc === 65 || altLoc === 49) balls.push(atom);
    }
  }
  return balls;
}
