/**
 * Files that are no FASTA, and models that are no models.
 *
 * Proves: each gets one line that says what, where and what to do, the right exit code, and leaves
 * nothing behind that a later run would trust.
 */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { assertNoOutput, readReport } from "../support/outputs.ts";
import { Sandbox, TINY_MODEL } from "../support/sandbox.ts";

const sequences = randomSequences(2000, { from: 50, to: 90, seed: 53 });
const lastLine = (text: string) => text.trim().split("\n").at(-1)!;

describe("bad inputs", () => {
  let sandbox: Sandbox;
  before(() => {
    sandbox = new Sandbox();
  });
  after(() => sandbox[Symbol.asyncDispose]());

  const refuses = async (
    inputs: readonly string[],
    pattern: RegExp,
    flags: readonly string[] = [],
  ) => {
    const args = ["embed", ...inputs, "-o", "out", "-m", "emulate", ...flags];
    const { stderr, stdout } = await sandbox.expect(65, args);
    assert.match(lastLine(stderr), pattern);
    assert.doesNotMatch(stderr, /\n {4}at /, "a stack is for bugs");
    assert.equal(stdout, "");
    assertNoOutput(sandbox.path("out"));
  };

  test("a truncated gzip file, even if all its records so far are good", async () => {
    const gzip = gzipSync(fastaOf(sequences));
    sandbox.write("cut.fasta.gz", gzip.subarray(0, gzip.length / 2));
    const pattern = /cut\.fasta\.gz is a truncated gzip file; it was cut short .*; fetch it again/;
    await refuses(["cut.fasta.gz"], pattern, ["--on-invalid", "skip"]);
  });

  test("a binary file, an empty one, and one that is missing", async () => {
    sandbox.write("program", readFileSync(process.execPath).subarray(0, 65_536));
    await refuses(["program"], /program is a binary file .*; give a plain text file/);
    sandbox.write("empty.fasta", "");
    await refuses(["empty.fasta"], /empty\.fasta is empty/);
    sandbox.write("blank.fasta", "\n\n");
    await refuses(["blank.fasta"], /blank\.fasta/);
    await refuses(["missing.fasta"], /missing\.fasta: no such file/);
    await refuses(["-"], /<stdin> is empty/);
  });

  test("one that is missing is told before a model is looked for", async () => {
    const model = ["esm2_t6_8M_UR50D", "--offline"];
    const chains = ["--heavy", "H", "--antigen", "A", "--embed-model"];
    for (const args of [
      ["embed", "missing", "-o", "out", "-m", ...model],
      ["score", "missing", "-o", "out", ...chains, ...model],
      ["analyze", "missing", "-m", ...model],
      ["analyze", "missing", ...chains, ...model],
    ]) {
      const { stderr } = await sandbox.expect(65, args);
      assert.match(lastLine(stderr), /missing: no such file/, args.join(" "));
    }
  });

  test("a directory without FASTA, and text that is none", async () => {
    sandbox.write("folder/readme.md", "nothing");
    await refuses(["folder"], /folder: directory without FASTA; looked for \.fa, .*--recursive/);
    sandbox.write("prose.txt", "MKTAYIAKQR\n>late\nMKT\n");
    await refuses(["prose.txt"], /prose\.txt:1: /);
  });

  test("one bad file among good ones refuses all of them", async () => {
    sandbox.write("good.fasta", fastaOf(sequences.slice(0, 10)));
    await refuses(["good.fasta", "empty.fasta"], /empty\.fasta is empty/);
    // And a folder that a refused run left is no hindrance.
    await sandbox.expect(0, ["embed", "good.fasta", "-o", "out", "-m", "emulate"]);
    assert.equal(readReport(sandbox.path("out")).counts.rows, 10);
  });
});

describe("bad models", () => {
  let sandbox: Sandbox;
  before(() => {
    sandbox = new Sandbox();
    sandbox.write("a.fasta", fastaOf(sequences.slice(0, 5)));
  });
  after(() => sandbox[Symbol.asyncDispose]());

  const refuses = async (model: string, exit: number, pattern: RegExp) => {
    const args = ["embed", "a.fasta", "-o", "out", "-m", model, "--offline"];
    const { stderr } = await sandbox.expect(exit, args);
    assert.match(lastLine(stderr), pattern);
    assertNoOutput(sandbox.path("out"));
  };
  /** A copy of the tiny model, to be damaged. */
  const copyModel = (name: string): string => {
    const folder = sandbox.path(name);
    mkdirSync(folder);
    for (const file of ["config.json", "vocab.txt", "model.safetensors"]) {
      copyFileSync(join(TINY_MODEL, file), join(folder, file));
    }
    return folder;
  };

  test("an unknown name, with the nearest known ones", async () => {
    await refuses("antibert", 64, /antibert.*antiberty/);
    await refuses("esm2_t33_650M", 64, /esm2_t33_650M_UR50D/);
    await refuses("./nowhere", 65, /nowhere/);
  });

  test("one that is not here and may not be fetched", async () => {
    await refuses("esm2_t6_8M_UR50D", 69, /raysidue model pull|--offline/);
  });

  test("a truncated checkpoint", async () => {
    const folder = copyModel("truncated");
    truncateSync(join(folder, "model.safetensors"), 300_000);
    await refuses(folder, 65, /truncated.model\.safetensors.*/);
    truncateSync(join(folder, "model.safetensors"), 4);
    await refuses(folder, 65, /truncated.model\.safetensors.*/);
  });

  test("a configuration of something else", async () => {
    const folder = copyModel("other");
    writeFileSync(join(folder, "config.json"), '{"model_type": "gpt2"}');
    await refuses(folder, 65, /config\.json/);
    writeFileSync(join(folder, "config.json"), "{");
    await refuses(folder, 65, /config\.json/);
  });

  test("a blob of the cache whose bytes are not its name's", async () => {
    const commit = "0123456789abcdef0123456789abcdef01234567";
    const repo = sandbox.path("hf", "hub", "models--facebook--esm2_t6_8M_UR50D");
    const blob = "00".repeat(32);
    mkdirSync(join(repo, "blobs"), { recursive: true });
    copyFileSync(join(TINY_MODEL, "model.safetensors"), join(repo, "blobs", blob));
    sandbox.write("hf/hub/models--facebook--esm2_t6_8M_UR50D/refs/main", commit);
    mkdirSync(join(repo, "snapshots", commit), { recursive: true });
    copyFileSync(join(TINY_MODEL, "config.json"), join(repo, "snapshots", commit, "config.json"));
    const link = join(repo, "snapshots", commit, "model.safetensors");
    const { symlinkSync } = await import("node:fs");
    symlinkSync(`../../blobs/${blob}`, link);
    await refuses("esm2_t6_8M_UR50D", 65, /digest .*, expected 0000.*pull the model again/);
    const { stdout } = await sandbox.expect(65, ["model", "verify", "esm2_t6_8M_UR50D"]);
    assert.match(stdout, /model\.safetensors/);
  });
});
