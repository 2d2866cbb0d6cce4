/**
 * Workers that do not share the output's storage.
 *
 * Proves: their rows are fetched over the network, nothing of theirs is left, and the files are
 * those of a worker that shares it. Needs a mount namespace of its own; skips aloud without.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { readReport, readTrace, resultBytes, shardNames } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { Sandbox, TINY_MODEL } from "../support/sandbox.ts";

const sequences = randomSequences(120, { from: 10, to: 150, seed: 61 });
const ONE = ["--engines", "1", "--threads", "1"];

/** A shell's words that hide `folder` behind an empty file system, then run the command. */
const hiding = (folder: string) => [
  ...["unshare", "--mount", "sh", "-c"],
  `mount -t tmpfs -o size=1m tmpfs '${folder}' && exec "$@"`,
  "sh",
];
const canHide = spawnSync("unshare", ["--mount", "true"]).status === 0;

test("rows of a worker on other storage are fetched", async (context) => {
  if (!canHide) return context.skip("no mount namespaces here");
  await using sandbox = new Sandbox();
  sandbox.write("shared/a.fasta", fastaOf(sequences));
  const { address } = await sandbox.startScheduler();
  const through = hiding(sandbox.path("shared"));
  const spool = ["--spool", sandbox.path("spool")];
  const worker = await sandbox.startWorker(address, [...ONE, ...spool], { through });
  const embed = (name: string, ...flags: string[]) => {
    const out = sandbox.path("shared", name);
    const model = ["-m", TINY_MODEL, "--per-residue", "--no-cache"];
    return sandbox.expect(0, [
      "embed",
      sandbox.path("shared", "a.fasta"),
      "-o",
      out,
      ...model,
      ...flags,
    ]);
  };
  await embed("fetched", "--address", address);
  await embed("direct", ...ONE);
  assert.deepEqual(
    resultBytes(sandbox.path("shared", "fetched")),
    resultBytes(sandbox.path("shared", "direct")),
  );
  assert.equal(readReport(sandbox.path("shared", "fetched")).counts.computed, 120);
  // The driver's own copy serves the next run.
  await embed("fetched", "--address", address);
  assert.equal(readReport(sandbox.path("shared", "fetched")).counts.computed, 0);
  await worker.stop();
  assert.ok(!existsSync(sandbox.path("spool")) || readdirSync(sandbox.path("spool")).length === 0);
});

test("one that shares it and one that does not work on one run", async (context) => {
  if (!canHide) return context.skip("no mount namespaces here");
  await using sandbox = new Sandbox();
  sandbox.write("shared/a.fasta", fastaOf(sequences));
  const { address } = await sandbox.startScheduler();
  const device = ["--emulate", "speed=0.5"];
  await Promise.all([
    sandbox.startWorker(address, device),
    sandbox.startWorker(address, device, { through: hiding(sandbox.path("shared")) }),
  ]);
  const out = sandbox.path("shared", "out");
  const embed = ["embed", sandbox.path("shared", "a.fasta"), "-o", out, "-m", "emulate"];
  await sandbox.expect(0, [...embed, "--address", address]);
  const done = (await readTrace(out)).filter(({ outcome }) => outcome === "committed");
  assert.equal(new Set(done.map(({ worker }) => worker)).size, 2, "both worked");
  await sandbox.expect(0, [
    "embed",
    "shared/a.fasta",
    "-o",
    "whole",
    "-m",
    "emulate",
    "--no-cache",
  ]);
  assert.deepEqual(resultBytes(out), resultBytes(sandbox.path("whole")));
});

test("a worker that takes its rows with it: they are computed again", async (context) => {
  if (!canHide) return context.skip("no mount namespaces here");
  await using sandbox = new Sandbox();
  sandbox.mayLeaveTemporaries = true;
  sandbox.write("shared/a.fasta", fastaOf(sequences));
  const { address } = await sandbox.startScheduler();
  const through = hiding(sandbox.path("shared"));
  const slow = await sandbox.startWorker(address, ["--emulate", "speed=0.3"], { through });
  const out = sandbox.path("shared", "out");
  const embed = ["embed", sandbox.path("shared", "a.fasta"), "-o", out, "-m", "emulate"];
  const driver = sandbox.start([...embed, "--address", address]);
  await until("a fetched shard", () => shardNames(out).length > 0);
  slow.kill("SIGKILL");
  await sandbox.startWorker(address, ["--emulate", "instant"], { through });
  const { exit, stderr } = await driver.ended;
  assert.equal(exit, 0, stderr);
  assert.equal(readReport(out).counts.rows, 120);
});
