/**
 * Engine processes that die.
 *
 * Proves: an engine's death costs its batch and no more; an item that kills every engine it meets
 * is found, given up and listed, and everything else is done.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { readEmbeddings, readFailed, readReport, shardNames } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { Sandbox } from "../support/sandbox.ts";
import { writeWideModel } from "../support/wide-model.ts";

/** Measured: 150 MB with short sequences, 330 MB with the long one. */
const ENGINE_BYTES_MAX = 240e6;
const ENGINE = /engine\/process/;

test("kill -9 of an engine in mid-run: it is started again, nothing is lost", async () => {
  await using sandbox = new Sandbox();
  sandbox.mayLeaveTemporaries = true;
  const sequences = randomSequences(300, { from: 60, to: 180, seed: 44 });
  sandbox.write("a.fasta", fastaOf(sequences));
  const args = ["embed", "a.fasta", "-o", "out", "-m", "emulate", "--emulate", "speed=1"];
  const driver = sandbox.start(args);
  await until("a shard", () => shardNames(sandbox.path("out")).length > 0);
  const [engine] = sandbox.processes(ENGINE);
  process.kill(engine!.pid, "SIGKILL");
  const { exit, stderr } = await driver.ended;
  assert.equal(exit, 0, stderr);
  const rows = await readEmbeddings(sandbox.path("out"));
  assert.deepEqual(
    rows.map(({ id }) => id),
    sequences.map(({ id }) => id),
  );
  const { computed, failed } = readReport(sandbox.path("out")).counts;
  assert.deepEqual([computed, failed], [300, 0]);
  assert.match(sandbox.read("out", "log.ndjson"), /"how":"SIGKILL".*"msg":"engine died"/);
});

test("one item that kills every engine is quarantined, the rest is done", async () => {
  await using sandbox = new Sandbox();
  sandbox.mayLeaveTemporaries = true;
  const good = randomSequences(24, { from: 20, to: 60, seed: 45 });
  // So long that its batch takes far more memory than any other, and seconds.
  const [long] = randomSequences(1, { from: 4000, to: 4000, seed: 46 });
  const poison = { ...long!, id: "poison" };
  sandbox.write("a.fasta", fastaOf([...good.slice(0, 12), poison, ...good.slice(12)]));
  const flags = ["--engines", "1", "--threads", "1", "--max-length", "4000"];
  const model = writeWideModel(sandbox.path("wide"));
  const driver = sandbox.start(["embed", "a.fasta", "-o", "out", "-m", model, ...flags]);
  let ended = false;
  void driver.ended.then(() => {
    ended = true;
  });
  // A machine's out-of-memory killer: whoever has too much goes.
  let kills = 0;
  await until(
    "end of the run",
    () => {
      for (const { pid, residentBytes } of sandbox.processes(ENGINE)) {
        if (residentBytes < ENGINE_BYTES_MAX) continue;
        process.kill(pid, "SIGKILL");
        kills++;
      }
      return ended;
    },
    100_000,
  );
  const { exit, stderr } = await driver.ended;
  assert.ok(kills > 0, `the poison killed nobody: ${exit} ${stderr}`);
  assert.equal(exit, 2, stderr);
  const rows = await readEmbeddings(sandbox.path("out"));
  assert.deepEqual(
    rows.map(({ id }) => id),
    good.map(({ id }) => id),
  );
  const [failure, ...others] = await readFailed(sandbox.path("out"));
  assert.deepEqual(others, []);
  assert.deepEqual([failure!.id, failure!.file, failure!.line], ["poison", "a.fasta", "25"]);
  assert.match(failure!.reason, /given up after 3 .*engine/);
  const { computed, quarantined, failed } = readReport(sandbox.path("out")).counts;
  assert.deepEqual([computed, quarantined, failed], [24, 1, 1]);
});
