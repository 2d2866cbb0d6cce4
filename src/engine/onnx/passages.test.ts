import assert from "node:assert/strict";
import { test } from "node:test";
import { layOut } from "./passages.ts";

const WHOLE = {
  dtype: "float32",
  layer: 1,
  perResidue: "none",
  pools: ["mean"],
  window: null,
} as const;

test("calls hold equally long passages within the budget, each passage once, longest first", () => {
  const lengths = [5, 9, 5, 5, 30, 9, 5, 1];
  const items = lengths.map((length, item) => ({ item, length }));
  const calls = layOut(items, { ...WHOLE, pools: ["mean"] }, 16);
  assert.deepEqual(
    calls.map(({ tokensEach, passages }) => [tokensEach, passages.map(({ item }) => item)]),
    // 7 tokens each: two fit into 16. 32 tokens are over the budget and stand alone.
    [
      [32, [4]],
      [11, [1]],
      [11, [5]],
      [7, [0, 2]],
      [7, [3, 6]],
      [3, [7]],
    ],
  );
});

test("windows of all long items run together, those of one item in order", () => {
  const parameters = { ...WHOLE, pools: [], window: { length: 10, overlap: 2 } };
  const calls = layOut(
    [
      { item: 0, length: 25 },
      { item: 1, length: 12 },
      { item: 2, length: 10 },
    ],
    parameters,
    1000,
  );
  assert.equal(calls.length, 1);
  assert.deepEqual(
    calls[0]!.passages.map(({ item, start, end }) => [item, start, end]),
    [
      [0, 0, 10],
      [0, 8, 18],
      [0, 15, 25],
      [1, 0, 10],
      [1, 2, 12],
      [2, 0, 10],
    ],
  );
});
