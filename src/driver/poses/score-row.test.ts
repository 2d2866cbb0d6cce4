import assert from "node:assert/strict";
import { test } from "node:test";
import { rankOf } from "./score-row.ts";

test("the best come first, equal ones in the order of the input, however many are wanted", () => {
  const scores = Float32Array.of(0.5, 1.25, -0.5, 1.25, 0.5, 0.75);
  const whole = [1, 3, 5, 0, 4, 2];
  assert.deepEqual(Array.from(rankOf(scores)), whole);
  for (let count = 1; count <= 8; count++) {
    assert.deepEqual(Array.from(rankOf(scores, count)), whole.slice(0, count));
  }
  assert.deepEqual(Array.from(rankOf(new Float32Array(), 3)), []);
});
