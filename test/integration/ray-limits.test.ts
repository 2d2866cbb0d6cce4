/**
 * A real Ray cluster that does not take all that is brought to it.
 *
 * Proves: an object store that is full (its memory, and no disk behind it) and a limit on messages
 * on the way to a bridge each get one line that says what to do, and exit 69; the cluster is left as
 * it was, and what fits is taken afterwards.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startBridge } from "../support/bridge.ts";
import { fastaOf } from "../support/fasta-text.ts";
import { rayOfFile } from "../support/ray-file.ts";
import { assertNoActors, assertNothingLeft, environment, sequences } from "../support/ray-runs.ts";
import { Sandbox } from "../support/sandbox.ts";

const ray = rayOfFile(1, {
  // The least that Ray accepts: our code fits for workers, and for workers with a driver it does not.
  objectStoreBytes: 75 * 1024 ** 2,
  environment: {
    RAY_automatic_object_spilling_enabled: "0",
    RAY_local_fs_capacity_threshold: "0.001",
  },
});
const { skip } = ray;

const EMBED = ["embed", "a.fasta", "-o", "out", "-m", "emulate", "--no-cache", "--address"];

async function refuses(sandbox: Sandbox, args: readonly string[], says: RegExp): Promise<void> {
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 20)));
  const { stderr } = await sandbox.expect(69, args, { environment });
  const errors = stderr.split("\n").filter((line) => line.startsWith("raysidue: error:"));
  assert.equal(errors.length, 1, stderr);
  assert.match(errors[0]!, says);
  await assertNothingLeft(ray.nodes);
  await assertNoActors(sandbox, ray.bridge.url);
}

test("an object store that is full", { skip }, async () => {
  await using sandbox = new Sandbox();
  // The first that fills it: once it was full, Ray gives it more than it was told to.
  const full = /the head's object store has no room for \d+ bytes more; .* --object-store-memory/;
  await refuses(sandbox, [...EMBED, ray.bridge.url, "--detach"], full);
  await sandbox.expect(0, [...EMBED, ray.bridge.url], { environment });
});

test("a limit on messages", { skip }, async () => {
  await using sandbox = new Sandbox();
  rmSync(join(ray.nodes.folder, "cache", "packages"), { recursive: true, force: true });
  const limited = await startBridge(ray.nodes, 0, [], "server.MESSAGE_BYTES_MAX = 1 << 20");
  const limit = /limits messages to less than the 8 MiB of a piece; raise its limit, or have code/;
  await refuses(sandbox, [...EMBED, limited.url], limit);
  await limited.stop("SIGTERM");
});
