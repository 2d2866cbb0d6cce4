/**
 * Solvent-accessible areas of atoms, by slices (Lee and Richards).
 *
 * Owns: the algorithm. Invariant: an atom's area depends only on the atoms whose probe-expanded
 * spheres reach its own, so areas of some atoms cost only those. Source: Lee and Richards, J. Mol.
 * Biol. 55 (1971), with FreeSASA's 20 slices an atom, whose values it gives to rounding.
 */
import { CellList, type Points } from "./cells.ts";

/** Radius of water, angstrom. */
const PROBE = 1.4;
const SLICES = 20;
const TWO_PI = 2 * Math.PI;

/** A set of spheres: indices into the points, ascending, and a radius each. */
export interface Spheres {
  readonly points: Points;
  readonly members: Int32Array;
  /** By point, angstrom, without probe. */
  readonly radii: Float64Array;
}

/** Areas, square angstrom, of the spheres of the points `targets` (all of them members). */
export function solventAreas(spheres: Spheres, targets: ArrayLike<number>): Float64Array {
  const { points, members, radii } = spheres;
  let largest = 0;
  for (const member of members) largest = Math.max(largest, radii[member]!);
  const cells = new CellList(points, members, largest + PROBE);
  const circle = new Circle();
  const areas = new Float64Array(targets.length);
  const found: number[] = [];
  for (let t = 0; t < targets.length; t++) {
    const atom = targets[t]!;
    const reach = radii[atom]! + largest + 2 * PROBE;
    const [x, y, z] = [points.x[atom]!, points.y[atom]!, points.z[atom]!];
    const count = cells.within(x, y, z, reach, found);
    circle.begin(radii[atom]! + PROBE);
    for (let i = 0; i < count; i++) {
      const other = found[i]!;
      if (other === atom) continue;
      const dx = points.x[other]! - x;
      const dy = points.y[other]! - y;
      circle.addNeighbour(dx, dy, points.z[other]! - z, radii[other]! + PROBE);
    }
    areas[t] = circle.area();
  }
  return areas;
}

/** One atom and its neighbours, cut into circles perpendicular to z. */
class Circle {
  #radius = 0;
  #count = 0;
  #dz = new Float64Array(64);
  #radii = new Float64Array(64);
  #distance = new Float64Array(64);
  /** Where along the circle the neighbour's arc has its middle. */
  #middle = new Float64Array(64);
  /** Buried arcs as start and end; at most two a neighbour. */
  #arcs = new Float64Array(256);

  begin(radius: number): void {
    this.#radius = radius;
    this.#count = 0;
  }

  addNeighbour(dx: number, dy: number, dz: number, radius: number): void {
    const distance = Math.sqrt(dx * dx + dy * dy);
    const reach = this.#radius + radius;
    if (distance * distance + dz * dz >= reach * reach) return;
    if (this.#count === this.#dz.length) this.#grow();
    const i = this.#count++;
    this.#dz[i] = dz;
    this.#radii[i] = radius;
    this.#distance[i] = distance;
    this.#middle[i] = Math.atan2(-dy, -dx) + Math.PI;
  }

  #grow(): void {
    const wider = (array: Float64Array) => {
      const result = new Float64Array(2 * array.length);
      result.set(array);
      return result;
    };
    this.#dz = wider(this.#dz);
    this.#radii = wider(this.#radii);
    this.#distance = wider(this.#distance);
    this.#middle = wider(this.#middle);
    this.#arcs = wider(this.#arcs);
  }

  area(): number {
    const radius = this.#radius;
    const thickness = (2 * radius) / SLICES;
    let sum = 0;
    for (let slice = 0; slice < SLICES; slice++) {
      const z = -radius + (slice + 0.5) * thickness;
      const square = radius * radius - z * z;
      if (square <= 0) continue;
      sum += thickness * radius * this.#exposed(z, square);
    }
    return sum;
  }

  /** The angle of the circle at height `z` that no neighbour covers. */
  #exposed(z: number, square: number): number {
    const own = Math.sqrt(square);
    let arcCount = 0;
    for (let i = 0; i < this.#count; i++) {
      const dz = this.#dz[i]! - z;
      const otherSquare = this.#radii[i]! * this.#radii[i]! - dz * dz;
      if (otherSquare <= 0) continue;
      const other = Math.sqrt(otherSquare);
      const distance = this.#distance[i]!;
      if (distance >= own + other || distance + other < own) continue;
      if (distance + own < other) return 0;
      const cosine = (square + distance * distance - otherSquare) / (2 * own * distance);
      const half = Math.acos(cosine);
      const start = this.#middle[i]! - half;
      const end = this.#middle[i]! + half;
      if (start < 0) {
        arcCount = this.#addArc(arcCount, 0, end);
        arcCount = this.#addArc(arcCount, start + TWO_PI, TWO_PI);
      } else if (end > TWO_PI) {
        arcCount = this.#addArc(arcCount, 0, end - TWO_PI);
        arcCount = this.#addArc(arcCount, start, TWO_PI);
      } else arcCount = this.#addArc(arcCount, start, end);
    }
    if (arcCount === 0) return TWO_PI;
    const arcs = this.#arcs;
    let exposed = arcs[0]!;
    let covered = arcs[1]!;
    for (let i = 2; i < 2 * arcCount; i += 2) {
      if (arcs[i]! > covered) exposed += arcs[i]! - covered;
      if (arcs[i + 1]! > covered) covered = arcs[i + 1]!;
    }
    return exposed + TWO_PI - covered;
  }

  /** Inserts an arc in order of its start; returns how many there are now. */
  #addArc(count: number, start: number, end: number): number {
    const arcs = this.#arcs;
    let at = 2 * count;
    while (at > 0 && arcs[at - 2]! > start) {
      arcs[at] = arcs[at - 2]!;
      arcs[at + 1] = arcs[at - 1]!;
      at -= 2;
    }
    arcs[at] = start;
    arcs[at + 1] = end;
    return count + 1;
  }
}
