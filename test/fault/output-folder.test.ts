/**
 * Output folders that are not this run's to write in.
 *
 * Proves: other parameters, other people's files and another run are told apart, each with what to
 * do, and none of them is touched.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { readReport, resultBytes, shardNames } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { Sandbox } from "../support/sandbox.ts";

const sequences = randomSequences(200, { from: 60, to: 180, seed: 52 });
const EMBED = ["embed", "a.fasta", "-o", "out", "-m", "emulate"];

test("a folder of other parameters is left as it is", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 5)));
  await sandbox.expect(0, EMBED);
  const before = resultBytes(sandbox.path("out"));
  const others: [string[], RegExp][] = [
    [["--pool", "max"], /other parameters \(parameters .*"max".*name another folder/],
    [["--format", "csv"], /other parameters \(format parquet there, csv now\)/],
    [["--dtype", "float16"], /other parameters/],
  ];
  for (const [flags, pattern] of others) {
    assert.match((await sandbox.expect(64, [...EMBED, ...flags])).stderr, pattern);
  }
  assert.deepEqual(resultBytes(sandbox.path("out")), before);
  // What cannot change a result is no other parameter.
  await sandbox.expect(0, [...EMBED, "--max-length", "500", "--on-invalid", "skip"]);
});

test("a folder in which nothing was computed is anybody's", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 5)));
  sandbox.write("empty.fasta", "");
  await sandbox.expect(65, [...EMBED.with(1, "empty.fasta"), "--pool", "max"]);
  await sandbox.expect(0, EMBED);
  assert.match((await sandbox.expect(64, [...EMBED, "--pool", "max"])).stderr, /other parameters/);
});

test("a folder with somebody else's files is left as it is", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 5)));
  sandbox.write("out/thesis.docx", "years of work");
  const { stderr } = await sandbox.expect(64, EMBED);
  assert.match(stderr, /holds other files; name an empty or a new folder/);
  assert.deepEqual(readdirSync(sandbox.path("out")), ["thesis.docx"]);
  const { stderr: file } = await sandbox.expect(65, [
    ...EMBED.slice(0, 3),
    "a.fasta",
    "-m",
    "emulate",
  ]);
  assert.match(file, /a\.fasta/);
});

test("of two runs in one folder at once the second is told to wait", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences));
  const first = sandbox.start([...EMBED, "--emulate", "speed=1"]);
  await until("a shard", () => shardNames(sandbox.path("out")).length > 0);
  const { stderr } = await sandbox.expect(75, EMBED);
  assert.match(stderr, /another run writes in .*out/);
  assert.equal((await first.ended).exit, 0);
  assert.equal(readReport(sandbox.path("out")).counts.rows, 200);
  await sandbox.expect(0, EMBED);
});
