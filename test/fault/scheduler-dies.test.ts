/**
 * The scheduler killed in mid-run.
 *
 * Proves: where a new one comes up at the same address, workers and driver find it by themselves
 * and the run goes on with what it has; without one, and embedded, the command ends with "try
 * again" and the next one resumes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import {
  assertNoOutput,
  readEmbeddings,
  readReport,
  readTrace,
  shardNames,
} from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { Sandbox } from "../support/sandbox.ts";

const sequences = randomSequences(300, { from: 60, to: 180, seed: 43 });
const DEVICE = ["--emulate", "speed=0.8"];
const EMBED = ["embed", "a.fasta", "-o", "out", "-m", "emulate"];

const firstShard = (sandbox: Sandbox) =>
  until("a shard", () => shardNames(sandbox.path("out")).length > 0);

test("kill -9 of a scheduler by hand; a new one at its address finishes the run", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences));
  const { scheduler, address } = await sandbox.startScheduler();
  const workers = await Promise.all([
    sandbox.startWorker(address, DEVICE),
    sandbox.startWorker(address, DEVICE),
  ]);
  const driver = sandbox.start([...EMBED, "--address", address]);
  await firstShard(sandbox);
  scheduler.kill("SIGKILL");
  await driver.printed(/trying again/, "stderr");
  await sandbox.startScheduler({ listen: address.replace("grpc://", "") });
  const { exit, stderr } = await driver.ended;
  assert.equal(exit, 0, stderr);
  assert.ok(workers.every((worker) => worker.isRunning));
  const rows = await readEmbeddings(sandbox.path("out"));
  assert.deepEqual(
    rows.map(({ id }) => id),
    sequences.map(({ id }) => id),
  );
  const { computed, failed } = readReport(sandbox.path("out")).counts;
  assert.deepEqual([computed, failed], [sequences.length, 0]);
  // What was durable before was not computed again; a batch that ran at the time may have been.
  const trace = await readTrace(sandbox.path("out"));
  const committed = trace
    .filter(({ outcome }) => outcome === "committed")
    .reduce((sum, { tasks }) => sum + Number(tasks), 0);
  assert.ok(committed < sequences.length * 1.5, `${committed} of ${sequences.length}`);
});

test("kill -9 of an embedded scheduler: try again, and again resumes", async () => {
  await using sandbox = new Sandbox();
  sandbox.mayLeaveTemporaries = true;
  sandbox.write("a.fasta", fastaOf(sequences));
  const driver = sandbox.start([...EMBED, ...DEVICE]);
  await firstShard(sandbox);
  const [scheduler] = sandbox.processes(/scheduler start/);
  process.kill(scheduler!.pid, "SIGKILL");
  const { exit, stderr } = await driver.ended;
  assert.equal(exit, 75, stderr);
  assert.match(stderr, /the scheduler ended \(SIGKILL\).*the same command resumes/);
  assert.deepEqual(sandbox.processes(), []);
  assertNoOutput(sandbox.path("out"));
  await sandbox.expect(0, [...EMBED, "--emulate", "instant"]);
  const { cached, computed } = readReport(sandbox.path("out")).counts;
  assert.ok(cached! > 0);
  assert.equal(cached! + computed!, sequences.length);
});

test("a scheduler told to end tells its workers, who look for it and then give up", async () => {
  await using sandbox = new Sandbox();
  const { scheduler, address } = await sandbox.startScheduler();
  const worker = await sandbox.startWorker(address, [...DEVICE, "--grace", "1s"]);
  assert.equal((await scheduler.stop()).exit, 0);
  const { exit, stderr } = await worker.ended;
  assert.equal(exit, 69, stderr);
  assert.match(stderr, /no scheduler at .* check the address/);
});
