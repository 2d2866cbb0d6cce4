/**
 * Truth, through the whole path: files in, files out, against what the originals compute.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { dataPath, maxDifference, readArray, readArrays } from "../../src/engine/truth.fixture.ts";
import { fastaOf, type NamedSequence, randomSequences } from "../support/fasta-text.ts";
import { readEmbeddings, readMatrices, readVectors } from "../support/outputs.ts";
import { MODEL_CACHE, Sandbox, TINY_MODEL } from "../support/sandbox.ts";

/** One sequence of the truth is longer than what ESM-2 was trained on. */
const LONG = ["--max-length", "2000"];

/** Rows of an ids.tsv, with their numbers, that a FASTA file can hold. */
function truthSequences(name: string): (NamedSequence & { readonly row: number })[] {
  const [, ...lines] = readFileSync(dataPath(name), "utf8").trim().split("\n");
  return lines
    .map((line) => line.split("\t"))
    .map(([row, id, sequence]) => ({ row: Number(row), id: id!, sequence: sequence! }))
    .filter(({ sequence }) => /^[A-Z]+$/.test(sequence));
}

test("AntiBERTy: pulled once, then 64 antibody chains as the original has them", async (context) => {
  await using sandbox = new Sandbox();
  const environment = { HF_HUB_CACHE: MODEL_CACHE };
  const pull = await sandbox.run(["model", "pull", "antiberty"], { environment });
  // Without network on an empty cache there is no model; everything else is a failure.
  if (pull.exit === 69 || pull.exit === 75) return context.skip(`no model: ${pull.stderr.trim()}`);
  assert.equal(pull.exit, 0, pull.stderr);

  const sequences = truthSequences("antiberty/ids.tsv");
  sandbox.write("a.fasta", fastaOf(sequences));
  // From here on the model comes from the cache. It is the default model.
  const embed = ["embed", "a.fasta", "-o", "out", "--per-residue", "--engines", "1", "--offline"];
  await sandbox.expect(0, embed, { environment });
  const truth = readArray("antiberty/mean_f32.npy");
  const rows = await readEmbeddings(sandbox.path("out"));
  assert.equal(rows.length, 64);
  rows.forEach(({ id, vectors }, i) => {
    assert.equal(id, sequences[i]!.id);
    const difference = maxDifference(vectors.embedding!, truth.slice(i * 512, (i + 1) * 512));
    assert.ok(difference < 1e-5, `mean of ${id}: ${difference}`);
  });
  const third = (await readMatrices(sandbox.path("out")))[3]!;
  const difference = maxDifference(third.data, readArray("antiberty/residue3_f32.npy"));
  assert.ok(difference < 5e-5, `residues: ${difference}`);
});

test("a tiny ESM-2: means, first tokens and residues, unusual letters and all lengths", async () => {
  await using sandbox = new Sandbox();
  const sequences = truthSequences("esm2-tiny/ids.tsv");
  assert.ok(sequences.some(({ sequence }) => /[BUZOX]{4}/.test(sequence)));
  sandbox.write("a.fasta", fastaOf(sequences));
  const flags = ["--pool", "mean,bos", "--per-residue", "--threads", "2", ...LONG];
  await sandbox.expect(0, ["embed", "a.fasta", "-o", "out", "-m", TINY_MODEL, ...flags]);
  const truth = readArrays("esm2-tiny/residue_f32.npz");
  const rows = await readEmbeddings(sandbox.path("out"));
  const matrices = await readMatrices(sandbox.path("out"));
  for (const [i, { id, row }] of sequences.entries()) {
    const { vectors } = rows[i]!;
    const pairs = [
      ["mean", vectors.embedding_mean!, truth.get(`mean${row}`)!],
      ["bos", vectors.embedding_bos!, truth.get(`cls${row}`)!],
      ["residues", matrices[i]!.data, truth.get(`residue${row}`)!],
    ] as const;
    for (const [what, got, expected] of pairs) {
      const difference = maxDifference(got, expected);
      assert.ok(difference < 1e-4, `${what} of ${id}: ${difference}`);
    }
  }
});

test("the same vectors whatever engines, threads, workers, batches and order", async () => {
  await using sandbox = new Sandbox();
  const sequences = [
    ...truthSequences("esm2-tiny/ids.tsv"),
    ...truthSequences("antiberty/ids.tsv"),
  ];
  sandbox.write("a.fasta", fastaOf(sequences));
  sandbox.write("z.fasta", fastaOf([...sequences].reverse()));
  sandbox.write("half.fasta", fastaOf(sequences.filter((_, i) => i % 2 === 0)));
  const embed = (name: string, input: string, flags: readonly string[]) =>
    sandbox.expect(0, [
      "embed",
      input,
      "-o",
      name,
      "-m",
      TINY_MODEL,
      "--no-cache",
      ...LONG,
      ...flags,
    ]);
  await embed("base", "a.fasta", ["--engines", "1", "--threads", "1"]);
  const base = await readVectors(sandbox.path("base"));
  const agree = async (name: string, expected: readonly Float32Array[]) => {
    const vectors = await readVectors(sandbox.path(name));
    assert.equal(vectors.length, expected.length);
    vectors.forEach((vector, i) => {
      const difference = maxDifference(vector, expected[i]!);
      assert.ok(difference < 1e-5, `${name}, row ${i}: ${difference}`);
    });
  };
  // A little memory makes small batches.
  await embed("small", "z.fasta", ["--engines", "2", "--threads", "1", "--memory", "230MB"]);
  await agree("small", [...base].reverse());
  await embed("threads", "half.fasta", ["--engines", "1", "--threads", "2"]);
  await agree(
    "threads",
    base.filter((_, i) => i % 2 === 0),
  );
  const { address } = await sandbox.startScheduler();
  const one = ["--engines", "1", "--threads", "1"];
  await Promise.all([sandbox.startWorker(address, one), sandbox.startWorker(address, one)]);
  await embed("workers", "a.fasta", ["--address", address]);
  await agree("workers", base);
});

test("sequences longer than an engine call takes are computed, whole or in windows", async () => {
  await using sandbox = new Sandbox();
  // A call of this model takes 4,096 tokens.
  const sequences = randomSequences(2, { from: 4200, to: 4400, seed: 3 });
  sandbox.write("a.fasta", fastaOf(sequences));
  const embed = ["embed", "a.fasta", "-m", TINY_MODEL, "--no-cache", "--engines", "1"];
  await sandbox.expect(0, [...embed, "-o", "whole", "--max-length", "10000"]);
  assert.equal((await readEmbeddings(sandbox.path("whole"))).length, 2);
  const windows = ["--on-long", "window", "--max-length", "1000"];
  await sandbox.expect(0, [...embed, "-o", "windows", ...windows]);
  assert.equal((await readEmbeddings(sandbox.path("windows"))).length, 2);
});
