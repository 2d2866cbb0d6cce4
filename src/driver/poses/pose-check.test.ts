import assert from "node:assert/strict";
import { test } from "node:test";
import { isLookedAt } from "./pose-check.ts";

/** How many of `files` files of `poses` poses are looked at. */
function looked(files: number, poses: number): number {
  let count = 0;
  for (let file = 0; file < files; file++) {
    for (let pose = 0; pose < poses; pose++) if (isLookedAt(file, pose)) count++;
  }
  return count;
}

test("of poses, one a file or all in one, the first 50 are looked at, then one in 100", () => {
  assert.equal(looked(30, 1), 30);
  assert.equal(looked(10_000, 1), 50 + 99);
  assert.equal(looked(1, 10_000), 50 + 99);
});

test("of ensembles, the first poses and a hundredth", () => {
  const count = looked(1000, 100);
  assert.ok(count >= 1000 && count <= 1000 + 100, `${count} of 100,000`);
});
