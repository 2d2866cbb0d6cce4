import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { rowsOf } from "./rows.fixture.ts";
import { scanShard } from "./shard-scan.ts";
import { ShardSink } from "./shard-sink.ts";

test("appends at once roll over to new shards, each row durable where it was reported", async () => {
  const folder = await mkdtemp(join(tmpdir(), "raysidue-sink-"));
  const sink = new ShardSink(folder, { rowsMax: 25, bytesMax: 1 << 20 });
  // Sizes differ, so that one append still fits a shard where the one after it does not.
  const sizes = Array.from({ length: 60 }, (_, i) => 1 + ((i * 7) % 20));
  const places = await Promise.all(sizes.map((count, i) => sink.append(rowsOf(i * 100, count))));
  // A segment that is larger than a shard should be gets one of its own.
  await sink.append(rowsOf(0, 100));
  await sink.close();
  await sink.close();

  const found = new Map<string, number>();
  for (const shard of await readdir(folder)) {
    let rows = 0;
    let segments = 0;
    for await (const segment of scanShard(join(folder, shard))) {
      assert(segment.type === "segment");
      found.set(`${shard} ${segment.segmentOffset}`, segment.sizes.length);
      rows += segment.sizes.length;
      segments++;
    }
    assert(rows <= 25 || segments === 1, `${shard}: ${rows} rows in ${segments} segments`);
  }
  assert.equal(found.size, sizes.length + 1);
  for (const [i, { shard, segmentOffset }] of places.entries()) {
    assert.equal(found.get(`${shard} ${segmentOffset}`), sizes[i]);
  }
  await rm(folder, { recursive: true });
});
