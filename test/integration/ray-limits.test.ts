/**
 * A real Ray cluster that does not take all that is brought to it.
 *
 * Proves: a limit on messages on the way to a bridge gets one line that says what to do, and exit 69;
 * the cluster is left as it was, and without the limit the same is taken. That an object store is full
 * is no test: Ray takes now and then more than it was told to.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startBridge } from "../support/bridge.ts";
import { fastaOf } from "../support/fasta-text.ts";
import { rayOfFile } from "../support/ray-file.ts";
import { assertNoActors, assertNothingLeft, environment, sequences } from "../support/ray-runs.ts";
import { Sandbox } from "../support/sandbox.ts";

const ray = rayOfFile(1);
const { skip } = ray;

const EMBED = ["embed", "a.fasta", "-o", "out", "-m", "emulate", "--no-cache", "--address"];

test("a limit on messages", { skip }, async () => {
  await using sandbox = new Sandbox();
  const limited = await startBridge(ray.nodes, 0, [], "server.MESSAGE_BYTES_MAX = 1 << 20");
  const limit = /limits messages to less than the 8 MiB of a piece; raise its limit, or have code/;
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 20)));
  const { stderr } = await sandbox.expect(69, [...EMBED, limited.url], { environment });
  const errors = stderr.split("\n").filter((line) => line.startsWith("raysidue: error:"));
  assert.equal(errors.length, 1, stderr);
  assert.match(errors[0]!, limit);
  await assertNothingLeft(ray.nodes);
  await assertNoActors(sandbox, ray.bridge.url);
  await limited.stop("SIGTERM");
  await sandbox.expect(0, [...EMBED, ray.bridge.url], { environment });
});
