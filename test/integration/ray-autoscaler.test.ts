/**
 * A real Ray cluster that Ray's own autoscaler sizes: a head, and as many nodes as are asked for.
 *
 * Proves: nodes come where a run is worth them and where a fleet is scaled, do a part of the work,
 * and go when nobody needs them; a short run asks for none. By both ways to the cluster.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readTrace } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { rayOfFile } from "../support/ray-file.ts";
import {
  assertComplete,
  assertNothingLeft,
  environment,
  firstShards,
  startSlowRun,
} from "../support/ray-runs.ts";
import { Sandbox } from "../support/sandbox.ts";

/** Five seconds of work for one device. */
const SHORT = "cost=0.1ms,overhead=20ms";
/** Not worth another node that takes `NODE_START`, until the device turns out four times slower. */
const LONGER = "cost=0.4ms,overhead=20ms,slow=4@1s";
const NODE_START = "15s";
const GIVEN_BACK_MS = 60_000;

const ray = rayOfFile(1, { autoscaler: { nodesMax: 3, cpus: 1, idleSeconds: 2 } });
const { skip } = ray;
const client = () => `ray://${ray.nodes.headAddress}:10001`;

const raylets = async () => (await ray.nodes.find("raylet/raylet")).length;
const onlyTheHead = () =>
  until("the head alone", async () => (await raylets()) === 1, GIVEN_BACK_MS);

/** Workers whose results count. */
async function workersOf(folder: string): Promise<Set<string>> {
  const trace = await readTrace(folder);
  const committed = trace.filter(({ outcome }) => outcome === "committed");
  return new Set(committed.map(({ worker }) => worker));
}

test("a run that ends before a node would start asks for none", { skip }, async () => {
  await using sandbox = new Sandbox();
  const driver = startSlowRun(sandbox, ray.bridge.url, ["--max-workers", "3"], SHORT);
  await assertComplete(sandbox, driver);
  assert.doesNotMatch(driver.stderr, /autoscaler/);
  assert.equal((await workersOf(sandbox.path("out"))).size, 1);
  assert.equal(await raylets(), 1);
});

for (const way of ["bridge", "Ray Client"]) {
  test(`${way}: a run that turns out long gets nodes in mid-run and gives them back`, {
    skip,
  }, async () => {
    await using sandbox = new Sandbox();
    const address = way === "bridge" ? ray.bridge.url : client();
    const flags = ["--max-workers", "3", "--node-start", NODE_START];
    const driver = startSlowRun(sandbox, address, flags, LONGER);
    await firstShards(sandbox);
    const asking = /asking Ray's autoscaler for [23] nodes: \d+ s of work are left/;
    await driver.printed(asking, "stderr");
    await assertComplete(sandbox, driver);
    const { size } = await workersOf(sandbox.path("out"));
    assert(size === 2 || size === 3, `${size} workers`);
    await onlyTheHead();
    await assertNothingLeft(ray.nodes);
  });
}

test("a fleet that is scaled gets nodes; without work they go", { skip }, async () => {
  await using sandbox = new Sandbox();
  const at = ["--address", client()];
  const scale = ["cluster", "scale", "2", ...at, "--max-idle", "4s", "--emulate", "instant"];
  const { stderr } = await sandbox.expect(0, scale, { environment });
  assert.match(stderr, /asking Ray's autoscaler for 2 nodes, 1 are there/);
  assert.equal(await raylets(), 2);
  await onlyTheHead();
  await sandbox.expect(0, ["cluster", "down", ...at], { environment });
  await assertNothingLeft(ray.nodes);
});
