import assert from "node:assert/strict";
import { test } from "node:test";
import { CellList } from "./cells.ts";
import { clusterAgain, clusterByFlow } from "./clusters.ts";
import { contactArea } from "./contact-area.ts";
import type { Neighbour } from "./corners.ts";
import { gapTo, Hyperboloid, type Sphere } from "./hyperboloid.ts";
import { solventAreas } from "./solvent.ts";
import { tangentSpheres } from "./tangent.ts";

/** Uniform numbers from a seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function near(value: number, wanted: number, tolerance: number): void {
  assert.ok(Math.abs(value - wanted) <= tolerance, `${value} instead of ${wanted}`);
}

test("a cell list finds what looking at all points finds", () => {
  const next = random(1);
  for (const [count, spread] of [
    [0, 1],
    [1, 10],
    [300, 8],
    [300, 200],
  ] as const) {
    const axis = () => Float64Array.from({ length: count + 5 }, () => (next() - 0.5) * spread);
    const points = { x: axis(), y: axis(), z: axis() };
    // Two points very far away must not make the grid larger than memory.
    if (count > 1) points.x[0] = 1e5;
    if (count > 1) points.y[1] = -1e5;
    const members = Array.from({ length: count }, (_, i) => i);
    const cells = new CellList(points, members, 3);
    for (let query = 0; query < 40; query++) {
      const [x, y, z] = [0, 0, 0].map(() => (next() - 0.5) * 1.4 * spread) as [
        number,
        number,
        number,
      ];
      const distance = 0.5 + 6 * next();
      const found: number[] = [];
      const length = cells.within(x, y, z, distance, found);
      const wanted = members.filter(
        (i) => Math.hypot(points.x[i]! - x, points.y[i]! - y, points.z[i]! - z) <= distance,
      );
      assert.deepEqual(
        found.slice(0, length).sort((a, b) => a - b),
        wanted,
      );
    }
  }
});

test("solvent areas of one and of two spheres are those of the formula", () => {
  const points = {
    x: Float64Array.of(0, 0.6, 50),
    y: Float64Array.of(0, 0.8, 0),
    z: Float64Array.of(0, 1.2, 0),
  };
  const radii = Float64Array.of(1.7, 1.5, 1.8);
  const members = Int32Array.of(0, 1, 2);
  const areas = solventAreas({ points, members, radii }, [0, 1, 2]);
  near(areas[2]!, 4 * Math.PI * 3.2 ** 2, 1e-9);
  // A cap of height h is lost: 2 pi r h. Twenty slices know it to about one per cent.
  const d = Math.hypot(0.6, 0.8, 1.2);
  const [ra, rb] = [3.1, 2.9];
  const cap = (r: number, other: number) => r - (d * d + r * r - other * other) / (2 * d);
  for (const [i, r, other] of [
    [0, ra, rb],
    [1, rb, ra],
  ] as const) {
    const wanted = 4 * Math.PI * r * r - 2 * Math.PI * r * cap(r, other);
    near(areas[i]!, wanted, 0.015 * wanted);
  }
  // A sphere inside another has none.
  const inner = { ...points, x: Float64Array.of(0, 0.1, 50), y: new Float64Array(3) };
  inner.z = new Float64Array(3);
  assert.equal(
    solventAreas({ points: inner, members, radii: Float64Array.of(3, 1, 1) }, [1])[0],
    0,
  );
});

test("tangent spheres touch all four, coplanar centres included", () => {
  const next = random(7);
  let found = 0;
  for (let trial = 0; trial < 500; trial++) {
    const isFlat = trial % 5 === 0;
    const spheres = [0, 1, 2, 3].map((): Sphere => {
      const [x, y, z] = [5 * next(), 5 * next(), isFlat ? 1 : 5 * next()];
      return { x, y, z, r: 1.5 + 0.3 * next() };
    }) as [Sphere, Sphere, Sphere, Sphere];
    for (const s of tangentSpheres(...spheres)) {
      found++;
      for (const one of spheres) near(gapTo(one, s.x, s.y, s.z), s.r, 1e-6 * (1 + Math.abs(s.r)));
    }
  }
  assert.ok(found > 300, `${found} solutions`);
});

function areaAmong(a: Sphere, b: Sphere, others: readonly Sphere[]): number {
  const neighbours = others
    .map((sphere, id): Neighbour => ({ id, sphere, gap: gapTo(sphere, a.x, a.y, a.z) - a.r }))
    .sort((p, q) => p.gap - q.gap);
  return contactArea({ a, b, between: new Hyperboloid(a, b) }, (reach) =>
    neighbours.filter(
      ({ gap, sphere: c }) => gap < 2 * reach && gapTo(b, c.x, c.y, c.z) - c.r < 2 * reach,
    ),
  );
}

test("the contact of two equal balls alone is the circle that a probe draws", () => {
  const a = { x: 0, y: 0, z: 0, r: 1.7 };
  const b = { x: 1, y: 2, z: 2, r: 1.7 };
  const square = 3.1 ** 2 - 1.5 ** 2;
  // A polygon with a side of 0.2, or of 5 degrees, inscribed in the circle.
  const area = areaAmong(a, b, []);
  assert.ok(area < Math.PI * square && area > 0.998 * Math.PI * square, `${area}`);
});

test("a ball beside takes half of the circle, one on each side all but a strip", () => {
  const a = { x: 0, y: 0, z: -1.5, r: 1.7 };
  const b = { x: 0, y: 0, z: 1.5, r: 1.7 };
  const square = 3.1 ** 2 - 1.5 ** 2;
  const radius = Math.sqrt(square);
  // The bisecting plane of a and c cuts the contact's plane z = 0 along x = const.
  const cut = (x: number) => ({ x: x + Math.sqrt(x * x + 1.5 ** 2), y: 0, z: 0, r: 1.7 });
  const half = areaAmong(a, b, [cut(0)]);
  near(half, (Math.PI * square) / 2, 0.03);
  const [right, left] = [cut(0.5), cut(0.5)];
  const strip = areaAmong(a, b, [right, { ...left, x: -left.x }]);
  const segment = square * Math.acos(0.5 / radius) - 0.5 * Math.sqrt(square - 0.25);
  near(strip, Math.PI * square - 2 * segment, 0.03);
  // Four sides close a square that no probe reaches.
  const [top, bottom] = [cut(0.5).x, -cut(0.5).x].map((y) => ({ x: 0, y, z: 0, r: 1.7 }));
  near(areaAmong(a, b, [right, { ...left, x: -left.x }, top!, bottom!]), 1, 1e-6);
  // And a ball between them leaves nothing.
  assert.equal(areaAmong(a, b, [{ x: 0, y: 0, z: 0, r: 1.7 }]), 0);
});

test("who bounds a contact beyond the probe's reach counts, as for Voronota", () => {
  // OG1 and CG of two residues behind OD1 and OD2: their contact begins at 1.88 A, the probe is 1.4.
  const a = { x: 37.107, y: 0.409, z: -48.267, r: 1.52 };
  const b = { x: 33.553, y: 0.182, z: -47.416, r: 1.7 };
  const others = [
    { x: 37.163, y: -0.996, z: -48.533, r: 1.7 },
    { x: 34.655, y: 0.094, z: -46.849, r: 1.52 },
    { x: 33.422, y: 0.534, z: -48.607, r: 1.52 },
  ];
  // With this one it is closed, out at 2.5 A, and Voronota prints none.
  const far = { x: 32.976, y: 2.614, z: -44.786, r: 1.52 };
  assert.equal(areaAmong(a, b, [...others, far]), 0);
  assert.ok(areaAmong(a, b, others) > 0.1);
});

test("a side much shorter than a step is not lost, also where the contact is open", () => {
  // C and O of a glycine: one of nine sides is 0.04 A long. Voronota prints 11.4231 for them.
  const a = { x: 25.069, y: -12.743, z: -72.72, r: 1.7 };
  const b = { x: 26.188, y: -13.227, z: -72.911, r: 1.52 };
  const sides = [
    { x: 24.069, y: -12.612, z: -73.852, r: 1.7 },
    { x: 25.489, y: -12.357, z: -70.33, r: 1.7 },
    { x: 24.446, y: -13.296, z: -75.08, r: 1.55 },
    { x: 25.241, y: -12.772, z: -76.01, r: 1.7 },
    { x: 25.223, y: -13.614, z: -69.531, r: 1.7 },
    { x: 25.738, y: -11.645, z: -75.931, r: 1.52 },
    { x: 28.571, y: -11.186, z: -74.066, r: 1.7 },
    { x: 27.116, y: -9.635, z: -70.331, r: 1.7 },
    { x: 26.55, y: -16.632, z: -68.958, r: 1.7 },
  ];
  // As crowded as in a protein, by balls that are too far away to bound anything.
  const crowd = Array.from({ length: 120 }, (_, i) => ({ x: 25 + i / 1e3, y: -4, z: -73, r: 1.7 }));
  near(areaAmong(a, b, [...sides, ...crowd]), 11.4231, 5e-5);
});

test("a neighbour that bounds an open contact only beyond 5 A takes its turn", () => {
  // C of a glycine and OG of the serine behind it. Voronota: 0.700441, and 0.700589 without the N.
  const a = { x: -18.29, y: -14.51, z: -48.624, r: 1.7 };
  const b = { x: -16.72, y: -11.848, z: -50.859, r: 1.52 };
  const sides = [
    { x: -14.437, y: -12.898, z: -49.281, r: 1.52 },
    { x: -17.741, y: -14.876, z: -47.26, r: 1.7 },
    { x: -19.499, y: -14.353, z: -48.796, r: 1.52 },
    { x: -17.398, y: -14.376, z: -49.601, r: 1.55 },
    { x: -17.951, y: -12.507, z: -51.097, r: 1.7 },
  ];
  near(areaAmong(a, b, sides), 0.700441, 5e-7);
});

test("a contact that was split and closed again is not taken for an open one", () => {
  // CA and CD of a proline, with five sides that no probe reaches. Voronota: 0.441806.
  const a = { x: 55.996, y: 70.022, z: -59.082, r: 1.7 };
  const b = { x: 55.904, y: 68.976, z: -61.281, r: 1.7 };
  const sides = [
    { x: 57.362, y: 72.48, z: -61.173, r: 1.7 },
    { x: 54.708, y: 71.956, z: -59.728, r: 1.52 },
    { x: 57.387, y: 70.047, z: -59.731, r: 1.7 },
    { x: 55.182, y: 69.25, z: -60.028, r: 1.55 },
    { x: 57.336, y: 69.05, z: -60.855, r: 1.7 },
  ];
  near(areaAmong(a, b, sides), 0.441806, 5e-7);
});

test("clusters are the dense parts, numbered by their first node", () => {
  const edges = { source: [] as number[], target: [] as number[] };
  const join = (a: number, b: number) => {
    edges.source.push(a, b);
    edges.target.push(b, a);
  };
  // Two cliques, odd and even numbers, with one bridge; one node alone.
  for (let i = 0; i < 10; i++) for (let j = i + 2; j < 10; j += 2) join(i, j);
  join(0, 1);
  const typed = { source: Int32Array.from(edges.source), target: Int32Array.from(edges.target) };
  const clusters = clusterByFlow(11, typed);
  assert.deepEqual([...clusters.ids], [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 2]);
  assert.equal(clusters.count, 3);
  assert.deepEqual([...clusterAgain(clusters, typed).ids], [0, 0, 1]);
});
