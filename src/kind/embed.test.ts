import assert from "node:assert/strict";
import { test } from "node:test";
import { RaysidueError } from "../base/errors.ts";
import {
  canonicalJson,
  costOf,
  decodeRow,
  type EmbedInput,
  parseCanonical,
  resolveEmbed,
  rowBytes,
  rowLayout,
  windowsOf,
  writeColumn,
} from "./embed.ts";

const BERT = { layerCount: 8, maxResidues: 510, isLimitHard: true };
const ESM = { layerCount: 6, maxResidues: 1022, isLimitHard: false };

const canonical = (input: EmbedInput) => canonicalJson(resolveEmbed(input, BERT).parameters);

test("parameters that mean the same have one canonical form", () => {
  assert.equal(canonical({}), canonical({ layer: 8, pools: ["mean", "mean"], maxLength: 100 }));
  assert.equal(canonical({ pools: ["bos", "mean"] }), canonical({ pools: ["mean", "bos"] }));
  assert.equal(canonical({ onLong: "truncate" }), canonical({ onLong: "error" }));
  const different: EmbedInput[] = [
    {},
    { layer: -2 },
    { dtype: "float16" },
    { perResidue: true },
    { scalar: true },
    { pools: ["max"] },
    { onLong: "window" },
    { onLong: "window", maxLength: 100 },
  ];
  const forms = different.map(canonical);
  assert.equal(new Set(forms).size, different.length);
  for (const form of forms) assert.equal(canonicalJson(parseCanonical(form)), form);
  // A change of this text changes every content key: it must be meant.
  assert.equal(
    canonical({ onLong: "window" }),
    '{"dtype":"float32","layer":8,"perResidue":"none","pools":["mean"],"window":{"length":510,"overlap":63}}',
  );
});

test("parameters that make no sense are refused with what to change", () => {
  const refused: [EmbedInput, RegExp][] = [
    [{ layer: 9 }, /layer 9.*0 \(embedding\) to 8/],
    [{ layer: -10 }, /layer -10/],
    [{ pools: [] }, /nothing to compute/],
    [{ scalar: true, perResidue: true }, /exclude/],
    [{ maxLength: 511 }, /511.*510 residues/],
    [{ onLong: "window", maxLength: 10, windowOverlap: 10 }, /overlap 10/],
    [{ layer: 1.5 }, /layer/],
    [{ pool: "mean" } as EmbedInput, /pool/],
  ];
  for (const [input, message] of refused) {
    assert.throws(
      () => resolveEmbed(input, BERT),
      (thrown) =>
        thrown instanceof RaysidueError && thrown.code === "usage" && message.test(thrown.message),
      JSON.stringify(input),
    );
  }
  assert.equal(resolveEmbed({ maxLength: 5000 }, ESM).maxLength, 5000);
  for (const text of ["", "{}", '{"layer":1}', canonical({}).replace("8", "-1")]) {
    assert.throws(() => parseCanonical(text), { code: "bad-input" }, text);
  }
});

test("windows cover every residue, are equally long, and cost what they say", () => {
  for (const [maxLength, windowOverlap] of [
    [10, 0],
    [10, 3],
    [10, 9],
    [1, 0],
  ] as const) {
    const { parameters } = resolveEmbed({ onLong: "window", maxLength, windowOverlap }, ESM);
    for (let length = 1; length < 60; length++) {
      const windows = windowsOf(length, parameters);
      const covered = new Set<number>();
      for (const [start, end] of windows) {
        assert.equal(end - start, Math.min(length, maxLength));
        for (let i = start; i < end; i++) covered.add(i);
      }
      assert.deepEqual([covered.size, windows[0]![0], windows.at(-1)![1]], [length, 0, length]);
      const tokens = windows.reduce((sum, [start, end]) => sum + end - start + 2, 0);
      assert.equal(costOf(length, parameters), tokens);
    }
  }
});

test("a row decodes to what was written, at any alignment", () => {
  const { parameters } = resolveEmbed(
    { pools: ["mean", "bos"], perResidue: true, dtype: "float16" },
    ESM,
  );
  const layout = rowLayout(parameters, 3);
  const size = rowBytes(layout, 2);
  assert.equal(size, 2 * (3 + 3 + 6));
  const buffer = new Uint8Array(size + 1);
  const payload = buffer.subarray(1);
  let offset = 0;
  for (const values of [
    [1, 2, 3],
    [-1, 0.5, 0],
    [1, 1, 1, 2, 2, 65504],
  ]) {
    offset = writeColumn(payload, offset, layout.perResidue!, Float32Array.from(values));
  }
  assert.equal(offset, size);
  const row = decodeRow(layout, 2, payload);
  assert.deepEqual([...row.pooled[1]!], [0xbc00, 0x3800, 0]);
  assert.deepEqual([...row.perResidue!], [0x3c00, 0x3c00, 0x3c00, 0x4000, 0x4000, 0x7bff]);
  assert.throws(() => decodeRow(layout, 3, payload), { code: "bad-input" });

  const scalar = rowLayout(resolveEmbed({ pools: [], scalar: true }, ESM).parameters, 320);
  assert.deepEqual([scalar.pooled.length, rowBytes(scalar, 7)], [0, 28]);
});
