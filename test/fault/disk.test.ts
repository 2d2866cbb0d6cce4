/**
 * Disks that are full or read-only.
 *
 * Proves: one line that says so, the right exit code, no output that looks finished, and a run that
 * goes on when there is room. Needs the right to mount; skips aloud without.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { mountTmpfs } from "../../src/store/tmpfs.fixture.ts";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { assertNoOutput, readReport } from "../support/outputs.ts";
import { Sandbox } from "../support/sandbox.ts";

/** A small file system, removed after the test; undefined where it cannot be had. */
function smallDisk(context: TestContext, sizeKib: number): string | undefined {
  const mounted = mountTmpfs(sizeKib);
  if (typeof mounted === "string") {
    context.skip(mounted);
    return undefined;
  }
  context.after(mounted.unmount);
  return mounted.folder;
}

const remount = (folder: string, options: string) =>
  execFileSync("mount", ["-o", `remount,${options}`, folder], { stdio: "pipe" });

/** 1.6 MB of results as residues; 200 KB of letters. */
const sequences = randomSequences(400, { from: 40, to: 60, seed: 51 });
const RESIDUES = ["-m", "emulate", "--pool", "none", "--per-residue", "--no-cache"];

test("a full disk under the results: try again; with room it goes on", async (context) => {
  const disk = smallDisk(context, 1200);
  if (disk === undefined) return;
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences));
  const out = join(disk, "out");
  const embed = ["embed", "a.fasta", "-o", out, ...RESIDUES, "--emulate", "speed=50"];
  const { stderr, stdout } = await sandbox.expect(75, embed);
  assert.match(
    stderr.trim().split("\n").at(-1)!,
    /the disk is full; free some space and run the same/,
  );
  assert.equal(stdout, "");
  assertNoOutput(out);

  remount(disk, "size=32m");
  await sandbox.expect(0, embed);
  const { cached, computed, distinct, failed } = readReport(out).counts;
  assert.deepEqual([distinct, failed], [400, 0]);
  assert.ok(cached! > 0, "what was durable before the disk was full was computed again");
  assert.equal(cached! + computed!, 400);
});

test("a disk that is full when the output is written: what stood there before stays", async (context) => {
  const disk = smallDisk(context, 32_768);
  if (disk === undefined) return;
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 10)));
  const out = join(disk, "out");
  const embed = ["embed", "a.fasta", "-o", out, ...RESIDUES];
  await sandbox.expect(0, embed);
  const before = readReport(out);
  sandbox.write("a.fasta", fastaOf(sequences));
  // Results come from the shards; only the tables have no room.
  await sandbox.expect(0, embed);
  sandbox.write("a.fasta", fastaOf([...sequences].reverse()));
  fill(disk);
  const { stderr } = await sandbox.expect(75, embed);
  assert.match(stderr, /the disk is full/);
  assert.notDeepEqual(readReport(out).counts, before.counts);
  assert.equal(readReport(out).counts.rows, 400);
  rmSync(join(disk, "filler"));
  await sandbox.expect(0, embed);
  assert.equal(readReport(out).counts.computed, 0);
});

function fill(disk: string): void {
  let size = 16 << 20;
  while (size >= 4096) {
    try {
      writeFileSync(join(disk, "filler"), Buffer.alloc(size), { flag: "a" });
    } catch {
      size >>= 1;
    }
  }
}

test("a full disk under the cache is said, and costs the cache only", async (context) => {
  const disk = smallDisk(context, 300);
  if (disk === undefined) return;
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences));
  const flags = ["-m", "emulate", "--pool", "none", "--per-residue", "--cache-dir", disk];
  const { stderr } = await sandbox.expect(0, ["embed", "a.fasta", "-o", "out", ...flags]);
  assert.match(stderr, /disk is full/);
  assert.equal(readReport(sandbox.path("out")).counts.rows, 400);
  await sandbox.expect(0, ["cache", "verify", "--cache-dir", disk]);
});

test("a read-only output folder: unavailable, and said before anything is computed", async (context) => {
  const disk = smallDisk(context, 1024);
  if (disk === undefined) return;
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences));
  mkdirSync(join(disk, "empty"));
  remount(disk, "ro");
  for (const name of ["new", "empty"]) {
    const out = join(disk, name);
    const { stderr } = await sandbox.expect(69, ["embed", "a.fasta", "-o", out, "-m", "emulate"]);
    const last = stderr.trim().split("\n").at(-1)!;
    assert.ok(last.includes(out) && /read-only; choose a folder/.test(last), last);
    assert.ok(!/plan:/.test(stderr), stderr);
  }
  assert.deepEqual(readdirSync(disk), ["empty"]);
});

test("a read-only cache is read and not written", async (context) => {
  const disk = smallDisk(context, 8192);
  if (disk === undefined) return;
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 20)));
  const embed = (name: string) => [
    "embed",
    "a.fasta",
    "-o",
    name,
    "-m",
    "emulate",
    "--cache-dir",
    disk,
  ];
  await sandbox.expect(0, embed("one"));
  remount(disk, "ro");
  await sandbox.expect(0, embed("two"));
  assert.equal(readReport(sandbox.path("two")).counts.cached, 20);
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 25)));
  const { stderr } = await sandbox.expect(0, embed("three"));
  assert.match(stderr, /read-only/);
  assert.equal(readReport(sandbox.path("three")).counts.computed, 5);
  assert.ok(existsSync(sandbox.path("three", "index.tsv")));
});
