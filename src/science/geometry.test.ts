import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../base/random.ts";
import { CellList } from "./cells.ts";
import { clusterAgain, clusterByFlow } from "./clusters.ts";
import { gapTo, type Sphere } from "./hyperboloid.ts";
import { near } from "./near.fixture.ts";
import { solventAreas } from "./solvent.ts";
import { tangentSpheres } from "./tangent.ts";

test("a cell list finds what looking at all points finds", () => {
  const random = new Random(1);
  for (const [count, spread] of [
    [0, 1],
    [1, 10],
    [300, 8],
    [300, 200],
  ] as const) {
    const axis = () =>
      Float64Array.from({ length: count + 5 }, () => (random.next() - 0.5) * spread);
    const points = { x: axis(), y: axis(), z: axis() };
    // Two points very far away must not make the grid larger than memory.
    if (count > 1) points.x[0] = 1e5;
    if (count > 1) points.y[1] = -1e5;
    const members = Array.from({ length: count }, (_, i) => i);
    const cells = new CellList(points, members, 3);
    for (let query = 0; query < 40; query++) {
      const [x, y, z] = [0, 0, 0].map(() => (random.next() - 0.5) * 1.4 * spread) as [
        number,
        number,
        number,
      ];
      const distance = 0.5 + 6 * random.next();
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
  const random = new Random(7);
  let found = 0;
  for (let trial = 0; trial < 500; trial++) {
    const isFlat = trial % 5 === 0;
    const spheres = [0, 1, 2, 3].map((): Sphere => {
      const [x, y, z] = [5 * random.next(), 5 * random.next(), isFlat ? 1 : 5 * random.next()];
      return { x, y, z, r: 1.5 + 0.3 * random.next() };
    }) as [Sphere, Sphere, Sphere, Sphere];
    for (const s of tangentSpheres(...spheres)) {
      found++;
      for (const one of spheres) near(gapTo(one, s.x, s.y, s.z), s.r, 1e-6 * (1 + Math.abs(s.r)));
    }
  }
  assert.ok(found > 300, `${found} solutions`);
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
