/**
 * A worker daemon that dies or falls silent in mid-run.
 *
 * Proves: its leases are done by others, or by itself started again; nothing is lost or computed
 * into two rows, and its late return does no harm.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  composition,
  fastaOf,
  type NamedSequence,
  randomSequences,
} from "../support/fasta-text.ts";
import { readEmbeddings, readReport, readTrace, shardNames } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { type Command, Sandbox } from "../support/sandbox.ts";

const sequences = randomSequences(300, { from: 60, to: 180, seed: 41 });
/** About 3.6 s of work for one device. */
const DEVICE = ["--emulate", "speed=1,overhead=10ms,cost=0.1ms"];

async function assertComplete(folder: string, expected: readonly NamedSequence[]): Promise<void> {
  const rows = await readEmbeddings(folder);
  assert.deepEqual(
    rows.map(({ id }) => id),
    expected.map(({ id }) => id),
  );
  rows.forEach(({ vectors }, i) => {
    const truth = composition(expected[i]!.sequence);
    assert.ok(vectors.embedding!.every((value, at) => Math.abs(value - truth[at]!) < 1e-6));
  });
  const { computed, failed } = readReport(folder).counts;
  assert.deepEqual([computed, failed], [expected.length, 0]);
}

const firstShard = (sandbox: Sandbox) =>
  until("a shard", () => shardNames(sandbox.path("out")).length > 0);

/** The worker that shows up with committed or running work in `node list`; any will do here. */
async function twoWorkers(sandbox: Sandbox) {
  const { address } = await sandbox.startScheduler();
  const workers = await Promise.all([
    sandbox.startWorker(address, DEVICE),
    sandbox.startWorker(address, DEVICE),
  ]);
  sandbox.write("a.fasta", fastaOf(sequences));
  const args = ["embed", "a.fasta", "-o", "out", "-m", "emulate", "--address", address];
  return { address, workers, driver: sandbox.start(args) };
}

const pidOf = (worker: Command) => String(worker.pid);

test("kill -9 of one of two workers started by hand", async () => {
  await using sandbox = new Sandbox();
  sandbox.mayLeaveTemporaries = true;
  const { workers, driver } = await twoWorkers(sandbox);
  await until("shards of both", () => shardNames(sandbox.path("out")).length >= 2);
  workers[0]!.kill("SIGKILL");
  const { exit, stderr } = await driver.ended;
  assert.equal(exit, 0, stderr);
  assert.match(stderr, new RegExp(`worker .*/${pidOf(workers[0]!)} lost`));
  await assertComplete(sandbox.path("out"), sequences);
  const trace = await readTrace(sandbox.path("out"));
  assert.ok(
    trace.some(({ outcome }) => outcome === "lost"),
    JSON.stringify(trace),
  );
  // No task was committed twice.
  const committed = trace.filter(({ outcome }) => outcome === "committed");
  assert.ok(committed.length > 0);
  // Its engines saw their daemon's death.
  await until("end of its engines", () => sandbox.processes(/engine\/process/).length <= 1);
});

test("kill -9 of the only worker; another one is started and does the rest", async () => {
  await using sandbox = new Sandbox();
  sandbox.mayLeaveTemporaries = true;
  const { address } = await sandbox.startScheduler();
  const first = await sandbox.startWorker(address, DEVICE);
  sandbox.write("a.fasta", fastaOf(sequences));
  const driver = sandbox.start([
    "embed",
    "a.fasta",
    "-o",
    "out",
    "-m",
    "emulate",
    "--address",
    address,
  ]);
  await firstShard(sandbox);
  first.kill("SIGKILL");
  await driver.printed(/lost/, "stderr");
  await sandbox.startWorker(address, ["--emulate", "instant"]);
  const { exit, stderr } = await driver.ended;
  assert.equal(exit, 0, stderr);
  await assertComplete(sandbox.path("out"), sequences);
});

test("kill -9 of an embedded fleet's worker: it is started again, and that is said", async () => {
  await using sandbox = new Sandbox();
  sandbox.mayLeaveTemporaries = true;
  sandbox.write("a.fasta", fastaOf(sequences));
  const driver = sandbox.start(["embed", "a.fasta", "-o", "out", "-m", "emulate", ...DEVICE]);
  await firstShard(sandbox);
  const [worker] = sandbox.processes(/worker start/);
  process.kill(worker!.pid, "SIGKILL");
  const { exit, stderr } = await driver.ended;
  assert.equal(exit, 0, stderr);
  assert.match(stderr, /the worker daemon ended \(SIGKILL\); starting it again/);
  await assertComplete(sandbox.path("out"), sequences);
});

test("a worker that falls silent is dropped; when it wakes up it does no harm", async () => {
  await using sandbox = new Sandbox();
  const { address, workers, driver } = await twoWorkers(sandbox);
  await firstShard(sandbox);
  const [silent, other] = [workers[0]!, workers[1]!];
  silent.kill("SIGSTOP");
  // Copies of what it holds may be done before it is given up: either way the run ends.
  const { exit, stderr } = await driver.ended;
  assert.equal(exit, 0, stderr);
  await assertComplete(sandbox.path("out"), sequences);
  const attached = async (count: number) => {
    const { stdout } = await sandbox.expect(0, ["node", "list", "--address", address, "--json"]);
    return (JSON.parse(stdout) as { workers: unknown[] }).workers.length === count;
  };
  await until("one worker", () => attached(1));

  silent.kill("SIGCONT");
  // It notices that it was given up, and comes back as a new worker.
  await until("two workers", () => attached(2));
  await assertComplete(sandbox.path("out"), sequences);
  // And it serves again.
  await other.stop();
  const again = ["embed", "a.fasta", "-o", "again", "-m", "emulate", "--no-cache"];
  await sandbox.expect(0, [...again, "--address", address]);
  await assertComplete(sandbox.path("again"), sequences);
});

test("SIGTERM drains a worker: what it runs is kept, the rest goes to another", async () => {
  await using sandbox = new Sandbox();
  const { workers, driver } = await twoWorkers(sandbox);
  await firstShard(sandbox);
  workers[0]!.kill("SIGTERM");
  assert.equal((await workers[0]!.ended).exit, 0);
  const { exit, stderr } = await driver.ended;
  assert.equal(exit, 0, stderr);
  await assertComplete(sandbox.path("out"), sequences);
  const trace = await readTrace(sandbox.path("out"));
  assert.ok(
    trace.every(({ outcome }) => outcome !== "lost"),
    JSON.stringify(trace),
  );
});
