/**
 * A fleet on a real Ray cluster of three nodes, by both ways, with everything dying in turn.
 *
 * Ray runs in a network namespace (test/support/ray-nodes.ts); the driver is outside of it. Skips
 * aloud where no such namespace can be made. The order matters: the last test kills a node.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { BRIDGE_TOKEN, type RunningBridge, startBridge } from "../support/bridge.ts";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { readEmbeddings, readTrace, readVectors, shardNames } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { absence, RayNodes } from "../support/ray-nodes.ts";
import { type Command, Sandbox, TINY_MODEL } from "../support/sandbox.ts";

const skip = absence() ?? false;
const environment = { RAYSIDUE_TOKEN: BRIDGE_TOKEN };
const sequences = randomSequences(400, { from: 60, to: 180, seed: 7 });
/** About 20 s of work for three such devices. */
const SLOW = ["-m", "emulate", "--emulate", "cost=0.5ms,overhead=20ms"];

let nodes: RayNodes;
let bridge: RunningBridge;
let client: string;

before(async () => {
  if (skip !== false) return;
  nodes = await RayNodes.start({ count: 3, cpus: 1 });
  bridge = await startBridge(nodes);
  client = `ray://${nodes.headAddress}:10001`;
});

after(async () => {
  await nodes?.stop();
});

/** The tiny model as a pulled one, so that nodes have to be given it. */
function pulledModel(sandbox: Sandbox): Record<string, string> {
  const repo = sandbox.path("hf", "hub", "models--acme--tiny");
  const commit = "0123456789abcdef0123456789abcdef01234567";
  for (const name of ["blobs", "refs", `snapshots/${commit}`]) {
    mkdirSync(join(repo, name), { recursive: true });
  }
  writeFileSync(join(repo, "refs", "main"), commit);
  for (const name of ["config.json", "model.safetensors", "vocab.txt"]) {
    const bytes = readFileSync(join(TINY_MODEL, name));
    const blob = createHash("sha256").update(bytes).digest("hex");
    copyFileSync(join(TINY_MODEL, name), join(repo, "blobs", blob));
    symlinkSync(`../../blobs/${blob}`, join(repo, "snapshots", commit, name));
  }
  return { ...environment, HF_HOME: sandbox.path("hf"), HF_HUB_OFFLINE: "1" };
}

async function assertNothingLeft(withinMs = 10_000): Promise<void> {
  let left: string[] = [];
  const isClean = async () => {
    left = await nodes.leftovers();
    return left.length === 0;
  };
  await until("a clean cluster", isClean, withinMs).catch((thrown: Error) => {
    throw new Error(`${thrown.message}: ${left.join("\n")}`);
  });
}

function startSlowRun(sandbox: Sandbox, address: string): Command {
  sandbox.write("a.fasta", fastaOf(sequences));
  const args = ["embed", "a.fasta", "-o", "out", "--no-cache", ...SLOW, "--address", address];
  return sandbox.start(args, { environment });
}

const firstShards = (sandbox: Sandbox) =>
  until("a shard", () => shardNames(sandbox.path("out")).length > 0, 60_000);

async function assertComplete(sandbox: Sandbox, driver: Command): Promise<void> {
  const { exit, stderr } = await driver.ended;
  assert.equal(exit, 0, stderr);
  const rows = await readEmbeddings(sandbox.path("out"));
  assert.deepEqual(
    rows.map(({ id }) => id),
    sequences.map(({ id }) => id),
  );
}

for (const way of ["bridge", "Ray Client"]) {
  test(`${way}: the rows of an embedded run, models and code shipped`, { skip }, async () => {
    await using sandbox = new Sandbox();
    const withModel = { environment: pulledModel(sandbox) };
    sandbox.write("a.fasta", fastaOf(sequences.slice(0, 60)));
    const embed = ["embed", "a.fasta", "-m", "acme/tiny", "--no-cache", "-o"];
    await sandbox.expect(0, [...embed, "here", "--engines", "1", "--threads", "1"], withModel);
    const address = way === "bridge" ? bridge.url : client;
    const { stderr } = await sandbox.expect(
      0,
      [...embed, "there", "--address", address],
      withModel,
    );
    assert.match(stderr, way === "bridge" ? /through the bridge at/ : /through Ray Client at/);
    const [here, there] = [
      await readVectors(sandbox.path("here")),
      await readVectors(sandbox.path("there")),
    ];
    assert.equal(there.length, 60);
    for (const [i, vector] of here.entries()) {
      for (const [j, value] of vector.entries()) {
        assert(Math.abs(value - there[i]![j]!) < 1e-5, `row ${i}`);
      }
    }
    assert(readdirSync(join(nodes.folder, "hub-home", "hub")).includes("models--acme--tiny"));
    await assertNothingLeft();
  });
}

test("rows of nodes that do not share the output folder are fetched", { skip }, async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 40)));
  mkdirSync(sandbox.path("private"));
  const script = 'mount -t tmpfs none private && "$@" && cp -r private/out copied';
  const { exit, stderr } = await sandbox.run(
    ["embed", "a.fasta", "-o", "private/out", "-m", "emulate", "--address", bridge.url],
    { environment, through: ["unshare", "-m", "sh", "-c", script, "sh"] },
  );
  assert.equal(exit, 0, stderr);
  assert.equal((await readEmbeddings(sandbox.path("copied"))).length, 40);
  await assertNothingLeft();
});

test("in mid-run a daemon and the bridge are killed, and a node joins", { skip }, async () => {
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
  await nodes.add(1);
  await assertComplete(sandbox, driver);
  const committed = (await readTrace(sandbox.path("out"))).filter(
    ({ outcome }) => outcome === "committed",
  );
  assert(new Set(committed.map(({ worker }) => worker)).size >= 4, "four daemons and more worked");
  await assertNothingLeft();
});

test("Ctrl-C, by either way, leaves the cluster as it was", { skip }, async () => {
  for (const address of [bridge.url, client]) {
    await using sandbox = new Sandbox();
    const driver = startSlowRun(sandbox, address);
    await firstShards(sandbox);
    driver.kill("SIGINT");
    assert.equal((await driver.ended).exit, 130);
    await assertNothingLeft();
  }
});

test("kill -9 of the driver: nothing is left after the grace time", { skip }, async () => {
  await using sandbox = new Sandbox();
  sandbox.mayLeaveTemporaries = true;
  const driver = startSlowRun(sandbox, client);
  await firstShards(sandbox);
  driver.kill("SIGKILL");
  await driver.ended;
  await assertNothingLeft(45_000);
  // An agent tells how its daemon ended for a while to whoever asks.
  const status = ["cluster", "status", "--address", bridge.url, "--json"];
  await until("no named actor", async () => {
    const { stdout } = await sandbox.expect(0, status, { environment });
    return (JSON.parse(stdout) as { daemons: unknown[] }).daemons.length === 0;
  });
});

test("a fleet that is up is joined by sessions and ended by down", { skip }, async () => {
  await using sandbox = new Sandbox();
  const at = ["--address", bridge.url];
  const { stdout } = await sandbox.expect(0, ["cluster", "up", ...at, "--emulate", "instant"], {
    environment,
  });
  assert.equal(stdout, `grpc://${nodes.headAddress}:7470\n`);
  sandbox.write("a.fasta", fastaOf(sequences));
  const embed = ["embed", "a.fasta", "-o", "out", "-m", "emulate", "--address", client];
  const { stderr } = await sandbox.expect(0, embed, { environment });
  assert.match(stderr, /using the fleet that is up/);
  await sandbox.expect(0, ["cluster", "down", ...at], { environment });
  await assertNothingLeft();
});

test("each way of failing says what to do", { skip }, async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences));
  const head = nodes.headAddress;
  const port = bridge.url.split(":").at(-1);
  const cases: [string, Record<string, string>, RegExp][] = [
    [`bridge://${head}:1`, environment, /no bridge answers at .* start one with/],
    [
      `bridge://${head}:${port}`,
      { RAYSIDUE_TOKEN: "wrong" },
      /refused the token; set RAYSIDUE_TOKEN/,
    ],
    [`bridges://${head}:${port}`, environment, /no bridge answers at .* with TLS/],
    [`ray://${head}:1`, environment, /no Ray Client answers at .* without TLS/],
    [`ray://${head}:6379`, environment, /is not Ray Client; its port is/],
    [`http://${head}:8265`, environment, /no Ray dashboard answers at/],
  ];
  for (const [address, given, message] of cases) {
    const args = ["embed", "a.fasta", "-o", "out", "-m", "emulate", "--address", address];
    const { stderr } = await sandbox.expect(69, args, { environment: given });
    assert.match(stderr, message);
  }
  await assertNothingLeft();
});

test("kill -9 of a node in mid-run: its work runs elsewhere", { skip }, async () => {
  await using sandbox = new Sandbox();
  const driver = startSlowRun(sandbox, bridge.url);
  await until("all nodes at work", async () => {
    const { length } = await nodes.workers();
    return length >= 3;
  });
  await firstShards(sandbox);
  process.kill(await nodes.raylet(1), "SIGKILL");
  await assertComplete(sandbox, driver);
  await assertNothingLeft(20_000);
});
