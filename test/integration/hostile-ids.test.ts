/**
 * Names that want to be paths, columns or commands.
 *
 * Proves: an id is data in every format and never a file name; what no table can hold is refused.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { readHdf5 } from "../../src/formats/table/hdf5.ts";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { parts, readEmbeddings, readFailed, readIndex } from "../support/outputs.ts";
import { Sandbox } from "../support/sandbox.ts";

const IDS = [
  "sp|P12345|NAME_HUMAN",
  "a/b/c",
  "/etc/passwd",
  "../../../../escape",
  "..",
  ".",
  "-rf",
  "$(touch,owned)",
  "=1+1",
  'quote"comma,semi;',
  "back\\slash\\t",
  "%2F%00",
  "Ünïcödé→κ🧬",
  "embedding",
  "x".repeat(10_000),
];

test("ids come back as they were, in every format, and name no file", async () => {
  await using sandbox = new Sandbox();
  const sequences = randomSequences(IDS.length, { from: 5, to: 30, seed: 62 });
  const records = IDS.map((id, i) => ({ id, sequence: sequences[i]!.sequence }));
  // The last one cannot be embedded: its id goes into failed.tsv.
  sandbox.write("in/a.fasta", `${fastaOf(records)}>tab\\t/../bad\n123\n`);
  const address = await sandbox.startFleet(["--emulate", "instant"]);
  const embed = (format: string) =>
    sandbox.expect(2, [
      ...["embed", "in/a.fasta", "-o", `out/${format}`, "-m", "emulate", "--address", address],
      ...["--format", format, "--on-invalid", "skip", "--per-residue"],
    ]);
  const before = readdirSync(sandbox.folder).sort();
  for (const format of ["parquet", "arrow", "h5", "npz", "csv"]) {
    await embed(format);
    const out = sandbox.path("out", format);
    const index = await readIndex(out);
    assert.deepEqual(
      index.map(({ id }) => id),
      [...IDS, "tab\\t/../bad"],
    );
    assert.deepEqual(
      (await readFailed(out)).map(({ id }) => id),
      ["tab\\t/../bad"],
    );
    assert.deepEqual(
      readdirSync(out).sort(),
      [
        ".raysidue",
        "embeddings",
        "failed.tsv",
        "index.tsv",
        "per_residue",
        "run.json",
        "trace.tsv",
      ].filter(
        // Later formats find everything in the cache and run no batch.
        (name) => name !== "trace.tsv" || format === "parquet",
      ),
    );
    assert.equal(readdirSync(`${out}/embeddings`).length, 1);
  }
  assert.deepEqual(readdirSync(sandbox.folder).sort(), [...before, "cache", "out"].sort());
  for (const format of ["parquet", "arrow"]) {
    const rows = await readEmbeddings(sandbox.path("out", format));
    assert.deepEqual(
      rows.map(({ id }) => id),
      IDS,
    );
  }
  const names: string[] = [];
  for await (const { id } of readHdf5(parts(sandbox.path("out", "h5"), "embeddings")[0]!)) {
    names.push(id);
  }
  assert.deepEqual(names, IDS);
});

test("a header with control characters is refused with its line", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", ">good\nMKT\n>bell\u0007here\nMKT\n");
  const { stderr } = await sandbox.expect(65, ["embed", "a.fasta", "-o", "out", "-m", "emulate"]);
  assert.match(stderr, /a\.fasta:3: /);
});

test("a tab or a line end in a name ends the name", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", ">one\ttwo three\nMKT\n>\nMKTA\n");
  await sandbox.expect(0, ["embed", "a.fasta", "-o", "out", "-m", "emulate"]);
  assert.deepEqual(
    (await readIndex(sandbox.path("out"))).map(({ id }) => id),
    ["one", ""],
  );
});
