/**
 * A real Ray cluster of three nodes on which everything dies in mid-run, in turn.
 *
 * Proves: whatever dies (a daemon, the bridge, a node, a hung node), the run ends complete by what is
 * left; without the head's GCS it goes on as long as a daemon lives, and then ends with what is done;
 * nodes that join take work; and after the driver's death nothing is left on the cluster. The order matters: each of the last tests takes something from the cluster.
 */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startBridge } from "../support/bridge.ts";
import { readTrace, shardNames } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { rayOfFile } from "../support/ray-file.ts";
import { kill } from "../support/ray-nodes.ts";
import {
  assertAllRows,
  assertComplete,
  assertNoActors,
  assertNothingLeft,
  environment,
  firstShards,
  SLOWER,
  startSlowRun,
} from "../support/ray-runs.ts";
import { Sandbox } from "../support/sandbox.ts";

const ray = rayOfFile(3);
const { skip } = ray;

const workersAre = (count: number) =>
  until(`${count} workers`, async () => (await ray.nodes.workers()).length === count, 60_000);

test("a daemon and the bridge are killed: both are replaced", { skip }, async () => {
  await using sandbox = new Sandbox();
  const driver = startSlowRun(sandbox, ray.bridge.url);
  await firstShards(sandbox);
  const [daemon] = await ray.nodes.workers();
  process.kill(daemon!.pid, "SIGKILL");
  await until("another daemon in its place", async () => {
    const daemons = await ray.nodes.workers();
    return daemons.length === 3 && daemons.every(({ pid }) => pid !== daemon!.pid);
  });
  await ray.bridge.stop("SIGKILL");
  await driver.printed(/the Ray cluster is out of reach, daemons go on/, "stderr");
  ray.bridge = await startBridge(ray.nodes, Number(ray.bridge.url.split(":").at(-1)));
  await driver.printed(/the Ray cluster is reached again/, "stderr");
  await assertComplete(sandbox, driver);
  await assertNothingLeft(ray.nodes);
});

test("a node that joins in mid-run takes work", { skip }, async () => {
  await using sandbox = new Sandbox();
  const driver = startSlowRun(sandbox, ray.bridge.url, [], SLOWER);
  await firstShards(sandbox);
  await ray.nodes.add(1);
  await workersAre(4);
  await assertComplete(sandbox, driver);
  const committed = (await readTrace(sandbox.path("out"))).filter(
    ({ outcome }) => outcome === "committed",
  );
  assert.equal(new Set(committed.map(({ worker }) => worker)).size, 4);
  await assertNothingLeft(ray.nodes);
});

test("kill -9 of the driver: nothing is left after the grace time", { skip }, async () => {
  await using sandbox = new Sandbox();
  sandbox.mayLeaveTemporaries = true;
  const driver = startSlowRun(sandbox, ray.bridge.url, ["--min-workers", "3"]);
  await firstShards(sandbox);
  driver.kill("SIGKILL");
  await driver.ended;
  await assertNothingLeft(ray.nodes, 60_000);
  await assertNoActors(sandbox, ray.bridge.url);
});

for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
  const node = signal === "SIGKILL" ? 1 : 2;
  test(`${signal} of a node and its daemon: its work runs elsewhere`, { skip }, async () => {
    await using sandbox = new Sandbox();
    const driver = startSlowRun(sandbox, ray.bridge.url);
    await firstShards(sandbox);
    const address = ray.nodes.addressOf(node);
    const [daemon] = (await ray.nodes.workers()).filter(({ commandLine }) =>
      commandLine.includes(`--listen ${address}:`),
    );
    assert(daemon !== undefined, "the node is at work");
    const raylet = await ray.nodes.raylet(node);
    kill(raylet, signal);
    kill(daemon.pid, signal);
    await assertComplete(sandbox, driver);
    // A hung node's processes go when it does.
    kill(raylet, "SIGKILL");
    kill(daemon.pid, "SIGKILL");
    await assertNothingLeft(ray.nodes, 30_000);
  });
}

test("the head's GCS is killed: the run goes on, and ends when its daemons do", {
  skip,
}, async () => {
  await using sandbox = new Sandbox();
  const driver = startSlowRun(sandbox, ray.bridge.url, [], SLOWER);
  await firstShards(sandbox);
  const [gcs] = await ray.nodes.find("gcs/gcs_server");
  kill(gcs!.pid, "SIGKILL");
  await driver.printed(/head is out of reach, daemons go on/, "stderr");
  const before = shardBytes(sandbox);
  await until("more results", () => shardBytes(sandbox) > before, 30_000);
  // Ray's nodes would end by themselves a minute after their head.
  for (const { pid } of await ray.nodes.find("raylet/raylet")) kill(pid, "SIGKILL");
  const { exit, stderr } = await driver.ended;
  assert.equal(exit, 75, stderr);
  assert.match(stderr, /no worker is left: the Ray cluster is out of reach; what is done is kept/);
  await assertNothingLeft(ray.nodes, 30_000);
  const args = ["embed", "a.fasta", "-o", "again", "-m", "emulate", "--address", ray.bridge.url];
  const again = await sandbox.run(args, { environment });
  assert(again.exit === 69 || again.exit === 75, `${again.exit}: ${again.stderr}`);
  const here = ["embed", "a.fasta", "-o", "out", "--no-cache", "-m", "emulate"];
  const resumed = await sandbox.expect(0, [...here, "--emulate", "instant"]);
  assert.match(resumed.stderr, /400 distinct, [1-9]\d* cached/);
  await assertAllRows(sandbox.path("out"));
});

function shardBytes(sandbox: Sandbox): number {
  const folder = sandbox.path("out", ".raysidue", "shards");
  return shardNames(sandbox.path("out"))
    .map((name) => statSync(join(folder, name)).size)
    .reduce((sum, size) => sum + size, 0);
}
