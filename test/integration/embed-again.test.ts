/**
 * The same command again, and the cache that runs share.
 *
 * Proves: nothing is computed twice; what was computed before comes back as the same bytes.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { readReport, readTrace, resultBytes } from "../support/outputs.ts";
import { Sandbox, TINY_MODEL } from "../support/sandbox.ts";

const sequences = randomSequences(50, { from: 5, to: 80, seed: 31 });
const ONE = ["--engines", "1", "--threads", "1"];

const countsOf = (folder: string) => {
  const { records, distinct, cached, computed } = readReport(folder).counts;
  return { records, distinct, cached, computed };
};

test("again: no process is started, the same bytes; more records: only these", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 30)));
  const embed = ["embed", "a.fasta", "-o", "out", "-m", TINY_MODEL, "--no-cache", ...ONE];
  await sandbox.expect(0, embed);
  const first = resultBytes(sandbox.path("out"));
  const logBytes = statSync(sandbox.path("out", "log.ndjson")).size;

  const again = await sandbox.expect(0, embed);
  assert.match(again.stderr, /plan: 30 records, 30 distinct, 30 cached/);
  assert.match(again.stderr, /done: 30 rows, 0 computed, 30 cached/);
  assert.deepEqual(resultBytes(sandbox.path("out")), first);
  assert.equal(statSync(sandbox.path("out", "log.ndjson")).size, logBytes, "a fleet was started");
  assert.deepEqual(countsOf(sandbox.path("out")), {
    records: 30,
    distinct: 30,
    cached: 30,
    computed: 0,
  });

  sandbox.write("a.fasta", fastaOf(sequences));
  await sandbox.expect(0, embed);
  assert.deepEqual(countsOf(sandbox.path("out")), {
    records: 50,
    distinct: 50,
    cached: 30,
    computed: 20,
  });
  const ran = (await readTrace(sandbox.path("out"))).filter(
    ({ outcome }) => outcome === "committed",
  );
  assert.equal(
    ran.reduce((sum, { tasks }) => sum + Number(tasks), 0),
    20,
  );
  // Fewer records, in another order: rows of the output follow the input again.
  sandbox.write("a.fasta", fastaOf(sequences.slice(10, 20).reverse()));
  await sandbox.expect(0, embed);
  assert.deepEqual(countsOf(sandbox.path("out")), {
    records: 10,
    distinct: 10,
    cached: 10,
    computed: 0,
  });
});

test("another folder takes from the cache; --no-cache neither reads nor writes it", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences));
  const fleet = ["--address", await sandbox.startFleet(ONE)];
  const embed = (name: string, ...flags: string[]) =>
    sandbox.expect(0, ["embed", "a.fasta", "-o", name, "-m", TINY_MODEL, ...fleet, ...flags]);
  await embed("aside", "--no-cache");
  const listed = async () => {
    const { stdout } = await sandbox.expect(0, ["cache", "list", "--json"]);
    return (JSON.parse(stdout) as { spaces: { rowCount: number; kind: string }[] }).spaces;
  };
  assert.deepEqual(await listed(), []);

  await embed("one");
  assert.deepEqual(
    (await listed()).map(({ kind, rowCount }) => [kind, rowCount]),
    [["embed", 50]],
  );
  await embed("two");
  assert.equal(countsOf(sandbox.path("two")).computed, 0);
  assert.equal(countsOf(sandbox.path("two")).cached, 50);
  assert.deepEqual(resultBytes(sandbox.path("two")), resultBytes(sandbox.path("one")));
  await embed("three", "--no-cache");
  assert.equal(countsOf(sandbox.path("three")).computed, 50);

  // Other parameters are other results.
  await embed("layer", "--layer", "1");
  assert.equal(countsOf(sandbox.path("layer")).computed, 50);
  // A cache elsewhere knows nothing.
  await embed("elsewhere", "--cache-dir", sandbox.path("other cache"));
  assert.equal(countsOf(sandbox.path("elsewhere")).computed, 50);
  assert.ok(readdirSync(sandbox.path("other cache")).includes("results"));
});

test("the cache is listed, verified and pruned; damage is found and costs only itself", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences));
  const fleet = ["--address", await sandbox.startFleet(ONE)];
  const embed = (name: string) =>
    sandbox.expect(0, ["embed", "a.fasta", "-o", name, "-m", TINY_MODEL, ...fleet]);
  await embed("one");
  const verify = await sandbox.expect(0, ["cache", "verify"]);
  assert.match(verify.stdout, /^\d+ shards, 50 rows, 0 damaged$/m);

  const results = sandbox.path("cache", "results", "embed");
  const [space] = readdirSync(results);
  const shard = readdirSync(join(results, space!)).find((name) => name.endsWith(".shard"));
  const path = join(results, space!, shard!);
  const bytes = readFileSync(path);
  bytes[bytes.length - 300]! ^= 0xff;
  // The run's folder may share the file: the cache gets one of its own.
  rmSync(path);
  writeFileSync(path, bytes);
  const damaged = await sandbox.expect(65, ["cache", "verify"]);
  assert.match(damaged.stdout, /[1-9]\d* damaged/);
  assert.match((await sandbox.expect(0, ["cache", "verify"])).stdout, /0 damaged/);
  await embed("two");
  assert.deepEqual(resultBytes(sandbox.path("two")), resultBytes(sandbox.path("one")));

  const { stdout: kept } = await sandbox.expect(0, ["cache", "prune", "--max-size", "1GB"]);
  assert.match(kept, /^0 shards/);
  const { stdout: pruned } = await sandbox.expect(0, [
    ...["cache", "prune", "--max-size", "0", "--force", "--json"],
  ]);
  assert.equal((JSON.parse(pruned) as { leftBytes: number }).leftBytes, 0);
  await embed("three");
  assert.equal(countsOf(sandbox.path("three")).computed, 50);
  // A run's own folder needs no cache.
  rmSync(sandbox.path("cache"), { recursive: true });
  await embed("three");
  assert.equal(countsOf(sandbox.path("three")).computed, 0);
  await sandbox.expect(64, ["cache", "prune"]);
  await sandbox.expect(64, ["cache", "prune", "--max-size", "much"]);
});
