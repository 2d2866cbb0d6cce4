import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../base/random.ts";
import { type Contour, cut, type Pair, probeCircle, VORONOTA } from "./contour.ts";
import type { Neighbour } from "./corners.ts";
import { gapTo, Hyperboloid, type Sphere } from "./hyperboloid.ts";
import { isAt, outlineOf } from "./outline.ts";

const RADII = [1.7, 1.55, 1.52, 1.8];

/** Two balls and `count` neighbours within `extent` angstrom of them. */
function surroundings(seed: number, count: number, extent: number) {
  const random = new Random(seed);
  const sphere = (around: number): Sphere => {
    const [x, y, z] = [0, 0, 0].map(() => random.between(-around, around)) as [
      number,
      number,
      number,
    ];
    return { x, y, z, r: RADII[random.below(RADII.length)]! };
  };
  const [a, b] = [sphere(1), sphere(2)];
  const pair: Pair = { a, b, between: new Hyperboloid(a, b) };
  const candidates = Array.from({ length: count }, (_, id): Neighbour => {
    const own = sphere(extent);
    return { id, sphere: own, gap: gapTo(a, own.x, own.y, own.z) - own.r };
  });
  return { pair, candidates };
}

/** Everything is tried, those first that are nearest to the middle. */
function plainOutline(pair: Pair, candidates: readonly Neighbour[], reach: number): Contour[] {
  const { a, b } = pair;
  const gap = ({ sphere }: Neighbour) =>
    gapTo(sphere, (a.x + b.x) / 2, (a.y + b.y) / 2, (a.z + b.z) / 2);
  let contours = [probeCircle(pair, reach)];
  for (const { id, sphere } of candidates.toSorted((p, q) => gap(p) - gap(q))) {
    contours = contours.flatMap((contour) => cut(pair, contour, { c: sphere, id, ...VORONOTA }));
  }
  return contours;
}

const pointsOf = (contours: readonly Contour[]) =>
  contours.map((contour) =>
    contour.map(({ x, y, z, before, after, gap }) => [x, y, z, before, after, gap]),
  );

test("what is passed over cuts nothing, near and far", () => {
  let left = 0;
  for (const [reach, count, extent] of [
    [1.9, 14, 5],
    [6, 40, 12],
    [20, 300, 40],
  ] as const) {
    for (let seed = 1; seed <= 60; seed++) {
      const { pair, candidates } = surroundings(seed, count, extent);
      const outline = outlineOf(pair, candidates, { ...VORONOTA, reach });
      const wanted = plainOutline(pair, candidates, reach);
      assert.deepEqual(pointsOf(outline.contours), pointsOf(wanted), `${reach} ${seed}`);
      left += wanted.length;
    }
  }
  // A test of empty outlines would prove nothing.
  assert.ok(left > 60, `${left} outlines`);
});

test("a neighbour at an outline is there, and one that strays farther off is not", () => {
  const { pair } = surroundings(3, 0, 1);
  const outline = outlineOf(pair, [], { ...VORONOTA, reach: 1.9 });
  const [point] = outline.contours[0]!;
  const { a } = pair;
  // On the way from a through a point of the outline: its ball about the point has radius `gap`.
  const at = (beyond: number): Sphere => {
    const part = (point!.gap + a.r + point!.gap + 1.7 + beyond) / (point!.gap + a.r);
    const place = (axis: "x" | "y" | "z") => a[axis] + part * (point![axis] - a[axis]);
    return { x: place("x"), y: place("y"), z: place("z"), r: 1.7 };
  };
  assert.ok(isAt(at(-0.01), outline, 0));
  assert.ok(isAt(at(0.09), outline, 0.1));
  assert.ok(!isAt(at(3), outline, 0.1));
});
