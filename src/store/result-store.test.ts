/** Finding and reading rows in a folder of shards. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  appendFile,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { RaysidueError } from "../base/errors.ts";
import { KEY_BYTES } from "./content-key.ts";
import { lookupInIndex, sliceKeys } from "./index-lookup.ts";
import { sortedKeyOrder } from "./key-order.ts";
import { ResultStore } from "./result-store.ts";
import { payloadOf, rowsOf, sortedKeysOf } from "./rows.fixture.ts";
import { buildIndex, ensureIndex, indexPath, memorySource } from "./shard-index.ts";
import { ShardWriter } from "./shard-writer.ts";

const root = await mkdtemp(join(tmpdir(), "raysidue-store-"));
after(() => rm(root, { recursive: true }));

let folders = 0;
async function newFolder(): Promise<string> {
  const folder = join(root, `store-${folders++}`);
  await mkdir(folder);
  return folder;
}

async function writeShard(folder: string, name: string, first: number, count: number) {
  const writer = await ShardWriter.open(folder, name);
  for (let row = first; row < first + count; row += 50) {
    await writer.append(rowsOf(row, Math.min(50, first + count - row)));
  }
  await writer.close();
  return writer.path;
}

/** Looks rows up, checks that exactly those of `isPresent` are found, and reads them back. */
async function check(
  store: ResultStore,
  rows: readonly number[],
  isPresent: (row: number) => boolean,
) {
  const { keys, rows: asked } = sortedKeysOf(rows);
  const found = await store.lookup(keys);
  assert.deepEqual(
    asked.filter((_, i) => found.shards[i] !== -1),
    asked.filter(isPresent),
  );
  const hits = asked.map((_, i) => i).filter((i) => found.shards[i] !== -1);
  const payloads = await store.readMany({
    shards: Int32Array.from(hits, (i) => found.shards[i]!),
    offsets: Float64Array.from(hits, (i) => found.offsets[i]!),
    sizes: Uint32Array.from(hits, (i) => found.sizes[i]!),
    crcs: Uint32Array.from(hits, (i) => found.crcs[i]!),
  });
  for (const [at, i] of hits.entries()) {
    assert(payloads[at]!.equals(payloadOf(asked[i]!)), `row ${asked[i]}`);
  }
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

test("rows of several shards are found, absent ones are not, order does not matter", async () => {
  const folder = await newFolder();
  await writeShard(folder, "a.shard", 0, 300);
  await writeShard(folder, "b.shard", 250, 300); // 50 rows stand in both
  await writeFile(join(folder, "c.shard"), "");
  await writeFile(join(folder, "notes.txt"), "not a shard");
  for (const writable of [false, true, true]) {
    await using store = await ResultStore.open(folder, { writable });
    assert.deepEqual(store.shardNames, ["a.shard", "b.shard", "c.shard"]);
    assert.equal(store.rowCount, 600);
    await check(store, range(800), (row) => row < 550);
    await check(store, [3], () => true);
    await check(store, [900], () => false);
    await check(store, [], () => false);
    assert.deepEqual(store.warnings, []);
  }
  await stat(join(folder, "a.idx"));
  await using none = await ResultStore.open(join(folder, "absent"), { writable: false });
  await check(none, range(3), () => false);
});

test("a shard that is still written is read by place and found after it is opened again", async () => {
  const folder = await newFolder();
  await using store = await ResultStore.open(folder, { writable: true });
  const writer = await ShardWriter.open(folder, "live.shard");
  const shard = store.shardNumber("live.shard");
  assert.equal(store.shardNumber("live.shard"), shard);
  const rows = rowsOf(0, 5);
  const { payloadOffset } = await writer.append(rows);
  let offset = payloadOffset;
  for (let row = 0; row < 5; row++) {
    const size = Number(rows.sizes[row]);
    assert(payloadOf(row).equals(await store.read({ shard, offset, size })));
    offset += size;
  }
  assert.throws(() => store.shardNumber("../live.shard"), RaysidueError);
  await using early = await ResultStore.open(folder, { writable: true });
  await check(early, range(10), (row) => row < 5);
  await writer.append(rowsOf(5, 5));
  await writer.close();
  await using late = await ResultStore.open(folder, { writable: true });
  await check(late, range(12), (row) => row < 10);
});

test("an index that was changed anywhere never gives a wrong answer", async () => {
  const folder = await newFolder();
  const path = indexPath(await writeShard(folder, "a.shard", 0, 20));
  await ensureIndex(join(folder, "a.shard"));
  const good = await readFile(path);
  const places = [...range(48), ...range(60).map((i) => 2085 + i * 17), good.length - 1];
  for (const at of places) {
    const bad = Buffer.from(good);
    bad[at]! ^= 0x10;
    await writeFile(path, bad);
    await using store = await ResultStore.open(folder, { writable: true });
    await check(store, range(30), (row) => row < 20);
    assert((await readFile(path)).equals(good), `index was made again after a flip at ${at}`);
  }
  for (const size of [0, 10, 2095, 2096, good.length - 1]) {
    await writeFile(path, good.subarray(0, size));
    await using store = await ResultStore.open(folder, { writable: false });
    await check(store, range(30), (row) => row < 20);
  }
});

test("a torn or damaged shard gives the rows before the fault, and a warning", async () => {
  const folder = await newFolder();
  const path = await writeShard(folder, "a.shard", 0, 200);
  const { size } = await stat(path);
  await ensureIndex(path);
  await truncate(path, size - 1);
  await using torn = await ResultStore.open(folder, { writable: true });
  await check(torn, range(200), (row) => row < 150);
  assert.match(torn.warnings.join(), /a\.shard.*cut off/);
  await appendFile(path, "x");
  await using damaged = await ResultStore.open(folder, { writable: true });
  await check(damaged, range(200), (row) => row < 150);
  assert.match(damaged.warnings.join(), /a\.shard.*not trusted/);
});

test("a row whose bytes have changed since its index was made is refused", async () => {
  const folder = await newFolder();
  const path = await writeShard(folder, "a.shard", 0, 40);
  await using store = await ResultStore.open(folder, { writable: true });
  const { keys } = sortedKeysOf([5]);
  const found = await store.lookup(keys);
  const place = {
    shard: found.shards[0]!,
    offset: found.offsets[0]!,
    size: found.sizes[0]!,
    crc: found.crcs[0]!,
  };
  const file = await open(path, "r+");
  await file.write(Buffer.from("?"), 0, 1, place.offset);
  await file.close();
  await assert.rejects(store.read(place), (thrown) => {
    return thrown instanceof RaysidueError && /a\.shard.*checksum/.test(thrown.message);
  });
  await assert.rejects(store.read({ ...place, offset: 1e9 }), /ends before/);
  await assert.rejects(store.read({ ...place, shard: 7 }), /no shard 7/);
});

test("a row that was found stays readable when its shard is removed; others are absent", async () => {
  const folder = await newFolder();
  const a = await writeShard(folder, "a.shard", 0, 50);
  const b = await writeShard(folder, "b.shard", 50, 50);
  await using store = await ResultStore.open(folder, { writable: true });
  const found = await store.lookup(sortedKeysOf([7]).keys);
  for (const path of [a, b]) {
    await rm(path);
    await rm(indexPath(path));
  }
  const payload = await store.read({
    shard: found.shards[0]!,
    offset: found.offsets[0]!,
    size: found.sizes[0]!,
  });
  assert(payload.equals(payloadOf(7)));
  assert.equal((await store.lookup(sortedKeysOf([60]).keys)).shards[0], -1);
});

test("more shards than descriptors are read from", async () => {
  const folder = await newFolder();
  for (let shard = 0; shard < 150; shard++) await writeShard(folder, `s${shard}.shard`, shard, 1);
  await using store = await ResultStore.open(folder, { writable: true });
  await check(store, range(160), (row) => row < 150);
});

/** A shard of `count` rows of 8 bytes with random keys. */
async function writeMany(folder: string, count: number): Promise<Buffer> {
  const keys = randomBytes(count * KEY_BYTES);
  const writer = await ShardWriter.open(folder, `many-${folders++}.shard`);
  const rows = 100_000;
  for (let first = 0; first < count; first += rows) {
    await writer.append({
      keys: keys.subarray(first * KEY_BYTES, (first + rows) * KEY_BYTES),
      sizes: new Uint32Array(rows).fill(8),
      payload: Buffer.alloc(rows * 8, 1),
    });
  }
  await writer.close();
  return keys;
}

test("a million keys are looked up in seconds, a slice at a time in bounded memory", async (t) => {
  const folder = await newFolder();
  const half = 500_000;
  const keys = Buffer.concat([await writeMany(folder, half), await writeMany(folder, half)]);
  const order = sortedKeyOrder(keys);
  const sorted = Buffer.alloc(keys.length);
  for (let i = 0; i < order.length; i++) {
    keys.copy(sorted, i * KEY_BYTES, order[i]! * KEY_BYTES, (order[i]! + 1) * KEY_BYTES);
  }
  await using store = await ResultStore.open(folder, { writable: true });
  const started = performance.now();
  const slice = 65_536 * KEY_BYTES;
  let hits = 0;
  for (let at = 0; at < sorted.length; at += slice) {
    const found = await store.lookup(sorted.subarray(at, at + slice));
    hits += found.shards.filter((shard) => shard >= 0).length;
  }
  const seconds = (performance.now() - started) / 1000;
  t.diagnostic(`${hits} keys of ${store.rowCount} rows in ${seconds.toFixed(2)} s`);
  assert.equal(hits, 2 * half);
  assert(seconds < 5, `${seconds} s`);
});

test("a lookup reads the entries that share a first byte with a key, in pieces of a MiB", async () => {
  const folder = await newFolder();
  await writeMany(folder, 200_000);
  const built = await buildIndex(join(folder, `many-${folders - 1}.shard`));
  const reads: number[] = [];
  const source = async (target: Buffer, position: number) => {
    reads.push(target.length);
    await memorySource(built.bytes)(target, position);
  };
  const lookup = (keys: Buffer) => {
    const count = keys.length / KEY_BYTES;
    reads.length = 0;
    return lookupInIndex({ header: built.header, source, number: 0 }, sliceKeys(keys), {
      shards: new Int32Array(count).fill(-1),
      offsets: new Float64Array(count),
      sizes: new Uint32Array(count),
      crcs: new Uint32Array(count),
    });
  };
  await lookup(Buffer.alloc(KEY_BYTES, 0x80));
  const own = built.header.ends[0x80]! - built.header.ends[0x7f]!;
  assert.deepEqual(reads, [own * 48]);
  await lookup(Buffer.concat(range(256).map((byte) => Buffer.alloc(KEY_BYTES, byte))));
  assert.equal(
    reads.reduce((sum, size) => sum + size),
    built.header.rowCount * 48,
  );
  assert(reads.every((size) => size <= 1 << 20));
});
