/**
 * The core survives a hostile world: every seed keeps the invariants and ends.
 *
 * A seed that once found a bug has its own test below, with what it found.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runSeed } from "./adversary.ts";

/** `RAYSIDUE_SIM_SEEDS` runs more or fewer: a thousand take some five seconds. */
const SEEDS = Number(process.env.RAYSIDUE_SIM_SEEDS ?? 1000);

test(`seeds 1 to ${SEEDS} keep every invariant and end`, () => {
  const ends = new Map<string, number>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { end } = runSeed(seed);
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  // A world without a cancelled run, or with nothing but them, would prove little.
  assert.ok((ends.get("done") ?? 0) > SEEDS / 2, JSON.stringify([...ends]));
  assert.ok((ends.get("cancelled") ?? 0) > 0, JSON.stringify([...ends]));
});

test("the same seed is the same story", () => {
  const tell = (seed: number) => {
    const lines: string[] = [];
    runSeed(seed, (line) => lines.push(line));
    return lines;
  };
  assert.deepEqual(tell(42), tell(42));
  assert.notDeepEqual(tell(42), tell(43));
});

test("seed 291: an innocent item was blamed for what ran behind it when its worker died", () => {
  runSeed(291);
});

test("seed 547: a slow device waited for a faster one that could not take the task", () => {
  runSeed(547);
});

test("seed 4507: an engine that became ready during a short cut was never heard of", () => {
  runSeed(4507);
});
