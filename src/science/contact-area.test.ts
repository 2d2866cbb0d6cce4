/** Contact areas of few balls, which geometry or Voronota knows: of clashes, slivers and far corners. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { contactArea } from "./contact-area.ts";
import type { Neighbour } from "./corners.ts";
import { gapTo, Hyperboloid, type Sphere } from "./hyperboloid.ts";
import { near } from "./near.fixture.ts";

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

test("a side that the outline strays past is not lost, though the others have two ends each", () => {
  // N and CA of a proline: CA of the residue before takes a lens from its C. Voronota: 6.00795.
  const a = { x: 12.446, y: 8.496, z: 43.176, r: 1.55 };
  const b = { x: 12.683, y: 9.89, z: 42.836, r: 1.7 };
  const sides = [
    { x: 11.548, y: 7.826, z: 43.896, r: 1.7 },
    { x: 13.462, y: 7.688, z: 42.519, r: 1.7 },
    { x: 14.631, y: 8.5, z: 42.798, r: 1.7 },
    { x: 12.013, y: 10.129, z: 41.497, r: 1.7 },
    { x: 10.408, y: 8.622, z: 44.583, r: 1.7 },
    { x: 10.782, y: 8.895, z: 46.043, r: 1.7 },
  ];
  near(areaAmong(a, b, sides), 6.00795, 5e-6);
});

test("a lost side is found among more than a hundred neighbours, too", () => {
  // C and N of a clash: one of eight sides is lost at first. Voronota: 8.76954.
  const a = { x: 31.875, y: 9.479, z: 62.843, r: 1.7 };
  const b = { x: 31.363, y: 8.937, z: 61.777, r: 1.55 };
  const sides = [
    { x: 33.365, y: 9.709, z: 62.849, r: 1.7 },
    { x: 31.019, y: 8.281, z: 61.141, r: 1.7 },
    { x: 29.968, y: 8.52, z: 61.574, r: 1.7 },
    { x: 34.1, y: 8.499, z: 63.494, r: 1.7 },
    { x: 30.636, y: 6.502, z: 62.811, r: 1.7 },
    { x: 29.236, y: 9.539, z: 60.665, r: 1.7 },
    { x: 30.147, y: 13.578, z: 61.595, r: 1.7 },
    { x: 33.482, y: 12.811, z: 58.919, r: 1.7 },
  ];
  // Near enough to be asked, and behind the others.
  const crowd = Array.from({ length: 120 }, (_, i) => ({ x: 35 + i / 1e3, y: 12, z: 58, r: 1.7 }));
  near(areaAmong(a, b, [...sides, ...crowd]), 8.76954, 5e-6);
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

test("a contact that ends beyond the farthest look has no part in front of its corners", () => {
  // N and CD behind OE1 and OE2, whose sides meet 20.5 A away. Voronota prints none.
  const a = { x: 40.762, y: 21.448, z: 25.905, r: 1.55 };
  const b = { x: 39.791, y: 21.678, z: 22.098, r: 1.7 };
  const sides = [
    { x: 40.689, y: 21.34, z: 22.901, r: 1.52 },
    { x: 38.765, y: 22.307, z: 22.444, r: 1.52 },
    { x: 36.963, y: 18.645, z: 24.241, r: 1.7 },
    { x: 45.451, y: 20.91, z: 14.875, r: 1.8 },
  ];
  assert.equal(areaAmong(a, b, sides), 0);

  // C and CZ of a phenylalanine behind O and CE1; two of three corners are 22 and 23 A away.
  const beyond = areaAmong(
    { x: -68.705, y: 60.348, z: -17.307, r: 1.7 },
    { x: -65.934, y: 64.351, z: -16.78, r: 1.7 },
    [
      { x: -68.556, y: 60.75, z: -18.459, r: 1.52 },
      { x: -66.122, y: 61.563, z: -16.785, r: 1.7 },
      { x: -66.364, y: 63.68, z: -15.642, r: 1.7 },
      { x: -79.208, y: 51.876, z: -19.792, r: 1.7 },
    ],
  );
  assert.equal(beyond, 0);
});

test("what a clash leaves of a contact is found", () => {
  // A third ball lies between, or takes all of the circle; areas as Voronota prints them.
  for (const { a, b, others, wanted, tolerance } of [
    {
      a: { x: -78.702, y: -108.176, z: 51.006, r: 1.7 },
      b: { x: -78.476, y: -108.539, z: 50.863, r: 1.55 },
      others: [
        { x: -79.274, y: -108.132, z: 52.015, r: 1.7 },
        { x: -79.605, y: -107.628, z: 49.904, r: 1.7 },
        { x: -78.066, y: -109.793, z: 50.69, r: 1.7 },
        { x: -77.151, y: -108.913, z: 48.558, r: 1.55 },
        { x: -75.187, y: -109.263, z: 53.422, r: 1.7 },
        { x: -74.419, y: -108.128, z: 53.061, r: 1.52 },
      ],
      wanted: 7.54327,
      tolerance: 5e-6,
    },
    {
      a: { x: -11.707, y: -16.377, z: 39.495, r: 1.7 },
      b: { x: -11.623, y: -16.394, z: 39.215, r: 1.55 },
      others: [
        { x: -11.709, y: -17.507, z: 39.966, r: 1.52 },
        { x: -11.617, y: -16.165, z: 37.974, r: 1.7 },
        { x: -10.376, y: -17.197, z: 39.239, r: 1.7 },
        { x: -9.508, y: -16.392, z: 38.202, r: 1.7 },
        { x: -10.562, y: -18.635, z: 38.693, r: 1.7 },
      ],
      wanted: 0.925011,
      tolerance: 5e-7,
    },
    {
      a: { x: 15.695, y: 67.436, z: -129.148, r: 1.7 },
      b: { x: 16.809, y: 66.956, z: -129.864, r: 1.52 },
      others: [
        { x: 16.543, y: 67.224, z: -129.308, r: 1.7 },
        { x: 16.831, y: 67.106, z: -130.669, r: 1.7 },
        { x: 15.002, y: 64.708, z: -130.523, r: 1.52 },
      ],
      wanted: 0.00276649,
      tolerance: 5e-9,
    },
  ]) {
    near(areaAmong(a, b, others), wanted, tolerance);
  }
});

test("an outline that falls apart does not lose a part of the contact", () => {
  // CA and OG1 of a threonine, into which SD of a methionine was pushed. Voronota: 0.865184.
  const a = { x: 53.731, y: 64.389, z: -65.442, r: 1.7 };
  const b = { x: 55.934, y: 65.348, z: -65.713, r: 1.52 };
  const sides = [
    { x: 54.543, y: 65.673, z: -65.618, r: 1.7 },
    { x: 53.795, y: 63.546, z: -66.627, r: 1.55 },
    { x: 54.538, y: 62.446, z: -66.691, r: 1.7 },
    { x: 55.947, y: 65.686, z: -65.721, r: 1.8 },
    { x: 55.322, y: 62.106, z: -65.801, r: 1.52 },
    { x: 55.739, y: 63.649, z: -62.766, r: 1.7 },
  ];
  near(areaAmong(a, b, sides), 0.865184, 5e-7);
});
