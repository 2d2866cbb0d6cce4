/**
 * What is read, what is changed on the way, and what is refused.
 *
 * Proves: every form of FASTA input gives the rows that its text says, in order, with each change
 * told; what cannot be embedded is refused with file and line, all of it in one report, or listed.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { composition, fastaOf, randomSequences } from "../support/fasta-text.ts";
import {
  assertNoOutput,
  readEmbeddings,
  readFailed,
  readIndex,
  readReport,
} from "../support/outputs.ts";
import { type CommandOptions, Sandbox, TINY_MODEL } from "../support/sandbox.ts";

describe("inputs", () => {
  let sandbox: Sandbox;
  let address: string;
  let runs = 0;
  before(async () => {
    sandbox = new Sandbox();
    address = await sandbox.startFleet(["--engines", "1", "--threads", "1"]);
  });
  after(() => sandbox[Symbol.asyncDispose]());

  /** Embeds into a new folder; returns it. */
  const embed = async (
    exit: number,
    args: readonly string[],
    options: CommandOptions & { readonly model?: string } = {},
  ) => {
    const name = `out${runs++}`;
    const model = options.model ?? "emulate";
    const all = ["embed", ...args, "-o", name, "-m", model, "--address", address, "--no-cache"];
    return { ...(await sandbox.expect(exit, all, options)), folder: sandbox.path(name) };
  };
  const idsOf = async (folder: string) => (await readEmbeddings(folder)).map(({ id }) => id);

  test("plain, gzipped, standard input and several files at once, in their order", async () => {
    const all = randomSequences(40, { from: 5, to: 60, seed: 11 });
    const [one, two, three, four] = [0, 10, 20, 30].map((from) => all.slice(from, from + 10));
    sandbox.write("one.fasta", fastaOf(one!));
    // Two members: what `cat a.gz b.gz` makes.
    const members = [gzipSync(fastaOf(two!.slice(0, 4))), gzipSync(fastaOf(two!.slice(4)))];
    sandbox.write("two.fa.gz", Buffer.concat(members));
    sandbox.write("any name at all", fastaOf(three!));
    const inputs = ["one.fasta", "two.fa.gz", "any name at all", "-"];
    const { folder } = await embed(0, inputs, { input: gzipSync(fastaOf(four!)) });
    const rows = await readEmbeddings(folder);
    assert.deepEqual(
      rows.map(({ id, length }) => [id, length]),
      [...all.map(({ id, sequence }) => [id, sequence.length])],
    );
    assert.equal(readReport(folder).counts.files, 4);
    const index = await readIndex(folder);
    assert.deepEqual(
      index.map(({ row, status }) => [row, status]),
      [...all.map((_, i) => [String(i), "ok"])],
    );
  });

  test("folders, with and without those below them", async () => {
    const [a, b, c] = randomSequences(3, { from: 5, to: 9, seed: 12 });
    sandbox.write("folder/b.fa", fastaOf([b!]));
    sandbox.write("folder/a.fasta.gz", gzipSync(fastaOf([a!])));
    sandbox.write("folder/notes.md", "not a sequence");
    sandbox.write("folder/below/c.faa", fastaOf([c!]));
    assert.deepEqual(await idsOf((await embed(0, ["folder"])).folder), [a!.id, b!.id]);
    const { folder } = await embed(0, ["folder", "--recursive"]);
    assert.deepEqual(await idsOf(folder), [a!.id, b!.id, c!.id]);
  });

  test("any line ends, wrapping, case, gaps and stops; every change is told", async () => {
    const text = [
      ">plain a description with\ttabs\nMKTAYIAKQR\n",
      ">crlf\r\nMKTAY\r\nIAKQR\r\n",
      ">wrapped\nMK\nTAY\n\nIAK QR\n",
      ">lower\nmktayIAKQR\n",
      ">stop\nMKTAYIAKQR*\n",
      ">gaps\nMKT-AY..IAKQR-\n",
      ">all of it\nmkt-ayiakqr*\n",
      ">rare\nMXUB",
    ].join("");
    sandbox.write("forms.fasta", text);
    const { folder, stderr } = await embed(0, ["forms.fasta"]);
    const index = await readIndex(folder);
    assert.deepEqual(
      index.map(({ id, length, note }) => [id, length, note]),
      [
        ["plain", "10", ""],
        ["crlf", "10", ""],
        ["wrapped", "10", ""],
        ["lower", "10", "5 letters upper-cased"],
        ["stop", "10", "terminal * removed"],
        ["gaps", "10", "4 gaps removed"],
        ["all", "10", "terminal * removed; 10 letters upper-cased; 1 gaps removed"],
        ["rare", "4", ""],
      ],
    );
    const digests = new Set(index.slice(0, 7).map(({ sha256 }) => sha256));
    assert.equal(digests.size, 1, "one sequence in seven forms");
    const { changes, counts, warnings } = readReport(folder);
    assert.deepEqual(changes, { "upper-cased": 2, "stop removed": 2, "gaps removed": 2 });
    assert.deepEqual([counts.records, counts.distinct, counts.computed], [8, 2, 2]);
    for (const what of Object.keys(changes)) {
      assert.ok(warnings.some((text) => text.includes(`2 sequences: ${what}`)));
      assert.ok(stderr.includes(`2 sequences: ${what}`), stderr);
    }
    for (const { vectors } of (await readEmbeddings(folder)).slice(0, 7)) {
      assert.deepEqual([...vectors.embedding!], [...composition("MKTAYIAKQR")]);
    }
  });

  test("equal ids and equal sequences keep their rows", async () => {
    const twins = [
      { id: "twin", sequence: "ACDEFG" },
      { id: "other", sequence: "ACDEFG" },
      { id: "twin", sequence: "WWWWYY" },
      { id: "twin", sequence: "ACDEFG" },
    ];
    sandbox.write("twins.fasta", fastaOf(twins));
    const { folder } = await embed(0, ["twins.fasta", "twins.fasta"]);
    const rows = await readEmbeddings(folder);
    assert.deepEqual(
      rows.map(({ id }) => id),
      [...twins, ...twins].map(({ id }) => id),
    );
    [...twins, ...twins].forEach(({ sequence }, i) => {
      assert.deepEqual([...rows[i]!.vectors.embedding!], [...composition(sequence)]);
    });
    const { counts } = readReport(folder);
    assert.deepEqual([counts.rows, counts.distinct, counts.computed], [8, 2, 2]);
  });

  const BAD = [
    ">good\nMKTAYIAKQR\n", // line 1
    ">letters\nMKT4AY\nI?KQR\n", // line 3
    ">empty\n", // line 6
    ">gapsOnly\n---\n", // line 7
    ">long\nMKTAYIAKQRMKTAY\n", // line 9
    ">star\nMK*TAY\n", // line 11
    ">fine\nGGGG\n",
  ].join("");

  test("bad records are refused in one report with file and line, and nothing is written", async () => {
    sandbox.write("bad.fasta", BAD);
    sandbox.write("worse.fasta", ">more\n!!\n");
    const { stderr, stdout, folder } = await embed(65, [
      "bad.fasta",
      "worse.fasta",
      "--max-length",
      "12",
    ]);
    const lines = stderr.trim().split("\n");
    const report = lines.at(-1)!;
    for (const said of [
      "bad.fasta:3: letters: letters the model does not know: 4 at 4, ? at 8",
      "bad.fasta:6: empty: record without residues",
      "bad.fasta:7: gapsOnly: record without residues",
      "bad.fasta:9: long: 15 residues, over the limit of 12",
      "bad.fasta:11: star: letters the model does not know: * at 3",
      "worse.fasta:1: more: letters the model does not know: ! at 1, ! at 2",
      "leave them out with --on-invalid skip",
    ]) {
      assert.ok(report.includes(said), `${said}\n${report}`);
    }
    assert.equal(stdout, "");
    assertNoOutput(folder);
  });

  test("or skipped and listed", async () => {
    sandbox.write("bad.fasta", BAD);
    const flags = ["bad.fasta", "--max-length", "12", "--on-invalid", "skip"];
    const { folder, stderr } = await embed(2, flags);
    assert.deepEqual(await idsOf(folder), ["good", "fine"]);
    const failed = await readFailed(folder);
    assert.deepEqual(
      failed.map(({ id, file, line }) => [id, file, line]),
      [
        ["letters", "bad.fasta", "3"],
        ["empty", "bad.fasta", "6"],
        ["gapsOnly", "bad.fasta", "7"],
        ["long", "bad.fasta", "9"],
        ["star", "bad.fasta", "11"],
      ],
    );
    assert.ok(failed.every(({ reason }) => reason !== ""));
    const index = await readIndex(folder);
    assert.deepEqual(
      index.map(({ row, id, status }) => [row, id, status]),
      [
        ["0", "good", "ok"],
        ["", "letters", "skipped"],
        ["", "empty", "skipped"],
        ["", "gapsOnly", "skipped"],
        ["", "long", "skipped"],
        ["", "star", "skipped"],
        ["1", "fine", "ok"],
      ],
    );
    const { counts, exit } = readReport(folder);
    assert.deepEqual([counts.rows, counts.failed, counts.refused, exit], [2, 5, 5, 2]);
    assert.match(stderr, /5 failed \(failed\.tsv says why\)/);
  });

  test("nothing that can be embedded is an error, skipped or not", async () => {
    sandbox.write("hopeless.fasta", ">a\n123\n>b\n\n");
    const { stderr, folder } = await embed(65, ["hopeless.fasta", "--on-invalid", "skip"]);
    assert.match(stderr, /hopeless\.fasta: no sequence that can be embedded/);
    assertNoOutput(folder);
  });

  test("long sequences are cut off or seen in windows when asked", async () => {
    const long = randomSequences(1, { from: 100, to: 100, seed: 13 })[0]!;
    sandbox.write(
      "long.fasta",
      fastaOf([long, { id: "head", sequence: long.sequence.slice(0, 40) }]),
    );
    const model = TINY_MODEL;
    const cut = await embed(0, ["long.fasta", "--max-length", "40", "--on-long", "truncate"], {
      model,
    });
    const [longCut, head] = await readEmbeddings(cut.folder);
    assert.deepEqual(longCut!.vectors.embedding, head!.vectors.embedding);
    assert.deepEqual([longCut!.length, head!.length], [40, 40]);
    const [{ note } = { note: "" }] = await readIndex(cut.folder);
    assert.equal(note, "truncated to 40 residues, 60 cut off");

    const flags = ["--max-length", "40", "--on-long", "window", "--window-overlap", "10"];
    const seen = await embed(0, ["long.fasta", ...flags], { model });
    const [windowed, whole] = await readEmbeddings(seen.folder);
    assert.equal(windowed!.length, 100);
    assert.deepEqual(whole!.vectors.embedding, head!.vectors.embedding);
    assert.notDeepEqual(windowed!.vectors.embedding, head!.vectors.embedding);
    assert.ok(windowed!.vectors.embedding!.every(Number.isFinite));
    assert.ok(!existsSync(`${seen.folder}/failed.tsv`));
  });
});
