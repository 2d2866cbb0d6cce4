/**
 * The output folder's contract, and what the command prints.
 *
 * Proves: every file of the contract is there in every format and says the same; standard output
 * carries data only.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { unzipSync } from "fflate";
import { readHdf5 } from "../../src/formats/table/hdf5.ts";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import {
  parts,
  readEmbeddings,
  readIndex,
  readMatrices,
  readReport,
  readTrace,
  readVectors,
} from "../support/outputs.ts";
import { Sandbox, TINY_MODEL } from "../support/sandbox.ts";

describe("output", () => {
  let sandbox: Sandbox;
  let fleet: string[];
  const distinct = randomSequences(12, { from: 3, to: 40, seed: 21 });
  /** With equal sequences and equal ids among them. */
  const records = [...distinct, { id: "again", sequence: distinct[0]!.sequence }, distinct[5]!];
  before(async () => {
    sandbox = new Sandbox();
    sandbox.write("a.fasta", fastaOf(records));
    fleet = ["--address", await sandbox.startFleet(["--engines", "1", "--threads", "1"])];
  });
  after(() => sandbox[Symbol.asyncDispose]());

  const embed = (name: string, flags: readonly string[] = []) =>
    sandbox.expect(0, ["embed", "a.fasta", "-o", name, "-m", TINY_MODEL, ...fleet, ...flags]);
  const difference = (a: ArrayLike<number>, b: ArrayLike<number>) => {
    assert.equal(a.length, b.length);
    return Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce((x, y) => Math.max(x, y), 0);
  };

  test("all files of the contract", async () => {
    const { stdout, stderr } = await embed("all");
    assert.equal(stdout.split("\n").at(-2), sandbox.path("all"));
    assert.match(stderr, /^plan: 14 records, 12 distinct, 0 cached, \d+ residues$/m);
    assert.match(stderr, /^done: 14 rows, 12 computed, 0 cached, in /m);
    assert.match(stderr, new RegExp(`^output: ${sandbox.path("all")}$`, "m"));

    const report = readReport(sandbox.path("all"));
    assert.equal(report.schema_version, 1);
    assert.deepEqual(report.command.slice(0, 3), ["embed", "a.fasta", "-o"]);
    assert.match(report.model.fingerprint, /^[0-9a-f]{64}$/);
    assert.deepEqual([report.model.name, report.model.dim], [TINY_MODEL, 64]);
    assert.deepEqual(report.parameters, {
      dtype: "float32",
      layer: 2,
      perResidue: "none",
      pools: ["mean"],
      window: null,
    });
    const { files, records: count, rows, computed, cached, failed, quarantined } = report.counts;
    assert.deepEqual([files, count, rows, computed, cached], [1, 14, 14, 12, 0]);
    assert.deepEqual([failed, quarantined, report.exit], [0, 0, 0]);
    assert.ok(report.seconds.total >= report.seconds.compute && report.seconds.compute > 0);

    const index = await readIndex(sandbox.path("all"));
    assert.deepEqual(
      index.map(({ row, id, length }) => [row, id, length]),
      [...records.map(({ id, sequence }, i) => [String(i), id, String(sequence.length)])],
    );
    assert.equal(index[0]!.sha256, index[12]!.sha256);

    const trace = await readTrace(sandbox.path("all"));
    const done = trace.filter(({ outcome }) => outcome === "committed");
    const tasks = done.reduce((sum, row) => sum + Number(row.tasks), 0);
    assert.equal(tasks, 12);
    for (const row of done) {
      assert.ok(Number(row.finished_at) >= Number(row.assigned_at));
      assert.ok(Number(row.padded_tokens) >= Number(row.tokens) && Number(row.tokens) > 0);
      assert.ok(Number(row.busy_seconds) > 0 && row.device === "cpu0" && row.reason !== "");
    }
    assert.ok(!existsSync(sandbox.path("all", "failed.tsv")));

    const [first] = await readEmbeddings(sandbox.path("all"));
    assert.deepEqual(Object.keys(first!.vectors), ["embedding"]);
    assert.equal(first!.vectors.embedding!.length, 64);
  });

  test("an embedded fleet's log is lines of JSON in the folder", async () => {
    await sandbox.expect(0, ["embed", "a.fasta", "-o", "own", "-m", "emulate"]);
    const lines = sandbox.read("own", "log.ndjson").trim().split("\n");
    const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
    assert.ok(messages.includes("run opened") && messages.includes("run ended"), String(messages));
  });

  test("every format holds the same rows", async () => {
    await embed("parquet", ["--format", "parquet"]);
    const expected = await readEmbeddings(sandbox.path("parquet"));

    await embed("arrow", ["--format", "arrow"]);
    assert.deepEqual(await readEmbeddings(sandbox.path("arrow")), expected);

    await embed("h5", ["--format", "h5"]);
    const datasets = [];
    for await (const dataset of readHdf5(parts(sandbox.path("h5"), "embeddings")[0]!)) {
      datasets.push(dataset);
    }
    assert.equal(datasets.length, expected.length);
    datasets.forEach(({ shape, data }, i) => {
      assert.deepEqual([...shape], [64]);
      assert.deepEqual(data, expected[i]!.vectors.embedding);
    });

    await embed("npz", ["--format", "npz"]);
    const npz = unzipSync(readFileSync(parts(sandbox.path("npz"), "embeddings")[0]!));
    const values = npz["embedding.npy"]!;
    const body = values.slice(values.length - expected.length * 64 * 4);
    const numbers = new Float32Array(body.buffer, 0, expected.length * 64);
    expected.forEach(({ vectors }, i) => {
      assert.deepEqual(numbers.slice(i * 64, (i + 1) * 64), vectors.embedding);
    });

    await embed("csv", ["--format", "csv"]);
    const [header, ...lines] = readFileSync(parts(sandbox.path("csv"), "embeddings")[0]!, "utf8")
      .trim()
      .split(/\r?\n/);
    assert.match(header!, /^id,length,/);
    assert.equal(lines.length, expected.length);
    lines.forEach((line, i) => {
      const [id, length, ...fields] = line.split(",");
      assert.deepEqual([id, Number(length)], [expected[i]!.id, expected[i]!.length]);
      assert.deepEqual(Float32Array.from(fields, Number), expected[i]!.vectors.embedding);
    });
  });

  test("pools, layers, residues and precisions", async () => {
    await embed("pools", ["--pool", "bos,max,mean", "--per-residue"]);
    const rows = await readEmbeddings(sandbox.path("pools"));
    const matrices = await readMatrices(sandbox.path("pools"));
    assert.deepEqual(Object.keys(rows[0]!.vectors), [
      "embedding_mean",
      "embedding_max",
      "embedding_bos",
    ]);
    rows.forEach(({ id, length, vectors }, i) => {
      const { dim, data, ...matrix } = matrices[i]!;
      assert.deepEqual([dim, matrix.id, matrix.length], [64, id, length]);
      const column = (at: number) => Array.from({ length }, (_, k) => data[k * dim + at]!);
      const means = Array.from(
        { length: dim },
        (_, at) => column(at).reduce((a, b) => a + b) / length,
      );
      assert.ok(difference(means, vectors.embedding_mean!) < 1e-5, `mean of ${id}`);
      const maxima = Array.from({ length: dim }, (_, at) => Math.max(...column(at)));
      assert.ok(difference(maxima, vectors.embedding_max!) < 1e-6, `max of ${id}`);
      assert.ok(difference(vectors.embedding_bos!, vectors.embedding_mean!) > 1e-3, `bos of ${id}`);
    });

    await embed("none", ["--pool", "none", "--per-residue"]);
    assert.ok(!existsSync(sandbox.path("none", "embeddings")));
    const alone = await readMatrices(sandbox.path("none"));
    alone.forEach(({ data }, i) => {
      assert.ok(difference(data, matrices[i]!.data) < 1e-5);
    });

    await embed("half", ["--dtype", "float16"]);
    await embed("layer", ["--layer", "1"]);
    const half = await readVectors(sandbox.path("half"));
    const layer = await readVectors(sandbox.path("layer"));
    rows.forEach(({ vectors }, i) => {
      const mean = vectors.embedding_mean!;
      half[i]!.forEach((value, at) => {
        assert.ok(Math.abs(value - mean[at]!) <= Math.abs(mean[at]!) * 2 ** -10 + 1e-6);
      });
      assert.ok(difference(layer[i]!, mean) > 1e-3);
    });

    await embed("scalar", ["--scalar"]);
    const scalars = await readMatrices(sandbox.path("scalar"));
    scalars.forEach(({ dim, data, length }, i) => {
      assert.deepEqual([dim, data.length], [1, length]);
      const matrix = matrices[i]!;
      const means = Array.from({ length }, (_, k) =>
        matrix.data.slice(k * 64, (k + 1) * 64).reduce((a, b) => a + b / 64, 0),
      );
      assert.ok(difference(means, data) < 1e-5);
    });
  });

  test("--json is one value, and errors are one too", async () => {
    const { stdout } = await embed("json", ["--json"]);
    const value = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual([value.schema_version, value.exit, value.rows], [1, 0, 14]);
    assert.equal(value.outputFolder, sandbox.path("json"));
    const missing = ["embed", "nowhere.fasta", "-o", "j2", "-m", "emulate", ...fleet, "--json"];
    const failed = await sandbox.expect(65, missing);
    const { error, exit, schema_version } = JSON.parse(failed.stdout) as {
      error: { code: string; message: string };
      exit: number;
      schema_version: number;
    };
    assert.deepEqual([error.code, exit, schema_version], ["bad-input", 65, 1]);
    assert.match(error.message, /nowhere\.fasta/);
  });

  test("what makes no sense is a usage error in one line", async () => {
    const nonsense: [string[], RegExp][] = [
      [["--pool", "median"], /write some of mean, max, bos/],
      [["--pool", "none"], /nothing to compute/],
      [["--dtype", "float64"], /float32, float16/],
      [["--format", "xlsx"], /parquet, arrow/],
      [["--layer", "99"], /layers 0/],
      [["--layer", "x"], /layer/],
      [["--weight", "heavy"], /--weight/],
      [["--weight", "0"], /--weight/],
      [["--max-length", "0"], /whole number of 1 or more/],
      [["--on-long", "window", "--window-overlap", "40", "--max-length", "40"], /overlap/],
      [["--emulate", "speed=fast", "--model", "emulate"], /speed=fast/],
      [["--frobnicate"], /unknown option/],
    ];
    for (const [flags, pattern] of nonsense) {
      const args = ["embed", "a.fasta", "-o", "nonsense", "-m", TINY_MODEL, ...flags];
      const { stderr, stdout } = await sandbox.expect(64, args);
      assert.match(stderr, pattern);
      assert.equal(stdout, "");
    }
    const { stderr } = await sandbox.expect(64, ["embed", "a.fasta"]);
    assert.match(stderr, /-o, --output/);
  });
});
