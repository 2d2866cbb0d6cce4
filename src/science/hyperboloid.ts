/**
 * The surface of points equally far from two spheres.
 *
 * Owns: its geometry (one sheet of a hyperboloid of revolution; a plane for equal radii).
 * Invariant: projection moves a point along the axis only, and a projected point's distances from
 * both spheres are equal to rounding.
 */

/** A sphere: centre and radius, angstrom. */
export interface Sphere {
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly r: number;
}

/** A point that is moved in place. */
export interface MutablePoint {
  x: number;
  y: number;
  z: number;
}

export class Hyperboloid {
  /** Unit vector from the larger sphere's centre to the smaller's. */
  readonly #ux: number;
  readonly #uy: number;
  readonly #uz: number;
  /** Middle between the centres. */
  readonly #mx: number;
  readonly #my: number;
  readonly #mz: number;
  /** Half the difference of radii: where the sheet crosses the axis. */
  readonly #apex: number;
  /** One over the squared semi-axis across. */
  readonly #curvature: number;

  constructor(a: Sphere, b: Sphere) {
    const [small, large] = a.r > b.r ? [b, a] : [a, b];
    const hx = (small.x - large.x) / 2;
    const hy = (small.y - large.y) / 2;
    const hz = (small.z - large.z) / 2;
    const half = Math.sqrt(hx * hx + hy * hy + hz * hz);
    this.#ux = hx / half;
    this.#uy = hy / half;
    this.#uz = hz / half;
    this.#mx = large.x + hx;
    this.#my = large.y + hy;
    this.#mz = large.z + hz;
    this.#apex = (large.r - small.r) / 2;
    this.#curvature = 1 / (half * half - this.#apex * this.#apex);
  }

  project(point: MutablePoint): void {
    const dx = point.x - this.#mx;
    const dy = point.y - this.#my;
    const dz = point.z - this.#mz;
    const along = this.#ux * dx + this.#uy * dy + this.#uz * dz;
    let target = 0;
    if (this.#apex > 0) {
      const square = Math.max(dx * dx + dy * dy + dz * dz - along * along, 0);
      target = this.#apex * Math.sqrt(Math.max(1 + square * this.#curvature, 0));
    }
    const move = target - along;
    point.x += this.#ux * move;
    point.y += this.#uy * move;
    point.z += this.#uz * move;
  }

  /** The same for many: a processor has several roots under way. */
  projectAll(points: readonly MutablePoint[]): void {
    for (const point of points) this.project(point);
  }
}

/** Angstrom. `Math.hypot` takes ten times as long, against overflows that do not occur here. */
export function distanceBetween(p: MutablePoint, q: MutablePoint): number {
  const [dx, dy, dz] = [p.x - q.x, p.y - q.y, p.z - q.z];
  return Math.sqrt(dx * dx + dy * dy + dz * dz);
}

/** How far a point is outside of a sphere; negative inside. */
export function gapTo(sphere: Sphere, x: number, y: number, z: number): number {
  const dx = x - sphere.x;
  const dy = y - sphere.y;
  const dz = z - sphere.z;
  return Math.sqrt(dx * dx + dy * dy + dz * dz) - sphere.r;
}

/**
 * Where between `p` and `q`, as a fraction, a point is equally far from two spheres. One of the
 * points must be nearer to `a`, the other to `c`.
 */
export function crossing(p: MutablePoint, q: MutablePoint, a: Sphere, c: Sphere): number {
  // |s - c| = |s - a| + k for s = p + t (q - p): squared once, linear on one side.
  const k = c.r - a.r;
  const [vx, vy, vz] = [q.x - p.x, q.y - p.y, q.z - p.z];
  const [ax, ay, az] = [p.x - a.x, p.y - a.y, p.z - a.z];
  const [cx, cy, cz] = [p.x - c.x, p.y - c.y, p.z - c.z];
  const slope = 2 * (vx * (cx - ax) + vy * (cy - ay) + vz * (cz - az));
  const squareA = ax * ax + ay * ay + az * az;
  const constant = cx * cx + cy * cy + cz * cz - squareA - k * k;
  if (Math.abs(k) < 1e-12) return slope === 0 ? 0 : -constant / slope;
  // (slope t + constant)^2 = 4 k^2 |s - a|^2, with slope t + constant of the sign of k.
  const four = 4 * k * k;
  const qa = slope * slope - four * (vx * vx + vy * vy + vz * vz);
  const qb = 2 * slope * constant - 2 * four * (vx * ax + vy * ay + vz * az);
  const qc = constant * constant - four * squareA;
  const root = Math.sqrt(Math.max(qb * qb - 4 * qa * qc, 0));
  const stable = qb > 0 ? -0.5 * (qb + root) : -0.5 * (qb - root);
  for (const t of [stable / qa, qc / stable]) {
    if (t >= 0 && t <= 1 && (slope * t + constant) * k >= 0) return t;
  }
  return 0;
}
