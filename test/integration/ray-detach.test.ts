/**
 * Runs that live on the cluster: left there by --detach, or with their scheduler on the head.
 *
 * Proves: after --detach nothing is needed of this machine, the run is found again and its results
 * come home whole, by either way; where nodes do not reach us, the scheduler goes to the head.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type RunningBridge, startBridge } from "../support/bridge.ts";
import { fastaOf } from "../support/fasta-text.ts";
import { readEmbeddings, readVectors } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { absence, RayNodes } from "../support/ray-nodes.ts";
import {
  assertAllRows,
  assertNoActors,
  assertNothingLeft,
  environment,
  pulledModel,
  sequences,
  startSlowRun,
} from "../support/ray-runs.ts";
import { Sandbox } from "../support/sandbox.ts";
import { openTunnel } from "../support/tunnel.ts";

const skip = absence() ?? false;

let nodes: RayNodes;
let bridge: RunningBridge;

before(async () => {
  if (skip !== false) return;
  nodes = await RayNodes.start({ count: 2, cpus: 1 });
  bridge = await startBridge(nodes);
});

after(async () => {
  await nodes?.stop();
});

/** Runs that are kept on the nodes. */
function keptRuns(): string[] {
  const folder = join(nodes.folder, "cache", "runs");
  return existsSync(folder) ? readdirSync(folder) : [];
}

test("--detach: the run goes on alone, is shown, waited for and brought home", {
  skip,
}, async () => {
  await using sandbox = new Sandbox();
  const at = ["--address", bridge.url];
  const { exit, stdout, stderr } = await startSlowRun(sandbox, bridge.url, ["--detach"]).ended;
  assert.equal(exit, 0, stderr);
  assert.deepEqual(sandbox.processes(), []);
  assert(!existsSync(sandbox.path("out")));
  const run = stdout.trim();
  const show = async () => {
    const shown = await sandbox.expect(0, ["run", "show", run, ...at, "--json"], { environment });
    return JSON.parse(shown.stdout) as { state: string; line: string };
  };
  await until("workers of the run", async () => (await nodes.workers()).length === 2, 60_000);
  assert.equal((await show()).state, "running");

  const wait = ["run", "wait", run, ...at];
  const first = sandbox.start(wait, { environment });
  await first.printed(/\S/, "stderr");
  first.kill("SIGINT");
  assert.equal((await first.ended).exit, 130);

  const home = await sandbox.expect(0, wait, { environment });
  assert.equal(home.stdout, `${sandbox.path("out")}\n`);
  await assertAllRows(sandbox.path("out"));
  assert.deepEqual(keptRuns(), []);
  await assertNothingLeft(nodes);
  await assertNoActors(sandbox, bridge.url);
});

test("--detach by Ray Client: the model is brought along; unwanted runs are cancelled", {
  skip,
}, async () => {
  await using sandbox = new Sandbox();
  const client = ["--address", `ray://${nodes.headAddress}:10001`];
  const withModel = { environment: pulledModel(sandbox) };
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 40)));
  const embed = ["embed", "a.fasta", "-m", "acme/tiny", "--no-cache"];
  await sandbox.expect(0, [...embed, "-o", "here", "--engines", "1", "--threads", "1"], withModel);
  const left = await sandbox.expect(0, [...embed, "-o", "there", ...client, "--detach"], withModel);
  const run = left.stdout.trim();
  await sandbox.expect(0, ["run", "wait", run, ...client, "-o", "other"], { environment });
  const [here, there] = [
    await readVectors(sandbox.path("here")),
    await readVectors(sandbox.path("other")),
  ];
  assert.equal(there.length, 40);
  for (const [i, vector] of here.entries()) {
    for (const [j, value] of vector.entries()) {
      assert(Math.abs(value - there[i]![j]!) < 1e-5, `row ${i}`);
    }
  }
  const second = await startSlowRun(sandbox, bridge.url, ["--detach"]).ended;
  const name = second.stdout.trim();
  const listed = await sandbox.expect(0, ["run", "list", ...client], { environment });
  assert.match(listed.stdout, new RegExp(`^${name}\trunning`));
  await sandbox.expect(0, ["run", "cancel", name, ...client], { environment });
  await sandbox.expect(65, ["run", "show", name, ...client], { environment });
  assert.deepEqual(keptRuns(), []);
  await assertNothingLeft(nodes);
});

test("nodes do not reach this machine: the scheduler goes to the head", { skip }, async () => {
  await using sandbox = new Sandbox();
  await using tunnel = await openTunnel(nodes.headAddress, Number(bridge.url.split(":").at(-1)));
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 40)));
  // The tunnel's end is loopback: so is the way to us that a node would be told.
  const address = `bridge://127.0.0.1:${tunnel.port}`;
  const embed = ["embed", "a.fasta", "-o", "out", "-m", "emulate", "--address", address];
  const { stderr } = await sandbox.expect(0, embed, { environment });
  assert.match(stderr, /no node reaches this machine: the scheduler goes to the head/);
  assert.equal((await readEmbeddings(sandbox.path("out"))).length, 40);
  await assertNothingLeft(nodes);
});
