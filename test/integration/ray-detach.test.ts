/**
 * Runs that live on the cluster: left there by --detach, or with their scheduler on the head.
 *
 * Proves: after --detach nothing is needed of this machine, the run is found again and its results
 * come home whole, whatever the kind, by every way; results that nobody fetches go in time; where
 * nodes do not reach us, the scheduler goes to the head.
 */
import assert from "node:assert/strict";
import { cpSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startBridge } from "../support/bridge.ts";
import { hasOpenssl, makeCertificate } from "../support/certificates.ts";
import { fastaOf } from "../support/fasta-text.ts";
import { hideHost } from "../support/hidden-host.ts";
import { readEmbeddings, readFailed, readScores, readVectors } from "../support/outputs.ts";
import { atomLines } from "../support/poses.ts";
import { until } from "../support/processes.ts";
import { ENGINE_ENVIRONMENT, prepareEngine } from "../support/python-engines.ts";
import { rayOfFile } from "../support/ray-file.ts";
import {
  assertAllRows,
  assertNoActors,
  assertNothingLeft,
  environment,
  pulledModel,
  sequences,
  startSlowRun,
} from "../support/ray-runs.ts";
import { Sandbox, TINY_MODEL } from "../support/sandbox.ts";
import { SCORER_ENVIRONMENT, scorerProblem } from "../support/scorer.ts";
import { openTunnel } from "../support/tunnel.ts";

// The nodes have no index of packages; they find the environment that is made here.
const annotator = await prepareEngine("cluster", "engines", "annotate");
const ray = rayOfFile(2, { environment: ENGINE_ENVIRONMENT });
const { skip } = ray;
const skipScore = skip || (annotator.missing ?? false) || (await scorerProblem());

/** Runs that are kept on the nodes. */
function keptRuns(): string[] {
  const folder = join(ray.nodes.folder, "cache", "runs");
  return existsSync(folder) ? readdirSync(folder) : [];
}

test("--detach: the run goes on alone, is shown, waited for and brought home", {
  skip,
}, async () => {
  await using sandbox = new Sandbox();
  const at = ["--address", ray.bridge.url];
  const { exit, stdout, stderr } = await startSlowRun(sandbox, ray.bridge.url, ["--detach"]).ended;
  assert.equal(exit, 0, stderr);
  assert.deepEqual(sandbox.processes(), []);
  assert(!existsSync(sandbox.path("out")));
  const run = stdout.trim();
  const show = async () => {
    const shown = await sandbox.expect(0, ["run", "show", run, ...at, "--json"], { environment });
    return JSON.parse(shown.stdout) as { state: string; line: string };
  };
  await until("workers of the run", async () => (await ray.nodes.workers()).length === 2, 60_000);
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
  await assertNothingLeft(ray.nodes);
  await assertNoActors(sandbox, ray.bridge.url);
});

test("--detach by Ray Client: the model is brought along; unwanted runs are cancelled", {
  skip,
}, async () => {
  await using sandbox = new Sandbox();
  const client = ["--address", `ray://${ray.nodes.headAddress}:10001`];
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
  const second = await startSlowRun(sandbox, ray.bridge.url, ["--detach"]).ended;
  const name = second.stdout.trim();
  const listed = await sandbox.expect(0, ["run", "list", ...client], { environment });
  assert.match(listed.stdout, new RegExp(`^${name}\trunning`));
  await sandbox.expect(0, ["run", "cancel", name, ...client], { environment });
  await sandbox.expect(65, ["run", "show", name, ...client], { environment });
  assert.deepEqual(keptRuns(), []);
  await assertNothingLeft(ray.nodes);
});

test("score --detach: poses, tables and a model of a folder go along, the ranking comes home", {
  skip: skipScore,
}, async () => {
  await using sandbox = new Sandbox();
  const withModels = {
    environment: { ...environment, ...SCORER_ENVIRONMENT, ...ENGINE_ENVIRONMENT },
  };
  for (const name of ["5E5M", "1VFB"]) {
    sandbox.write(`poses/${name}.pdb`, `${atomLines(name).join("\n")}\nEND\n`);
  }
  sandbox.write("poses/broken.pdb", atomLines("5E5M").slice(0, 3).join("\n"));
  const model = sandbox.path("a model");
  cpSync(TINY_MODEL, model, { recursive: true });
  const score = ["score", "poses", "--auto", "--embed-model", "a model/", "--no-cache", "-o"];
  const at = ["--address", ray.bridge.url];
  const { stdout } = await sandbox.expect(0, [...score, "there", ...at, "--detach"], withModels);
  const plain = sandbox.expect(
    2,
    [...score, "here", "--engines", "1", "--threads", "1"],
    withModels,
  );
  await sandbox.expect(2, ["run", "wait", stdout.trim(), ...at], { environment });
  await plain;
  const read = async (name: string) => {
    const folder = sandbox.path(name);
    return { scores: await readScores(folder), failed: await readFailed(folder) };
  };
  const [here, there] = [await read("here"), await read("there")];
  assert.equal(there.scores.length, 2);
  for (const [i, row] of here.scores.entries()) {
    assert(Math.abs(Number(row.score) - Number(there.scores[i]!.score)) < 1e-5, row.pose);
    assert.equal(there.scores[i]!.pose, row.pose);
  }
  assert.deepEqual(there.failed, here.failed, "files are called as here");
  assert(existsSync(sandbox.path("there", "scores", "part-00000.parquet")));
  const brought = readdirSync(join(ray.nodes.folder, "hub-home", "hub"));
  assert.equal(brought.filter((name) => name.startsWith("raysidue--")).length, 1, `${brought}`);
  assert.deepEqual(keptRuns(), []);
  await assertNothingLeft(ray.nodes);
});

test("--detach at a bridge with TLS; what nobody fetches is removed in time", {
  skip: skip || (hasOpenssl() ? false : "there is no openssl to make certificates with"),
}, async () => {
  await using sandbox = new Sandbox();
  const { headAddress } = ray.nodes;
  makeCertificate(sandbox, "server", headAddress);
  const pair = ["--tls-cert", sandbox.path("server.pem"), "--tls-key", sandbox.path("server.key")];
  const bridge = await startBridge(ray.nodes, 0, pair);
  assert.match(bridge.url, /^bridges:/);
  const trusting = { ...environment, RAYSIDUE_TLS_CA: sandbox.path("server.pem") };
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 40)));
  const at = ["--address", bridge.url];
  const embed = [
    "embed",
    "a.fasta",
    "-m",
    "emulate",
    "-o",
    "out",
    "--detach",
    "--keep",
    "4s",
    ...at,
  ];
  const left = await sandbox.expect(0, embed, { environment: trusting });
  const list = async () => {
    const { stdout } = await sandbox.expect(0, ["run", "list", ...at], { environment: trusting });
    return stdout;
  };
  const run = left.stdout.trim();
  const done = new RegExp(`^${run}\\tdone\\t\\S+\\tuntil 20\\S+Z\\t`);
  await until("the run's end", async () => done.test(await list()), 60_000);
  await until("the end of its time", () => keptRuns().length === 0, 20_000);
  await assertNothingLeft(ray.nodes);
  await until("a cluster without it", async () => (await list()) === "");
  await bridge.stop("SIGTERM");
});

test("nodes do not reach this machine: the scheduler goes to the head", { skip }, async () => {
  await using sandbox = new Sandbox();
  const port = Number(ray.bridge.url.split(":").at(-1));
  await using tunnel = await openTunnel(ray.nodes.headAddress, port);
  using _hidden = hideHost(ray.nodes);
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 40)));
  const address = `bridge://127.0.0.1:${tunnel.port}`;
  const embed = ["embed", "a.fasta", "-o", "out", "-m", "emulate", "--address", address];
  const { stderr } = await sandbox.expect(0, embed, { environment });
  assert.match(stderr, /no node reaches this machine: the scheduler goes to the head/);
  assert.equal((await readEmbeddings(sandbox.path("out"))).length, 40);
  await assertNothingLeft(ray.nodes);
});
