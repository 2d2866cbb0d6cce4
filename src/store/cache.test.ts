/** The cache that runs share: publishing, verifying, pruning, and what goes wrong. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import {
  appendFile,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { RaysidueError } from "../base/errors.ts";
import { openSpace, publish } from "./cache.ts";
import { defaultCacheFolder, spaceFolder } from "./cache-folder.ts";
import { listSpaces, PROTECT_MS, pruneCache, verifyCache } from "./cache-upkeep.ts";
import { payloadOf, rowsOf, sortedKeysOf } from "./rows.fixture.ts";
import { indexPath } from "./shard-index.ts";
import { ShardWriter } from "./shard-writer.ts";
import { sampleSpace } from "./space.fixture.ts";
import { mountTmpfs } from "./tmpfs.fixture.ts";

const base = await mkdtemp(join(tmpdir(), "raysidue-cache-"));
after(() => rm(base, { recursive: true }));

let folders = 0;
async function newFolder(): Promise<string> {
  const folder = join(base, `folder-${folders++}`);
  await mkdir(folder);
  return folder;
}

async function writeShard(folder: string, name: string, first: number, count: number) {
  const writer = await ShardWriter.open(folder, name);
  await writer.append(rowsOf(first, count));
  await writer.close();
  return writer.path;
}

/** How many of rows `0 .. count - 1` the cache gives back, each checked byte for byte. */
async function countRows(root: string, count: number): Promise<number> {
  await using store = await openSpace(root, sampleSpace);
  const { keys, rows } = sortedKeysOf(Array.from({ length: count }, (_, i) => i));
  const found = await store.lookup(keys);
  let hits = 0;
  for (const [i, row] of rows.entries()) {
    if (found.shards[i] === -1) continue;
    hits++;
    const payload = await store.read({
      shard: found.shards[i]!,
      offset: found.offsets[i]!,
      size: found.sizes[i]!,
      crc: found.crcs[i]!,
    });
    assert(payload.equals(payloadOf(row)));
  }
  return hits;
}

const isClean = (names: readonly string[]) => names.every((name) => !name.endsWith(".tmp"));

test("published shards are links that a later run finds, and publishing again changes nothing", async () => {
  const [root, folder] = [join(base, "linked"), await newFolder()];
  const source = await writeShard(folder, "a.shard", 0, 10);
  await writeShard(folder, "b.shard", 10, 10);
  await writeFile(join(folder, "empty.shard"), "");
  const report = await publish(root, sampleSpace, folder);
  assert.deepEqual(report, { published: 2, skipped: 1, warnings: [] });
  const again = await publish(root, sampleSpace, folder, ["a.shard"]);
  assert.deepEqual(again, { published: 0, skipped: 1, warnings: [] });
  assert.equal((await stat(source)).nlink, 2);
  await rm(folder, { recursive: true });
  assert.equal(await countRows(root, 30), 20);
  const other = { ...sampleSpace, parameters: "{}" };
  await using elsewhere = await openSpace(root, other);
  assert.equal(elsewhere.rowCount, 0);
  const [summary] = await listSpaces(root);
  const space = spaceFolder(root, sampleSpace);
  const { kind, model, parameters } = sampleSpace;
  const { lastUsedAt, sizeBytes, ...rest } = summary!;
  assert.deepEqual(rest, { kind, model, parameters, folder: space, shardCount: 2, rowCount: 20 });
  assert(Math.abs(Date.now() - lastUsedAt) < 60_000);
  const names = (await readdir(space)).filter((name) => name !== "space.json");
  assert.equal(names.length, 4);
  assert.equal(
    sizeBytes,
    names.reduce((sum, name) => sum + statSync(join(space, name)).size, 0),
  );
});

test("across file systems shards are copied whole", async (t) => {
  const small = mountTmpfs(4096);
  if (typeof small === "string") return t.skip(small);
  try {
    const folder = await newFolder();
    const source = await writeShard(folder, "a.shard", 0, 500);
    const report = await publish(small.folder, sampleSpace, folder);
    assert.deepEqual(report, { published: 1, skipped: 0, warnings: [] });
    assert.equal((await stat(source)).nlink, 1);
    assert.equal(await countRows(small.folder, 500), 500);
    assert(isClean(await readdir(spaceFolder(small.folder, sampleSpace))));
  } finally {
    small.unmount();
  }
});

test("one bad shard does not keep the others out of the cache", async () => {
  const [root, folder] = [join(base, "partial"), await newFolder()];
  const damaged = await writeShard(folder, "a.shard", 0, 10);
  const torn = await writeShard(folder, "b.shard", 10, 10);
  await writeShard(folder, "c.shard", 20, 10);
  await appendFile(damaged, "x".repeat(100));
  await appendFile(torn, "x");
  const report = await publish(root, sampleSpace, folder, [
    "a.shard",
    "b.shard",
    "gone.shard",
    "c.shard",
  ]);
  assert.equal(report.published, 2);
  assert.equal(report.warnings.length, 2);
  assert.match(report.warnings[0]!, /a\.shard.*not trusted/);
  assert.match(report.warnings[1]!, /gone\.shard.*no such file/);
  assert.equal(await countRows(root, 30), 20);
});

test("a full or unusable cache is a warning and leaves nothing half-written", async (t) => {
  const folder = await newFolder();
  await writeShard(folder, "a.shard", 0, 5000);
  const file = join(await newFolder(), "file");
  await writeFile(file, "no folder");
  const blocked = await publish(file, sampleSpace, folder);
  assert.equal(blocked.published, 0);
  assert.match(blocked.warnings.join(), /cache/);
  await using store = await openSpace(file, sampleSpace);
  assert.equal(store.rowCount, 0);
  assert.match(store.warnings.join(), /cache not used/);

  const small = mountTmpfs(128);
  if (typeof small === "string") return t.skip(small);
  try {
    const full = await publish(small.folder, sampleSpace, folder);
    assert.equal(full.published, 0);
    assert.match(full.warnings.join(), /disk is full/);
    assert.deepEqual(await readdir(spaceFolder(small.folder, sampleSpace)), ["space.json"]);
  } finally {
    small.unmount();
  }
});

test("two processes that publish at once bring in each shard once", async () => {
  const [root, one, two] = [join(base, "shared"), await newFolder(), await newFolder()];
  for (let shard = 0; shard < 20; shard++) {
    await writeShard(one, `s${shard}.shard`, shard * 10, 10);
    // Half of what the second brings is equal, under another name; names clash for the rest.
    await writeShard(two, `s${shard}.shard`, (shard + 10) * 10, 10);
  }
  const program = fileURLToPath(new URL("./publisher.fixture.js", import.meta.url));
  const run = async (folder: string) => {
    const child = spawn(process.execPath, [program, root, folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    await once(child, "close");
    return JSON.parse(Buffer.concat(chunks).toString()) as {
      published: number;
      warnings: string[];
    };
  };
  const reports = await Promise.all([run(one), run(two), run(one)]);
  assert.deepEqual(
    reports.flatMap((report) => report.warnings),
    [],
  );
  assert.equal(
    reports.reduce((sum, report) => sum + report.published, 0),
    30,
  );
  assert.equal(await countRows(root, 400), 300);
  assert(isClean(await readdir(spaceFolder(root, sampleSpace))));
});

test("a publisher killed at any moment leaves a cache that works and can be completed", async () => {
  const [root, folder] = [join(base, "killed"), await newFolder()];
  for (let shard = 0; shard < 60; shard++) {
    await writeShard(folder, `s${shard}.shard`, shard * 5, 5);
  }
  const program = fileURLToPath(new URL("./publisher.fixture.js", import.meta.url));
  const space = spaceFolder(root, sampleSpace);
  for (const wanted of [1, 8, 25]) {
    const child = spawn(process.execPath, [program, root, folder], { stdio: "ignore" });
    const ended = once(child, "exit");
    while (child.exitCode === null && (await readdir(space).catch(() => [])).length < 2 * wanted) {
      await new Promise(setImmediate);
    }
    child.kill("SIGKILL");
    await ended;
    const shards = (await readdir(space)).filter((name) => name.endsWith(".shard"));
    assert.equal(await countRows(root, 300), shards.length * 5);
  }
  const { damaged, notes } = await verifyCache(root);
  assert.deepEqual({ damaged, notes }, { damaged: [], notes: [] });
  assert.deepEqual((await publish(root, sampleSpace, folder)).warnings, []);
  assert.equal(await countRows(root, 300), 300);
});

test("verify sets damaged shards aside and makes wrong indexes again", async () => {
  const [root, folder] = [join(base, "verified"), await newFolder()];
  for (let shard = 0; shard < 3; shard++) await writeShard(folder, `s${shard}.shard`, shard * 9, 9);
  await publish(root, sampleSpace, folder);
  assert.deepEqual(await verifyCache(root), {
    shardCount: 3,
    rowCount: 27,
    damaged: [],
    reindexed: 0,
    notes: [],
  });
  const space = spaceFolder(root, sampleSpace);
  const [first, second] = (await readdir(space)).filter((name) => name.endsWith(".shard"));
  const path = join(space, first!);
  const file = await open(path, "r+");
  await file.write(Buffer.from("?"), 0, 1, (await file.stat()).size - 1);
  await file.close();
  const index = indexPath(join(space, second!));
  const bytes = await readFile(index);
  bytes[bytes.length - 1]! ^= 1;
  await writeFile(index, bytes);
  const kept = await verifyCache(root, { quarantine: false });
  assert.deepEqual(kept.damaged, [path]);
  assert(existsSync(path));
  await writeFile(index, bytes);
  const report = await verifyCache(root);
  assert.deepEqual(report.damaged, [path]);
  assert.equal(report.reindexed, 1);
  assert.equal(report.rowCount, 18);
  assert.match(report.notes.join(), /checksum/);
  assert(existsSync(`${path}.damaged`) && !existsSync(path) && !existsSync(indexPath(path)));
  assert.equal(await countRows(root, 27), 18);
  assert.equal((await verifyCache(root)).damaged.length, 0);
});

test("prune removes the least recently used, spares what is in use, and sweeps", async () => {
  const [root, folder] = [join(base, "pruned"), await newFolder()];
  for (let shard = 0; shard < 4; shard++) await writeShard(folder, `s${shard}.shard`, shard * 9, 9);
  await publish(root, sampleSpace, folder);
  const space = spaceFolder(root, sampleSpace);
  const shards = (await readdir(space)).filter((name) => name.endsWith(".shard"));
  const old = Date.now() - 10 * PROTECT_MS;
  const sizes: number[] = [];
  for (const [i, name] of shards.entries()) {
    const path = join(space, name);
    await utimes(indexPath(path), old / 1000, old / 1000 + i);
    sizes.push((await stat(path)).size + (await stat(indexPath(path))).size);
  }
  // A run uses the oldest: its mark moves.
  await using store = await openSpace(root, sampleSpace);
  const oldest = store.shardNames.indexOf(shards[0]!);
  for (let row = 0; row < 36; row += 9) {
    await using probe = await openSpace(root, sampleSpace);
    const { shards: hit } = await probe.lookup(sortedKeysOf([row]).keys);
    const marked = Date.now() - (await stat(indexPath(join(space, shards[hit[0]!]!)))).mtimeMs;
    assert(marked < 60_000);
    // Undo for all but the oldest.
    const at = (old + hit[0]! * 1000) / 1000;
    if (hit[0] !== oldest) await utimes(indexPath(join(space, shards[hit[0]!]!)), at, at);
  }
  await writeFile(join(space, `.x.shard.1.aa.tmp`), "left by a kill");
  await utimes(join(space, `.x.shard.1.aa.tmp`), old / 1000, old / 1000);
  await writeFile(join(space, `.y.shard.1.aa.tmp`), "being written");
  await rename(join(space, shards[3]!), join(space, `${shards[3]}.damaged`));
  await utimes(indexPath(join(space, shards[3]!)), old / 1000, old / 1000);

  const total = sizes[0]! + sizes[1]! + sizes[2]!;
  const first = await pruneCache(root, { maxSizeBytes: total - 1 });
  assert.deepEqual(first, {
    removedShards: 1,
    removedBytes: sizes[1],
    leftBytes: sizes[0]! + sizes[2]!,
    protectedBytes: 0,
  });
  assert.deepEqual(
    (await readdir(space)).filter((name) => name !== "space.json").sort(),
    [
      ".y.shard.1.aa.tmp",
      shards[0],
      indexPath(shards[0]!),
      shards[2],
      indexPath(shards[2]!),
    ].sort(),
  );
  const second = await pruneCache(root, { maxSizeBytes: 0 });
  assert.equal(second.removedBytes, sizes[2]);
  assert.equal(second.protectedBytes, sizes[0]);
  const third = await pruneCache(root, { maxSizeBytes: 0, force: true });
  assert.equal(third.leftBytes, 0);
  assert.deepEqual(await listSpaces(root), []);
});

test("the cache's folders follow the environment and refuse hostile kinds", () => {
  assert.equal(defaultCacheFolder({ RAYSIDUE_CACHE_DIR: "/a/b", XDG_CACHE_HOME: "/x" }), "/a/b");
  assert.equal(defaultCacheFolder({ XDG_CACHE_HOME: "/x" }), "/x/raysidue");
  assert.match(defaultCacheFolder({ XDG_CACHE_HOME: "x" }), /\/\.cache\/raysidue$/);
  for (const kind of ["..", "a/b", "", "A", ".hidden", "x".repeat(65)]) {
    assert.throws(() => spaceFolder("/r", { ...sampleSpace, kind }), RaysidueError, kind);
  }
});
