import assert from "node:assert/strict";
import { test } from "node:test";
import { lowerBound } from "./bound.ts";

const steady = (...speeds: number[]) => speeds.map((speed) => [{ at: 0, speed }]);

test("divisible work on steady devices takes total over speed", () => {
  assert.equal(lowerBound({ total: 100, largest: [1, 1] }, steady(4, 1), 0), 20_000);
});

test("one giant is bound by the fastest device, two by the two fastest", () => {
  assert.equal(lowerBound({ total: 60, largest: [40, 10, 10] }, steady(1, 1, 1), 0), 40_000);
  // The first alone would take 20 s on speed 2; both need 60 / 3 = 20 s; with 38 + 28 they need 22.
  assert.equal(lowerBound({ total: 67, largest: [38, 28, 1] }, steady(2, 1, 1), 0), 22_000);
});

test("a device that joins, slows down or is lost counts for what it was", () => {
  const work = { total: 100, largest: [] };
  const joins = [[{ at: 0, speed: 1 }], [{ at: 50_000, speed: 1 }]];
  assert.equal(lowerBound(work, joins, 0), 75_000);
  const lost = [
    [{ at: 0, speed: 1 }],
    [
      { at: 0, speed: 1 },
      { at: 10_000, speed: 0 },
    ],
  ];
  assert.equal(lowerBound(work, lost, 0), 90_000);
  assert.equal(
    lowerBound(
      work,
      [
        [
          { at: 0, speed: 1 },
          { at: 5, speed: 0 },
        ],
      ],
      0,
    ),
    Infinity,
  );
});

test("times count from the start, and changes before it hold at it", () => {
  assert.equal(lowerBound({ total: 10, largest: [] }, [[{ at: 100, speed: 1 }]], 2_100), 10_000);
});

test("very many changes are bound as well as few", () => {
  const lanes = Array.from({ length: 20 }, (_, lane) =>
    Array.from({ length: 1000 }, (_, index) => ({
      at: index * 100 + lane,
      speed: 1 + 0.5 * (index % 2),
    })),
  );
  const bound = lowerBound({ total: 20 * 1.25 * 100, largest: [1] }, lanes, 0);
  assert.ok(Math.abs(bound - 100_000) < 200, `${bound}`);
});
