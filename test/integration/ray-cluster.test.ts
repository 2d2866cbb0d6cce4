/**
 * A fleet on a real Ray cluster of three nodes, by both ways, used and left in every way.
 *
 * Ray runs in a network namespace (test/support/ray-nodes.ts); the driver is outside of it. Skips
 * aloud where no such namespace can be made. What dies in mid-run: test/fault/ray-dies.test.ts.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fastaOf } from "../support/fasta-text.ts";
import { readEmbeddings, readVectors } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { rayOfFile } from "../support/ray-file.ts";
import {
  assertNoActors,
  assertNothingLeft,
  environment,
  firstShards,
  pulledModel,
  SLOWER,
  sequences,
  startSlowRun,
} from "../support/ray-runs.ts";
import { REPOSITORY, Sandbox } from "../support/sandbox.ts";

const ray = rayOfFile(3);
const { skip } = ray;
const client = () => `ray://${ray.nodes.headAddress}:10001`;

for (const way of ["bridge", "Ray Client"]) {
  test(`${way}: the rows of an embedded run, models and code shipped`, { skip }, async () => {
    await using sandbox = new Sandbox();
    const withModel = { environment: pulledModel(sandbox) };
    sandbox.write("a.fasta", fastaOf(sequences.slice(0, 60)));
    const embed = ["embed", "a.fasta", "-m", "acme/tiny", "--no-cache", "-o"];
    await sandbox.expect(0, [...embed, "here", "--engines", "1", "--threads", "1"], withModel);
    const address = way === "bridge" ? ray.bridge.url : client();
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
    assert(readdirSync(join(ray.nodes.folder, "hub-home", "hub")).includes("models--acme--tiny"));
    await assertNothingLeft(ray.nodes);
  });
}

test("rows of nodes that do not share the output folder are fetched", { skip }, async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 40)));
  mkdirSync(sandbox.path("private"));
  const script = 'mount -t tmpfs none private && "$@" && cp -r private/out copied';
  const { exit, stderr } = await sandbox.run(
    ["embed", "a.fasta", "-o", "private/out", "-m", "emulate", "--address", ray.bridge.url],
    { environment, through: ["unshare", "-m", "sh", "-c", script, "sh"] },
  );
  assert.equal(exit, 0, stderr);
  assert.equal((await readEmbeddings(sandbox.path("copied"))).length, 40);
  await assertNothingLeft(ray.nodes);
});

test("Ctrl-C, by either way, leaves the cluster as it was", { skip }, async () => {
  for (const address of [ray.bridge.url, client()]) {
    await using sandbox = new Sandbox();
    const driver = startSlowRun(sandbox, address);
    await firstShards(sandbox);
    driver.kill("SIGINT");
    assert.equal((await driver.ended).exit, 130);
    await assertNothingLeft(ray.nodes);
    await assertNoActors(sandbox, ray.bridge.url);
  }
});

test("kill -9 of the driver: nothing is left after the grace time", { skip }, async () => {
  await using sandbox = new Sandbox();
  sandbox.mayLeaveTemporaries = true;
  const driver = startSlowRun(sandbox, client());
  await firstShards(sandbox);
  driver.kill("SIGKILL");
  await driver.ended;
  await assertNothingLeft(ray.nodes, 45_000);
  await assertNoActors(sandbox, ray.bridge.url);
});

test("a fleet that is up is joined by sessions and ended by down", { skip }, async () => {
  await using sandbox = new Sandbox();
  const at = ["--address", ray.bridge.url];
  const { stdout } = await sandbox.expect(0, ["cluster", "up", ...at, "--emulate", "instant"], {
    environment,
  });
  assert.equal(stdout, `grpc://${ray.nodes.headAddress}:7470\n`);
  sandbox.write("a.fasta", fastaOf(sequences));
  const embed = ["embed", "a.fasta", "-o", "out", "-m", "emulate", "--address", client()];
  const { stderr } = await sandbox.expect(0, embed, { environment });
  assert.match(stderr, /using the fleet that is up/);
  await sandbox.expect(0, ["cluster", "down", ...at], { environment });
  await assertNothingLeft(ray.nodes);
  await assertNoActors(sandbox, ray.bridge.url);
});

test("each way of failing says what to do", { skip }, async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences));
  const head = ray.nodes.headAddress;
  const port = ray.bridge.url.split(":").at(-1);
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
    // Each at another's port, and TLS where none is.
    [`bridge://${head}:10001`, environment, /no bridge answers at .* check address/],
    [`ray://${head}:${port}`, {}, /is not Ray Client; its port is/],
    [`http://${head}:10001`, environment, /no Ray dashboard answers at/],
    [`ray://${head}:10001`, { RAY_USE_TLS: "1" }, /with TLS; does the cluster have RAY_USE_TLS=1/],
  ];
  for (const [address, given, message] of cases) {
    const args = ["embed", "a.fasta", "-o", "out", "-m", "emulate", "--address", address];
    const { stderr } = await sandbox.expect(69, args, { environment: given });
    assert.match(stderr, message);
    assert.equal(stderr.match(/^raysidue: error:/gm)?.length, 1, stderr);
  }
  await assertNothingLeft(ray.nodes);
});

test("nodes that are full: said which and what to do, the cluster as it was", {
  skip,
}, async () => {
  await using sandbox = new Sandbox();
  // Longer than the others wait for room; it is interrupted.
  const driver = startSlowRun(sandbox, ray.bridge.url, [], "cost=10ms");
  await until("all nodes at work", async () => (await ray.nodes.workers()).length === 3, 60_000);
  const second = ["embed", "a.fasta", "-o", "second", "-m", "emulate", "--address", ray.bridge.url];
  const full = await sandbox.expect(75, second, { environment });
  assert.match(full.stderr, /node \S+ \([\d.]+\): Ray placed no daemon .* --cpus and --gpus/);
  assert.equal((await ray.nodes.workers()).length, 3);
  const large = await sandbox.expect(75, [...second, "--cpus", "9"], { environment });
  assert.match(large.stderr, /no node with 9 CPUs or more; ask for nodes with --min-workers/);
  driver.kill("SIGINT");
  await driver.ended;
  await assertNothingLeft(ray.nodes);
});

test("a bridge on a Ray older than 2.10 does not start", { skip }, async () => {
  const server = `${REPOSITORY}/cluster/bridge/server.py`;
  const script = `import ray, runpy, sys
ray.__version__ = "2.9.3"
sys.argv = ["server.py"]
sys.path.insert(0, "${REPOSITORY}/cluster/bridge")
runpy.run_path("${server}", run_name="__main__")`;
  const old = ray.nodes.spawn(ray.nodes.python, ["-c", script], { RAYSIDUE_TOKEN: "t" });
  const [code] = await once(old, "exit");
  assert.equal(code, 1);
  const said = readFileSync(join(ray.nodes.folder, "spawned.log"), "utf8");
  assert.match(said, /bridge: Ray 2\.9\.3 is too old; 2\.10 is the oldest that will do/);
});

test("nodes are asked of Ray's autoscaler, and no more when the driver is gone", {
  skip,
}, async () => {
  await using sandbox = new Sandbox();
  sandbox.mayLeaveTemporaries = true;
  const asked = async () => {
    const script = `import ray
from ray._private import ray_constants as c
from ray.experimental.internal_kv import _internal_kv_get as get
ray.init(address="${ray.nodes.headAddress}:6379", log_to_driver=False)
print((get(c.AUTOSCALER_RESOURCE_REQUEST_CHANNEL if hasattr(c, "AUTOSCALER_RESOURCE_REQUEST_CHANNEL") else "autoscaler_resource_request") or b"").decode())`;
    return (await ray.nodes.exec("python", ["-c", script])).trim();
  };
  const driver = startSlowRun(
    sandbox,
    ray.bridge.url,
    ["--min-workers", "5", "--cpus", "1"],
    SLOWER,
  );
  await driver.printed(/asking Ray's autoscaler for 5 nodes, 3 are there/, "stderr");
  await firstShards(sandbox);
  assert.equal((JSON.parse(await asked()) as unknown[]).length, 5);
  driver.kill("SIGKILL");
  await driver.ended;
  await assertNothingLeft(ray.nodes, 60_000);
  assert.equal(await asked(), "[]");
});
