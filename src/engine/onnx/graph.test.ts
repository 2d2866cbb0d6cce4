/** Attention in one operator and in several gives the same hidden states. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { locateModel } from "../../model/locate.ts";
import { dataPath, maxDifference, readSequences } from "../truth.fixture.ts";
import { Transformer } from "./transformer.ts";

test("plain attention is tiled attention", async () => {
  const model = await locateModel(dataPath("esm2-tiny"), {});
  assert.ok(model.kind !== "emulate");
  const options = { device: "cpu", threads: 1, isPrepacked: false, layer: 2 } as const;
  const tiled = await Transformer.open(model, { ...options, isAttentionTiled: true });
  const plain = await Transformer.open(model, { ...options, isAttentionTiled: false });
  // Alone, and two in a call.
  for (const residues of readSequences("esm2-tiny/ids.tsv").slice(0, 12)) {
    const passages = residues.length % 2 === 0 ? [residues] : [residues, residues.toReversed()];
    const expected = await tiled.run(passages);
    const difference = maxDifference(await plain.run(passages), expected);
    assert.ok(difference < 2e-5, `${residues.length} residues: ${difference}`);
  }
  await Promise.all([tiled.close(), plain.close()]);
});
