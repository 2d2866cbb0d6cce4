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

/** All spheres (none, one or two) that touch the four given. */
export function tangentSpheres(a: Sphere, b: Sphere, c: Sphere, d: Sphere): Sphere[] {
  // Differences of |s - p_i| = r + r_i, squared, from a's: linear in (x, y, z, r), seen from a.
  const rows = [b, c, d].map((s) => {
    const [x, y, z, r] = [s.x - a.x, s.y - a.y, s.z - a.z, s.r - a.r];
    return [x, y, z, r, (x * x + y * y + z * z - s.r * s.r + a.r * a.r) / 2];
  });
  const line = solutionLine(rows);
  if (line === undefined) return [];
  const { at, along } = line;
  // (x, y, z) from a has length r + a.r, along the line at + t along.
  const base = at[3]! + a.r;
  const qa = square(along) - along[3]! * along[3]!;
  const qb = 2 * (dot(at, along) - base * along[3]!);
  const qc = square(at) - base * base;
  return roots(qa, qb, qc)
    .map((t) => ({
      x: a.x + at[0]! + t * along[0]!,
      y: a.y + at[1]! + t * along[1]!,
      z: a.z + at[2]! + t * along[2]!,
      r: at[3]! + t * along[3]!,
    }))
    .filter((s) => [a, b, c, d].every((one) => one.r + s.r > 0));
}

/** Solutions of three linear equations in four unknowns: a point and a direction. */
function solutionLine(rows: number[][]): { at: number[]; along: number[] } | undefined {
  const columns = [0, 1, 2, 3];
  for (let step = 0; step < 3; step++) {
    let [bestRow, bestColumn] = [step, step];
    for (let row = step; row < 3; row++) {
      for (let k = step; k < 4; k++) {
        const value = Math.abs(rows[row]![columns[k]!]!);
        if (value > Math.abs(rows[bestRow]![columns[bestColumn]!]!)) {
          [bestRow, bestColumn] = [row, k];
        }
      }
    }
    [rows[step], rows[bestRow]] = [rows[bestRow]!, rows[step]!];
    [columns[step], columns[bestColumn]] = [columns[bestColumn]!, columns[step]!];
    const pivot = rows[step]![columns[step]!]!;
    if (Math.abs(pivot) < SINGULAR) return undefined;
    for (let row = 0; row < 3; row++) {
      if (row === step) continue;
      const factor = rows[row]![columns[step]!]! / pivot;
      for (let k = 0; k < 5; k++) rows[row]![k]! -= factor * rows[step]![k]!;
    }
  }
  const free = columns[3]!;
  const at = [0, 0, 0, 0];
  const along = [0, 0, 0, 0];
  along[free] = 1;
  for (let step = 0; step < 3; step++) {
    const pivot = rows[step]![columns[step]!]!;
    at[columns[step]!] = rows[step]![4]! / pivot;
    along[columns[step]!] = -rows[step]![free]! / pivot;
  }
  return { at, along };
}

function square(v: readonly number[]): number {
  return dot(v, v);
}

function dot(v: readonly number[], w: readonly number[]): number {
  return v[0]! * w[0]! + v[1]! * w[1]! + v[2]! * w[2]!;
}

function roots(a: number, b: number, c: number): number[] {
  const discriminant = b * b - 4 * a * c;
  if (discriminant < 0) return [];
  const stable =
    b > 0 ? -0.5 * (b + Math.sqrt(discriminant)) : -0.5 * (b - Math.sqrt(discriminant));
  const both = [stable / a, c / stable].filter((t) => Number.isFinite(t));
  return discriminant === 0 ? both.slice(0, 1) : both;
}
