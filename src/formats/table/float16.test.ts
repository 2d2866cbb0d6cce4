import assert from "node:assert/strict";
import { test } from "node:test";
import { fromFloat16, toFloat16 } from "./float16.ts";

test("every half widens and comes back unchanged; NaN stays NaN", () => {
  const halves = Uint16Array.from({ length: 65_536 }, (_, i) => i);
  const values = fromFloat16(halves);
  const back = toFloat16(values);
  for (let i = 0; i < halves.length; i++) {
    const isNan = (i & 0x7c00) === 0x7c00 && (i & 0x3ff) !== 0;
    if (isNan) {
      assert.ok(Number.isNaN(values[i]), `half ${i} is NaN`);
      assert.ok((back[i]! & 0x7c00) === 0x7c00 && (back[i]! & 0x3ff) !== 0, `half ${i} stays NaN`);
    } else assert.equal(back[i], i);
  }
});

test("known values have their known bits", () => {
  const values = [0, -0, 1, -2, 65504, 0.333251953125, 2 ** -14, 2 ** -24, Infinity, -Infinity];
  const bits = [0, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x3555, 0x0400, 0x0001, 0x7c00, 0xfc00];
  assert.deepEqual([...toFloat16(Float32Array.from(values))], bits);
  assert.deepEqual([...fromFloat16(Uint16Array.from(bits))], values);
});

test("halfway between two halves goes to the even one, anything beyond to the nearer", () => {
  const halves = Uint16Array.from({ length: 0x7bff }, (_, i) => i);
  const values = fromFloat16(halves);
  const next = fromFloat16(Uint16Array.from({ length: 0x7bff }, (_, i) => i + 1));
  const middle = Float32Array.from(values, (value, i) => (value + next[i]!) / 2);
  const above = Float32Array.from(middle, (value) => value * (1 + 2 ** -22));
  const tie = toFloat16(middle);
  const nearer = toFloat16(above);
  for (let i = 0; i < halves.length; i++) {
    assert.equal(tie[i], i % 2 === 0 ? i : i + 1, `tie above half ${i}`);
    assert.equal(nearer[i], i + 1, `just over the tie above half ${i}`);
  }
});

test("overflow is infinity from 65,520 on", () => {
  const below = Math.fround(65519.99);
  assert.deepEqual(
    [...toFloat16(Float32Array.of(below, 65520, 1e30, -65520))],
    [0x7bff, 0x7c00, 0x7c00, 0xfc00],
  );
});
