/**
 * Spheres that touch four others: the corners of Voronoi cells of balls.
 *
 * Owns: the equations. Invariant: a solution touches all four from outside (its radius may be
 * negative where the four overlap). Works for four centres in one plane, as rings and peptide
 * bonds have them.
 */
import type { Sphere } from "./hyperboloid.ts";

/** Pivots smaller than this (in square angstrom) mean that two of the equations are one. */
const SINGULAR = 1e-9;

/** Of the three equations in x, y, z, r; kept between calls, since there are millions of them. */
const rows = [new Float64Array(5), new Float64Array(5), new Float64Array(5)];
const columns = new Uint8Array(4);
/** Solutions are `at + t along`. */
const at = new Float64Array(4);
const along = new Float64Array(4);

/** All spheres (none, one or two) that touch the four given. */
export function tangentSpheres(a: Sphere, b: Sphere, c: Sphere, d: Sphere): Sphere[] {
  setRow(0, a, b);
  setRow(1, a, c);
  setRow(2, a, d);
  if (!solve()) return [];
  // (x, y, z) from a has length r + a.r.
  const base = at[3]! + a.r;
  const qa = dot(along, along) - along[3]! * along[3]!;
  const qb = 2 * (dot(at, along) - base * along[3]!);
  const qc = dot(at, at) - base * base;
  const discriminant = qb * qb - 4 * qa * qc;
  if (discriminant < 0) return [];
  const root = Math.sqrt(discriminant);
  const stable = qb > 0 ? -0.5 * (qb + root) : -0.5 * (qb - root);
  const spheres: Sphere[] = [];
  for (const t of discriminant === 0 ? [stable / qa] : [stable / qa, qc / stable]) {
    const r = at[3]! + t * along[3]!;
    if (!Number.isFinite(t) || Math.min(a.r, b.r, c.r, d.r) + r <= 0) continue;
    const [x, y, z] = [at[0]! + t * along[0]!, at[1]! + t * along[1]!, at[2]! + t * along[2]!];
    spheres.push({ x: a.x + x, y: a.y + y, z: a.z + z, r });
  }
  return spheres;
}

/** The difference of |s - p| = r + r_p, squared, from a's: linear in (x, y, z, r), seen from a. */
function setRow(row: number, a: Sphere, s: Sphere): void {
  const [x, y, z, r] = [s.x - a.x, s.y - a.y, s.z - a.z, s.r - a.r];
  const values = rows[row]!;
  values[0] = x;
  values[1] = y;
  values[2] = z;
  values[3] = r;
  values[4] = (x * x + y * y + z * z - s.r * s.r + a.r * a.r) / 2;
}

/** Solves the three equations for `at` and `along`; false where two of them are one. */
function solve(): boolean {
  for (let k = 0; k < 4; k++) columns[k] = k;
  for (let step = 0; step < 3; step++) {
    choosePivot(step);
    const own = rows[step]!;
    const pivot = own[columns[step]!]!;
    if (Math.abs(pivot) < SINGULAR) return false;
    for (let row = 0; row < 3; row++) {
      if (row === step) continue;
      const other = rows[row]!;
      const factor = other[columns[step]!]! / pivot;
      for (let k = 0; k < 5; k++) other[k]! -= factor * own[k]!;
    }
  }
  const free = columns[3]!;
  at[free] = 0;
  along[free] = 1;
  for (let step = 0; step < 3; step++) {
    const column = columns[step]!;
    at[column] = rows[step]![4]! / rows[step]![column]!;
    along[column] = -rows[step]![free]! / rows[step]![column]!;
  }
  return true;
}

/** Brings the largest coefficient of what is left to `step`, in rows and columns. */
function choosePivot(step: number): void {
  let [bestRow, bestColumn, best] = [step, step, -1];
  for (let row = step; row < 3; row++) {
    for (let k = step; k < 4; k++) {
      const size = Math.abs(rows[row]![columns[k]!]!);
      if (size > best) [bestRow, bestColumn, best] = [row, k, size];
    }
  }
  [rows[step], rows[bestRow]] = [rows[bestRow]!, rows[step]!];
  [columns[step], columns[bestColumn]] = [columns[bestColumn]!, columns[step]!];
}

function dot(v: Float64Array, w: Float64Array): number {
  return v[0]! * w[0]! + v[1]! * w[1]! + v[2]! * w[2]!;
}
