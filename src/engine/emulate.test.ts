import assert from "node:assert/strict";
import { test } from "node:test";
import { EMULATED_LETTERS, openEmulator, stretch } from "./emulate.ts";
import { emulateOpening, rowsOf } from "./truth.fixture.ts";

const letters = (text: string) => Buffer.from(text);
const at = (letter: string) => EMULATED_LETTERS.indexOf(letter);

test("rows are composition, presence and one-hot vectors", async () => {
  const parameters = {
    pools: ["mean", "max", "bos"] as ("mean" | "max" | "bos")[],
    perResidue: "vector" as const,
  };
  const engine = await openEmulator(emulateOpening(parameters));
  const items = [letters("AAAC"), letters(""), letters("XY")];
  const result = await engine.run(items);
  assert.deepEqual(
    result.failures.map(({ index }) => index),
    [1],
  );
  assert.equal(result.tokens, 6 + 4);
  const kept = { ...result, sizes: result.sizes.filter((size) => size > 0) };
  const [first, second] = rowsOf(kept, [items[0]!, items[2]!], { parameters, dim: 20 });
  assert.equal(first!.pooled[0]![at("A")], 0.75);
  assert.equal(first!.pooled[0]![at("C")], 0.25);
  assert.equal(first!.pooled[1]![at("C")], 1);
  assert.ok(first!.pooled[2]!.every((value) => value === 0));
  assert.equal(first!.perResidue![3 * 20 + at("C")], 1);
  assert.equal(
    [...second!.pooled[0]!].reduce((a, b) => a + b),
    0.5,
  );
});

test("a speed makes a micro-batch take overhead and work over speed", async () => {
  const options = { speed: 2, overheadMs: 5, costMs: 0.1 };
  const engine = await openEmulator(emulateOpening({}, options));
  const { busySeconds } = await engine.run([letters("A".repeat(768))]);
  const expected = 0.005 + ((768 + 76.8) * 0.1) / 2 / 1000;
  assert.ok(busySeconds >= expected - 0.002, `${busySeconds} s, expected ${expected}`);
});

test("work that meets a change of speed takes the sum of its parts", () => {
  const slowdowns = [
    { afterSeconds: 1, factor: 10 },
    { afterSeconds: 2, factor: 1 },
  ];
  assert.equal(stretch(500, 0, slowdowns), 500);
  assert.equal(stretch(500, 800, slowdowns), 200 + 1000 + 200);
  assert.equal(stretch(50, 1000, slowdowns), 500);
  assert.equal(stretch(50, 5000, slowdowns), 50);
});

test("options it does not know are named", async () => {
  await assert.rejects(openEmulator(emulateOpening({}, { sped: 1 })), {
    code: "usage",
    message: /sped/,
  });
});
