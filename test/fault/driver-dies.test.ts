/**
 * The driver killed or interrupted in mid-run.
 *
 * Proves: everything it started ends with it, and the same command goes on where the last durable
 * row ended.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import {
  assertNoOutput,
  readEmbeddings,
  readReport,
  readTrace,
  resultBytes,
  shardNames,
} from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { Sandbox } from "../support/sandbox.ts";

const sequences = randomSequences(300, { from: 60, to: 180, seed: 42 });
const SLOW = ["--emulate", "speed=0.6", "--emulate", "speed=0.6"];
const EMBED = ["embed", "a.fasta", "-o", "out", "-m", "emulate"];

const firstShards = (sandbox: Sandbox) =>
  until("a shard", () => shardNames(sandbox.path("out")).length > 0);

/** Runs the command again, at once, and checks that it went on. */
async function assertResumes(sandbox: Sandbox, flags: readonly string[] = []): Promise<void> {
  const { stderr } = await sandbox.expect(0, [...EMBED, "--emulate", "instant", ...flags]);
  const { cached, computed, distinct, rows } = readReport(sandbox.path("out")).counts;
  assert.equal(distinct, sequences.length);
  assert.equal(rows, sequences.length);
  assert.ok(cached! > 0, stderr);
  assert.equal(cached! + computed!, distinct);
  // What was committed before ran no second time.
  const trace = await readTrace(sandbox.path("out"));
  const ran = trace.filter(({ outcome }) => outcome === "committed");
  assert.equal(
    ran.reduce((sum, { tasks }) => sum + Number(tasks), 0),
    computed,
  );
  const ids = (await readEmbeddings(sandbox.path("out"))).map(({ id }) => id);
  assert.deepEqual(
    ids,
    sequences.map(({ id }) => id),
  );
}

test("kill -9: all its processes end, the next run goes on", async () => {
  await using sandbox = new Sandbox();
  sandbox.mayLeaveTemporaries = true;
  sandbox.write("a.fasta", fastaOf(sequences));
  const driver = sandbox.start([...EMBED, ...SLOW]);
  await firstShards(sandbox);
  driver.kill("SIGKILL");
  assert.equal((await driver.ended).exit, "SIGKILL");
  await until("end of its processes", () => sandbox.processes().length === 0, 10_000);
  assertNoOutput(sandbox.path("out"));
  await assertResumes(sandbox);
  // Killed and resumed gives the bytes of a run in one piece.
  await sandbox.expect(0, ["embed", "a.fasta", "-o", "whole", "-m", "emulate", "--no-cache"]);
  assert.deepEqual(resultBytes(sandbox.path("out")), resultBytes(sandbox.path("whole")));
});

test("kill -9 of a driver at a scheduler by hand: its run ends, the fleet serves on", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences));
  const { address } = await sandbox.startScheduler();
  await sandbox.startWorker(address, SLOW);
  const driver = sandbox.start([...EMBED, "--address", address]);
  await firstShards(sandbox);
  driver.kill("SIGKILL");
  await driver.ended;
  await until("end of the run", async () => {
    const { stdout } = await sandbox.expect(0, ["node", "list", "--address", address, "--json"]);
    return (JSON.parse(stdout) as { runs: unknown[] }).runs.length === 0;
  });
  await assertResumes(sandbox, ["--address", address]);
});

// A terminal's Ctrl-C reaches the daemons at the same moment as the driver.
for (const { signal, to, exitCode } of [
  { signal: "SIGINT", to: "group", exitCode: 130 },
  { signal: "SIGINT", to: "itself", exitCode: 130 },
  { signal: "SIGTERM", to: "itself", exitCode: 143 },
] as const) {
  test(`${signal} to ${to}: exit ${exitCode}, nobody is left, the next run goes on`, async () => {
    await using sandbox = new Sandbox();
    sandbox.write("a.fasta", fastaOf(sequences));
    const driver = sandbox.start([...EMBED, ...SLOW]);
    await firstShards(sandbox);
    driver.kill(signal, to);
    const { exit, stderr, stdout } = await driver.ended;
    assert.equal(exit, exitCode, stderr);
    assert.deepEqual(sandbox.processes(), []);
    assert.equal(stdout, "");
    assert.match(stderr.trim().split("\n").at(-1)!, /interrupted; the same command resumes$/);
    assertNoOutput(sandbox.path("out"));
    await assertResumes(sandbox);
  });
}

test("an interrupt that reaches a daemon of its own is left to the driver", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences));
  const driver = sandbox.start([...EMBED, ...SLOW]);
  await firstShards(sandbox);
  for (const { pid } of sandbox.processes(/(worker|scheduler) start/)) process.kill(pid, "SIGINT");
  const { exit, stderr } = await driver.ended;
  assert.equal(exit, 0, stderr);
  assert.doesNotMatch(stderr, /ended/);
});

test("an interrupt while it waits for standard input ends it", async () => {
  await using sandbox = new Sandbox();
  const driver = sandbox.start(["embed", "-", "-o", "out", "-m", "emulate"], { input: "open" });
  driver.child.stdin!.write(">a\nMKT\n");
  await until("its lock", () => {
    const command = sandbox.processes(/embed - -o out/);
    return command.length > 0 && shardFolderExists(sandbox);
  });
  driver.kill("SIGINT");
  const { exit, stderr } = await driver.ended;
  assert.equal(exit, 130, stderr);
  driver.child.stdin!.end();
});

function shardFolderExists(sandbox: Sandbox): boolean {
  try {
    return sandbox.read("out", ".raysidue", "identity.json") !== "";
  } catch {
    return false;
  }
}
