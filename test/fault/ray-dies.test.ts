/**
 * A real Ray cluster of three nodes on which everything dies in mid-run, in turn.
 *
 * Proves: whatever dies (a daemon, the bridge, a node, a hung node, the head's GCS), the run ends
 * complete by what is left; nodes that join take work; and after the driver's death nothing is left
 * on the cluster. The order matters: each of the last tests takes something from the cluster.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type RunningBridge, startBridge } from "../support/bridge.ts";
import { readTrace } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { absence, kill, RayNodes } from "../support/ray-nodes.ts";
import {
  assertComplete,
  assertNoActors,
  assertNothingLeft,
  environment,
  firstShards,
  SLOWER,
  startSlowRun,
} from "../support/ray-runs.ts";
import { Sandbox } from "../support/sandbox.ts";

const skip = absence() ?? false;

let nodes: RayNodes;
let bridge: RunningBridge;

before(async () => {
  if (skip !== false) return;
  nodes = await RayNodes.start({ count: 3, cpus: 1 });
  bridge = await startBridge(nodes);
});

after(async () => {
  await nodes?.stop();
});

const workersAre = (count: number) =>
  until(`${count} workers`, async () => (await nodes.workers()).length === count, 60_000);

test("a daemon and the bridge are killed: both are replaced", { skip }, async () => {
  await using sandbox = new Sandbox();
  const driver = startSlowRun(sandbox, bridge.url);
  await firstShards(sandbox);
  const [daemon] = await nodes.workers();
  process.kill(daemon!.pid, "SIGKILL");
  await until("another daemon in its place", async () => {
    const daemons = await nodes.workers();
    return daemons.length === 3 && daemons.every(({ pid }) => pid !== daemon!.pid);
  });
  await bridge.stop("SIGKILL");
  await driver.printed(/the Ray cluster is out of reach, daemons go on/, "stderr");
  bridge = await startBridge(nodes, Number(bridge.url.split(":").at(-1)));
  await driver.printed(/the Ray cluster is reached again/, "stderr");
  await assertComplete(sandbox, driver);
  await assertNothingLeft(nodes);
});

test("a node that joins in mid-run takes work", { skip }, async () => {
  await using sandbox = new Sandbox();
  const driver = startSlowRun(sandbox, bridge.url, [], SLOWER);
  await firstShards(sandbox);
  await nodes.add(1);
  await workersAre(4);
  await assertComplete(sandbox, driver);
  const committed = (await readTrace(sandbox.path("out"))).filter(
    ({ outcome }) => outcome === "committed",
  );
  assert.equal(new Set(committed.map(({ worker }) => worker)).size, 4);
  await assertNothingLeft(nodes);
});

test("kill -9 of the driver: nothing is left after the grace time", { skip }, async () => {
  await using sandbox = new Sandbox();
  sandbox.mayLeaveTemporaries = true;
  const driver = startSlowRun(sandbox, bridge.url, ["--min-workers", "3"]);
  await firstShards(sandbox);
  driver.kill("SIGKILL");
  await driver.ended;
  await assertNothingLeft(nodes, 60_000);
  await assertNoActors(sandbox, bridge.url);
});

for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
  const node = signal === "SIGKILL" ? 1 : 2;
  test(`${signal} of a node and its daemon: its work runs elsewhere`, { skip }, async () => {
    await using sandbox = new Sandbox();
    const driver = startSlowRun(sandbox, bridge.url);
    await firstShards(sandbox);
    const address = nodes.addressOf(node);
    const [daemon] = (await nodes.workers()).filter(({ commandLine }) =>
      commandLine.includes(`--listen ${address}:`),
    );
    assert(daemon !== undefined, "the node is at work");
    const raylet = await nodes.raylet(node);
    kill(raylet, signal);
    kill(daemon.pid, signal);
    await assertComplete(sandbox, driver);
    // A hung node's processes go when it does.
    kill(raylet, "SIGKILL");
    kill(daemon.pid, "SIGKILL");
    await assertNothingLeft(nodes, 30_000);
  });
}

test("the head's GCS is killed: the run goes on and says so", { skip }, async () => {
  await using sandbox = new Sandbox();
  const driver = startSlowRun(sandbox, bridge.url, [], SLOWER);
  await firstShards(sandbox);
  const [gcs] = await nodes.find("gcs/gcs_server");
  process.kill(gcs!.pid, "SIGKILL");
  await driver.printed(/head is out of reach, daemons go on/, "stderr");
  await assertComplete(sandbox, driver);
  // Raylets end without their GCS, agents and daemons with them.
  await assertNothingLeft(nodes, 90_000);
  const args = ["embed", "a.fasta", "-o", "again", "-m", "emulate", "--address", bridge.url];
  const { exit, stderr } = await sandbox.run(args, { environment });
  assert(exit === 69 || exit === 75, `${exit}: ${stderr}`);
});
