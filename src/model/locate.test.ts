import assert from "node:assert/strict";
import { cp, mkdtemp, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { seededFloats, writeSafetensors } from "../../test/support/checkpoint-writers.ts";
import { RaysidueError } from "../base/errors.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { verifyModel } from "./inventory.ts";
import { locateModel } from "./locate.ts";

const TINY = fileURLToPath(new URL("../../../test/data/esm2-tiny", import.meta.url));

describe("a local folder", () => {
  let folder: string;
  let model: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "raysidue-locate-"));
    model = join(folder, "model");
    await cp(TINY, model, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  const locate = () =>
    locateModel(model, { ownCache: join(folder, "own"), cacheRoot: join(folder, "hub") });
  const rejects = (promise: Promise<unknown>, pattern: RegExp, code = "bad-input") =>
    assert.rejects(promise, (thrown: unknown) => {
      assert.ok(thrown instanceof RaysidueError, String(thrown));
      assert.equal(thrown.code, code, thrown.message);
      assert.match(thrown.message, pattern);
      return true;
    });

  test("is located with what a planner needs", async () => {
    const located = await locate();
    assert.equal(located.kind, "esm");
    assert.equal(located.name, model);
    assert.equal(located.folder, model);
    assert.equal(located.maxResidues, 1022);
    assert.equal(located.vocabulary[4], "L");
    assert.deepEqual(
      located.files.map(({ role }) => role),
      ["config", "vocabulary", "weights-0"],
    );
  });

  test("has a fingerprint of its content alone", async () => {
    const { fingerprint } = await locate();
    await rename(model, join(folder, "moved"));
    model = join(folder, "moved");
    await writeFile(join(model, "README.md"), "changed");
    assert.equal((await locate()).fingerprint, fingerprint);
    const other = { a: { shape: [1], values: seededFloats(1, 1) } };
    await writeFile(join(model, "model.safetensors"), writeSafetensors(other));
    assert.notEqual((await locate()).fingerprint, fingerprint);
  });

  test("ESM-2's tokens are known without a vocab.txt, BERT's are not", async () => {
    await rm(join(model, "vocab.txt"));
    assert.equal((await locate()).alphabet, "ABCDEFGHIKLMNOPQRSTUVWXYZ");
    const bert = { model_type: "bert", hidden_size: 4, num_attention_heads: 2, vocab_size: 9 };
    const sizes = { num_hidden_layers: 1, intermediate_size: 4, max_position_embeddings: 40 };
    await writeFile(join(model, "config.json"), JSON.stringify({ ...bert, ...sizes }));
    await rejects(locate(), /vocab\.txt: missing/);
    await writeFile(join(model, "vocab.txt"), "[PAD]\r\n[UNK]\nA\nC\n\n");
    const located = await locate();
    assert.equal(located.alphabet, "AC");
    assert.equal(located.maxResidues, 38);
    await writeFile(join(model, "vocab.txt"), "A\nC\nA\n");
    await rejects(locate(), /no list of distinct tokens/);
    await writeFile(join(model, "vocab.txt"), [..."ABCDEFGHIK"].join("\n"));
    await rejects(locate(), /10 tokens, config\.json has vocab_size 9/);
  });

  test("says what is missing or broken, and where", async () => {
    await truncate(join(model, "model.safetensors"), 300_000);
    await rejects(
      openCheckpoint(model),
      /model\.safetensors: truncated: 693600 bytes .* has 300000/,
    );
    const verified = await verifyModel(model, { ownCache: join(folder, "own") });
    assert.match(verified.problem ?? "", /truncated/);
    assert.ok(!verified.isRight);
    await rm(join(model, "model.safetensors"));
    await rejects(locate(), /model: no weights; one of model\.safetensors/);
    await rm(join(model, "config.json"));
    await rejects(locate(), /no config\.json in it; a model's folder holds/);
    await rm(model, { recursive: true });
    await rejects(openCheckpoint(model), /no such folder/);
  });

  test("shards are found by their index, each once", async () => {
    await rm(join(model, "model.safetensors"));
    const tensor = (seed: number) => ({ shape: [2], values: seededFloats(seed, 2) });
    const index = (map: Record<string, string>) =>
      writeFile(join(model, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
    await index({ a: "s1.safetensors", b: "s2.safetensors" });
    await writeFile(join(model, "s1.safetensors"), writeSafetensors({ a: tensor(1) }));
    await rejects(
      locate(),
      /s2\.safetensors is missing, which model\.safetensors\.index\.json names/,
    );
    await writeFile(join(model, "s2.safetensors"), writeSafetensors({ b: tensor(2) }));
    const { tensors } = await openCheckpoint(model);
    assert.equal(tensors.get("b")!.file, join(model, "s2.safetensors"));
    await writeFile(join(model, "s2.safetensors"), writeSafetensors({ a: tensor(2) }));
    await rejects(openCheckpoint(model), /"a" occurs in two files/);
    for (const name of ["../s1.safetensors", "/etc/passwd", "s1.sh", ".hidden.bin"]) {
      await index({ a: name });
      await rejects(locate(), /is not safe/);
    }
    await writeFile(join(model, "model.safetensors.index.json"), "[]");
    await rejects(locate(), /no weight_map/);
  });
});

test("the emulated model needs nothing", async () => {
  const located = await locateModel("emulate");
  assert.equal(located.dim, 20);
  assert.equal(located.folder, null);
  assert.equal(located.maxResidues, null);
});

test("a fingerprint does not depend on order, and does on roles", () => {
  const [a, b] = ["a".repeat(64), "b".repeat(64)] as const;
  const one = fingerprintOf([
    { role: "config", sha256: a },
    { role: "weights-0", sha256: b },
  ]);
  const two = fingerprintOf([
    { role: "weights-0", sha256: b },
    { role: "config", sha256: a },
  ]);
  const swapped = fingerprintOf([
    { role: "config", sha256: b },
    { role: "weights-0", sha256: a },
  ]);
  assert.equal(one, two);
  assert.notEqual(one, swapped);
});
