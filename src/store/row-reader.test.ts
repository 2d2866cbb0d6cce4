import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { crc32 } from "node:zlib";
import { DescriptorCache } from "./descriptor-cache.ts";
import { readRows } from "./row-reader.ts";

const folder = await mkdtemp(join(tmpdir(), "raysidue-rows-"));
const descriptors = new DescriptorCache(4);
after(async () => {
  await descriptors.close();
  await rm(folder, { recursive: true });
});

const files = [randomBytes(3 << 20), randomBytes(1 << 20)];
const paths = files.map((_, shard) => join(folder, `${shard}`));
for (const [shard, bytes] of files.entries()) await writeFile(paths[shard]!, bytes);

/** Rows of 64 bytes, so many bytes from one to the next, of both files in turns. */
function placesOf(count: number, strideBytes: number) {
  const shards = Int32Array.from({ length: count }, (_, i) => i % 2);
  const offsets = Float64Array.from(
    { length: count },
    // Backwards, so that the order asked for is not the order in the file.
    (_, i) => strideBytes * (Math.floor((count - 1) / 2) - Math.floor(i / 2)),
  );
  const sizes = new Uint32Array(count).fill(64);
  const crcs = Uint32Array.from(shards, (shard, i) =>
    crc32(files[shard]!.subarray(offsets[i], offsets[i]! + 64)),
  );
  return { shards, offsets, sizes, crcs };
}

for (const [what, strideBytes] of [
  ["one after another", 64],
  ["scattered", 20_000],
  ["far apart", 100_000],
] as const) {
  test(`rows ${what} come in the order asked for, and keep little more than themselves`, async () => {
    const places = placesOf(20, strideBytes);
    const rows = await readRows(descriptors, (shard) => paths[shard]!, places);
    assert.equal(rows.length, 20);
    for (const [i, row] of rows.entries()) {
      const offset = places.offsets[i]!;
      assert(row.equals(files[places.shards[i]!]!.subarray(offset, offset + 64)), `row ${i}`);
    }
    const kept = new Set(rows.map((row) => row.buffer));
    const keptBytes = [...kept].reduce((sum, buffer) => sum + buffer.byteLength, 0);
    // Small buffers share slabs of Node's own.
    assert(keptBytes <= 2 * Buffer.poolSize, `${keptBytes} bytes are kept for 20 rows of 64`);
  });
}

test("a wrong checksum among scattered rows is told", async () => {
  const places = placesOf(20, 20_000);
  places.crcs[7]! ^= 1;
  await assert.rejects(
    readRows(descriptors, (shard) => paths[shard]!, places),
    /1, offset 120000: checksum differs/,
  );
});
