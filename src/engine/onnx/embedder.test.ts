import assert from "node:assert/strict";
import { test } from "node:test";
import { RaysidueError } from "../../base/errors.ts";
import type { EmbedParameters } from "../../kind/embed.ts";
import type { MicroBatchResult } from "../../rpc/engine-codec.ts";
import {
  maxDifference,
  readArrays,
  readSequences,
  rowBytesOf,
  rowsOf,
  tinyOpening,
} from "../truth.fixture.ts";
import { openEmbedder } from "./embedder.ts";

const TINY_DIM = 64;
const tiny = readSequences("esm2-tiny/ids.tsv");

async function run(
  items: readonly Uint8Array[],
  parameters: Partial<EmbedParameters> = {},
  options = {},
): Promise<MicroBatchResult> {
  const engine = await openEmbedder(tinyOpening(parameters, options));
  try {
    return await engine.run(items);
  } finally {
    await engine.close();
  }
}

test("ESM-2 agrees with the original: residues, mean, bos; unusual letters, masks, all lengths", async () => {
  const parameters = { pools: ["mean", "bos"], perResidue: "vector" } as const;
  const result = await run(tiny, { ...parameters, pools: ["mean", "bos"] });
  assert.deepEqual(result.failures, []);
  assert.equal(
    result.tokens,
    tiny.reduce((sum, { length }) => sum + length + 2, 0),
  );
  assert.equal(result.paddedTokens, result.tokens);
  const truth = readArrays("esm2-tiny/residue_f32.npz");
  const layout = {
    parameters: { ...parameters, pools: ["mean", "bos"] as ("mean" | "bos")[] },
    dim: TINY_DIM,
  };
  for (const [i, row] of rowsOf(result, tiny, layout).entries()) {
    assert.ok(maxDifference(row.perResidue!, truth.get(`residue${i}`)!) < 1e-5, `residues of ${i}`);
    assert.ok(maxDifference(row.pooled[0]!, truth.get(`mean${i}`)!) < 1e-5, `mean of ${i}`);
    assert.ok(maxDifference(row.pooled[1]!, truth.get(`cls${i}`)!) < 1e-5, `bos of ${i}`);
  }
});

test("a row's bytes depend neither on its batch-mates nor on threads", async () => {
  const items = [...tiny, ...tiny.map((item) => item.slice(0, 17)), ...tiny];
  const together = rowBytesOf(await run(items, { perResidue: "vector" }));
  const reversed = rowBytesOf(
    await run(items.toReversed(), { perResidue: "vector" }, { threads: 2 }),
  );
  assert.deepEqual(reversed.reverse(), together);
  const engine = await openEmbedder(tinyOpening({ perResidue: "vector" }));
  for (const [i, item] of items.slice(0, 2 * tiny.length).entries()) {
    assert.deepEqual(rowBytesOf(await engine.run([item]))[0], together[i], `item ${i} alone`);
  }
  await engine.close();
});

test("pools, scalar and half precision follow from the residues", async () => {
  const items = tiny.slice(8, 12);
  const layout = (parameters: Partial<EmbedParameters>) => ({ parameters, dim: TINY_DIM });
  const vectors: Partial<EmbedParameters> = {
    pools: ["mean", "max"],
    perResidue: "vector",
    layer: 1,
  };
  const rows = rowsOf(await run(items, vectors), items, layout(vectors));
  const scalars: Partial<EmbedParameters> = { pools: [], perResidue: "scalar", layer: 1 };
  const scalarRows = rowsOf(await run(items, scalars), items, layout(scalars));
  const halves: Partial<EmbedParameters> = { dtype: "float16", layer: 1 };
  const halfSizes = (await run(items, halves)).sizes;
  for (const [i, { length }] of items.entries()) {
    const { pooled, perResidue } = rows[i]!;
    for (let d = 0; d < TINY_DIM; d++) {
      const column = Array.from({ length }, (_, residue) => perResidue![residue * TINY_DIM + d]!);
      assert.equal(pooled[1]![d], Math.max(...column));
      assert.ok(Math.abs(pooled[0]![d]! - column.reduce((a, b) => a + b) / length) < 1e-6);
    }
    for (let residue = 0; residue < length; residue++) {
      const vector = perResidue!.subarray(residue * TINY_DIM, (residue + 1) * TINY_DIM);
      const mean = [...vector].reduce((a, b) => a + b) / TINY_DIM;
      assert.ok(Math.abs(scalarRows[i]!.perResidue![residue]! - mean) < 1e-5);
    }
    assert.equal(halfSizes[i], TINY_DIM * 2);
  }
});

test("long sequences in windows: as if each window stood alone, seams averaged", async () => {
  const item = tiny[15]!.subarray(0, 140);
  const window = { length: 60, overlap: 20 };
  const parameters: Partial<EmbedParameters> = { perResidue: "vector", window };
  const [row] = rowsOf(await run([item], parameters), [item], { parameters, dim: TINY_DIM });
  const starts = [0, 40, 80];
  const pieces = starts.map((start) => item.subarray(start, start + 60));
  const alone = rowsOf(await run(pieces, { perResidue: "vector" }), pieces, {
    parameters,
    dim: TINY_DIM,
  });
  const at = (piece: number, residue: number) =>
    alone[piece]!.perResidue!.subarray(residue * TINY_DIM, (residue + 1) * TINY_DIM);
  const got = (residue: number) =>
    row!.perResidue!.subarray(residue * TINY_DIM, (residue + 1) * TINY_DIM);
  assert.deepEqual(got(10), at(0, 10));
  assert.deepEqual(got(139), at(2, 59));
  const seam = at(0, 50).map((value, d) => (value + at(1, 10)[d]!) / 2);
  assert.ok(maxDifference(got(50), seam) < 1e-6);
});

test("what cannot be run is a failure of its item alone", async () => {
  const items = [tiny[2]!, Buffer.from(""), Buffer.from("MKJ"), Buffer.from("mk"), tiny[3]!];
  const result = await run(items);
  assert.deepEqual(
    result.failures.map(({ index, retryable }) => [index, retryable]),
    [
      [1, false],
      [2, false],
      [3, false],
    ],
  );
  assert.match(result.failures[1]!.reason, /letter "J" at 3/);
  assert.deepEqual(result.sizes, [256, 0, 0, 0, 256]);
  assert.deepEqual(
    rowBytesOf(result).filter((row) => row.length > 0),
    rowBytesOf(await run([tiny[2]!, tiny[3]!])),
  );
});

test("what is predicted not to fit the memory is refused, not tried", async () => {
  const memoryBytes = 104e6;
  const engine = await openEmbedder(tinyOpening({}, { memoryBytes }));
  const result = await engine.run([Buffer.from("M".repeat(20_000)), tiny[2]!]);
  await engine.close();
  assert.equal(result.failures[0]?.retryable, true);
  assert.match(result.failures[0]!.reason, /20000 residues at once need more memory/);
  assert.deepEqual(result.sizes, [0, 256]);
  await assert.rejects(openEmbedder(tinyOpening({}, { memoryBytes: 1e6 })), {
    code: "unavailable",
    message: /needs .* of memory, the engine may use 977 KiB/,
  });
});

test("an engine refuses what it cannot serve, with a reason", async () => {
  const good = tinyOpening();
  const bad = [
    [{ ...good, kind: "score" }, /kind score/],
    [{ ...good, model: "emulate" }, /no weights/],
    [{ ...good, model: "/nowhere/at/all" }, /nowhere/],
    [{ ...good, fingerprint: "f".repeat(64) }, /fingerprint/],
    [{ ...good, parameters: "{}" }, /canonical/],
    [{ ...good, options: '{"treads":2}' }, /treads/],
    [tinyOpening({ layer: 3 }), /layer 3/],
  ] as const;
  for (const [opening, message] of bad) {
    await assert.rejects(openEmbedder(opening), (thrown) => {
      assert.ok(thrown instanceof RaysidueError, String(thrown));
      assert.match(thrown.message, message);
      return true;
    });
  }
});
