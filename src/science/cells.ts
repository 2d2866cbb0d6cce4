/**
 * A cell list: which points lie within a distance of a place, without looking at all of them.
 *
 * Owns: the grid. Invariant: memory is linear in the number of points however far apart they are,
 * and a query returns every point within the distance and no other.
 */

export interface Points {
  /** `[n] float64` each, angstrom. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly z: Float64Array;
}

/** Cells a point, at most; sparse inputs get larger cells instead of a larger grid. */
const CELLS_PER_POINT = 8;

export class CellList {
  readonly #points: Points;
  readonly #size: number;
  readonly #origin: readonly [number, number, number];
  readonly #counts: readonly [number, number, number];
  /** Members of cell c are `#members[#starts[c] .. #starts[c + 1])`, ascending. */
  readonly #starts: Int32Array;
  readonly #members: Int32Array;

  /** Over the points named by `indices` (ascending), with cells of about `cellSize` angstrom. */
  constructor(points: Points, indices: ArrayLike<number>, cellSize: number) {
    this.#points = points;
    const count = indices.length;
    const low: [number, number, number] = [0, 0, 0];
    const high: [number, number, number] = [0, 0, 0];
    [points.x, points.y, points.z].forEach((axis, k) => {
      low[k] = Number.POSITIVE_INFINITY;
      high[k] = Number.NEGATIVE_INFINITY;
      for (let i = 0; i < count; i++) {
        const value = axis[indices[i]!]!;
        if (value < low[k]!) low[k] = value;
        if (value > high[k]!) high[k] = value;
      }
      if (count === 0) low[k] = high[k] = 0;
    });
    let size = cellSize;
    const cells = () => low.map((from, k) => Math.floor((high[k]! - from) / size) + 1);
    while (cells().reduce((product, n) => product * n, 1) > CELLS_PER_POINT * count + 64) {
      size *= 1.5;
    }
    this.#size = size;
    this.#origin = low;
    this.#counts = cells() as [number, number, number];
    const cellCount = this.#counts[0] * this.#counts[1] * this.#counts[2];
    this.#starts = new Int32Array(cellCount + 1);
    this.#members = new Int32Array(count);
    const cellOf = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      const point = indices[i]!;
      const cell = this.#cellAt(points.x[point]!, points.y[point]!, points.z[point]!);
      cellOf[i] = cell;
      this.#starts[cell + 1]!++;
    }
    for (let cell = 0; cell < cellCount; cell++) this.#starts[cell + 1]! += this.#starts[cell]!;
    const next = this.#starts.slice(0, cellCount);
    for (let i = 0; i < count; i++) this.#members[next[cellOf[i]!]!++] = indices[i]!;
  }

  /**
   * Puts the points at most `distance` from (x, y, z) into `found`, in no order, and returns how
   * many they are; `found` grows but is never cut.
   */
  within(x: number, y: number, z: number, distance: number, found: number[]): number {
    const { x: xs, y: ys, z: zs } = this.#points;
    const squared = distance * distance;
    const [x0, x1] = this.#range(0, x, distance);
    const [y0, y1] = this.#range(1, y, distance);
    const [z0, z1] = this.#range(2, z, distance);
    let count = 0;
    for (let cx = x0; cx <= x1; cx++) {
      for (let cy = y0; cy <= y1; cy++) {
        const row = (cx * this.#counts[1] + cy) * this.#counts[2];
        // Cells of a row stand together: one run of members.
        const end = this.#starts[row + z1 + 1]!;
        for (let m = this.#starts[row + z0]!; m < end; m++) {
          const point = this.#members[m]!;
          const dx = xs[point]! - x;
          const dy = ys[point]! - y;
          const dz = zs[point]! - z;
          if (dx * dx + dy * dy + dz * dz <= squared) found[count++] = point;
        }
      }
    }
    return count;
  }

  #range(axis: 0 | 1 | 2, at: number, distance: number): [number, number] {
    const origin = this.#origin[axis];
    const last = this.#counts[axis] - 1;
    const from = Math.floor((at - distance - origin) / this.#size);
    const to = Math.floor((at + distance - origin) / this.#size);
    // An empty range where the whole reach lies outside of the grid.
    if (to < 0 || from > last) return [0, -1];
    return [Math.max(from, 0), Math.min(to, last)];
  }

  #cellAt(x: number, y: number, z: number): number {
    const place = (axis: 0 | 1 | 2, at: number) =>
      Math.min(Math.floor((at - this.#origin[axis]) / this.#size), this.#counts[axis] - 1);
    return (place(0, x) * this.#counts[1] + place(1, y)) * this.#counts[2] + place(2, z);
  }
}
