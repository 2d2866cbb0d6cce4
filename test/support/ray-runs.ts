/**
 * What tests on a real Ray cluster share: a slow run, its model, and a cluster as it was before.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BRIDGE_TOKEN } from "./bridge.ts";
import { fastaOf, randomSequences } from "./fasta-text.ts";
import { readEmbeddings, shardNames } from "./outputs.ts";
import { until } from "./processes.ts";
import type { RayNodes } from "./ray-nodes.ts";
import { type Command, type Sandbox, TINY_MODEL } from "./sandbox.ts";

export const environment = { RAYSIDUE_TOKEN: BRIDGE_TOKEN };
export const sequences = randomSequences(400, { from: 60, to: 180, seed: 7 });
/** About 8 s of work for three such devices. */
const SLOW = "cost=0.5ms,overhead=20ms";
/** About half a minute. */
export const SLOWER = "cost=2ms,overhead=20ms";

/** The tiny model as a pulled one, so that nodes have to be given it. */
export function pulledModel(sandbox: Sandbox): Record<string, string> {
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

export async function assertNothingLeft(nodes: RayNodes, withinMs = 10_000): Promise<void> {
  let left: string[] = [];
  const isClean = async () => {
    left = await nodes.leftovers();
    return left.length === 0;
  };
  await until("a clean cluster", isClean, withinMs).catch((thrown: Error) => {
    throw new Error(`${thrown.message}: ${left.join("\n")}`);
  });
}

/** Also no named actor: an agent tells how its daemon ended for a while to whoever asks. */
export async function assertNoActors(sandbox: Sandbox, address: string): Promise<void> {
  const status = ["cluster", "status", "--address", address, "--json"];
  await until("no named actor", async () => {
    const { stdout } = await sandbox.expect(0, status, { environment });
    return (JSON.parse(stdout) as { daemons: unknown[] }).daemons.length === 0;
  });
}

export function startSlowRun(
  sandbox: Sandbox,
  address: string,
  flags: readonly string[] = [],
  device = SLOW,
): Command {
  sandbox.write("a.fasta", fastaOf(sequences));
  const args = ["embed", "a.fasta", "-o", "out", "--no-cache", "--address", address];
  const emulated = ["-m", "emulate", "--emulate", device];
  return sandbox.start([...args, ...emulated, ...flags], { environment });
}

export const firstShards = (sandbox: Sandbox) =>
  until("a shard", () => shardNames(sandbox.path("out")).length > 0, 60_000);

export async function assertComplete(sandbox: Sandbox, driver: Command): Promise<void> {
  const { exit, stderr } = await driver.ended;
  assert.equal(exit, 0, stderr);
  await assertAllRows(sandbox.path("out"));
}

export async function assertAllRows(folder: string): Promise<void> {
  const rows = await readEmbeddings(folder);
  assert.deepEqual(
    rows.map(({ id }) => id),
    sequences.map(({ id }) => id),
  );
}
