/** Shards: durable appends, and scans that never trust a byte too many. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import { RaysidueError } from "../base/errors.ts";
import { keyOf, payloadOf, rowsOf } from "./rows.fixture.ts";
import { encodeSegment, SEGMENT_HEADER_BYTES } from "./segment.ts";
import { type ScanStop, type Segment, scanShard } from "./shard-scan.ts";
import { ShardWriter } from "./shard-writer.ts";
import { mountTmpfs } from "./tmpfs.fixture.ts";

const folder = await mkdtemp(join(tmpdir(), "raysidue-shard-"));
after(() => rm(folder, { recursive: true }));

async function scan(path: string): Promise<{ segments: Segment[]; stop: ScanStop | undefined }> {
  const segments: Segment[] = [];
  let stop: ScanStop | undefined;
  for await (const found of scanShard(path)) {
    assert.equal(stop, undefined, "nothing comes after a stop");
    if (found.type === "segment") segments.push(found);
    else stop = found;
  }
  return { segments, stop };
}

/** Checks rows `0 ..` of a scan against what rowsOf makes; returns how many there were. */
function checkRows(segments: readonly Segment[], bytes: Buffer, sizeMax = 40): number {
  let row = 0;
  for (const segment of segments) {
    let at = segment.payloadOffset;
    for (let i = 0; i < segment.sizes.length; i++) {
      const payload = bytes.subarray(at, at + segment.sizes[i]!);
      assert(segment.keys.subarray(i * 32, i * 32 + 32).equals(keyOf(row)), `key of row ${row}`);
      assert(payload.equals(payloadOf(row, sizeMax)), `payload of row ${row}`);
      assert.equal(segment.crcs[i], crc32(payload));
      at += segment.sizes[i]!;
      row++;
    }
    assert.equal(at, segment.endOffset);
  }
  return row;
}

/** A shard of three segments, and where each ends. */
async function smallShard(name: string): Promise<{ bytes: Buffer; ends: number[] }> {
  const writer = await ShardWriter.open(folder, name);
  const ends: number[] = [];
  for (const [first, count] of [
    [0, 3],
    [3, 1],
    [4, 4],
  ] as const) {
    await writer.append(rowsOf(first, count));
    ends.push(writer.sizeBytes);
  }
  await writer.close();
  return { bytes: await readFile(writer.path), ends };
}

test("appends come back in order with their places, however many wait at once", async () => {
  const writer = await ShardWriter.open(folder, "order.shard");
  const places = await Promise.all(
    Array.from({ length: 200 }, (_, i) => writer.append(rowsOf(i * 5, 5))),
  );
  await Promise.all([writer.close(), writer.close()]);
  const { segments, stop } = await scan(writer.path);
  assert.equal(stop, undefined);
  assert.equal(writer.sizeBytes, (await stat(writer.path)).size);
  assert.deepEqual(
    places,
    segments.map(({ segmentOffset, payloadOffset }) => ({ segmentOffset, payloadOffset })),
  );
  assert.equal(checkRows(segments, await readFile(writer.path)), 1000);
  assert.throws(() => writer.append(rowsOf(0, 1)), /append after close/);
});

test("a payload larger than a read comes back row by row", async () => {
  const writer = await ShardWriter.open(folder, "large.shard");
  await writer.append(rowsOf(0, 400, 20_000)); // 4 MB
  await writer.append(rowsOf(400, 2, 20_000));
  await writer.close();
  const { segments, stop } = await scan(writer.path);
  assert.equal(stop, undefined);
  assert.equal(checkRows(segments, await readFile(writer.path), 20_000), 402);
});

test("a shard cut at any byte keeps every whole segment and says what was ignored", async () => {
  const { bytes, ends } = await smallShard("cut.shard");
  const path = join(folder, "cut-copy.shard");
  await writeFile(path, bytes);
  for (let size = bytes.length; size >= 0; size--) {
    await truncate(path, size);
    const whole = ends.filter((end) => end <= size);
    const { segments, stop } = await scan(path);
    assert.deepEqual(
      segments.map((segment) => segment.endOffset),
      whole,
    );
    checkRows(segments, bytes);
    const offset = whole.at(-1) ?? 0;
    const expected =
      size === offset ? undefined : { type: "torn", offset, ignoredBytes: size - offset };
    assert.deepEqual(stop, expected, `cut at ${size}`);
  }
});

test("a flipped bit at any byte stops the trust at its segment", async () => {
  const { bytes, ends } = await smallShard("flip.shard");
  const path = join(folder, "flip-copy.shard");
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1 << (at % 8);
    await writeFile(path, changed);
    const { segments, stop } = await scan(path);
    const before = ends.filter((end) => end <= at);
    assert.equal(segments.length, before.length, `flip at ${at}`);
    checkRows(segments, bytes);
    assert.equal(stop?.type, "damaged");
    assert.equal(stop.offset, before.at(-1) ?? 0);
    assert.equal(stop.ignoredBytes, bytes.length - stop.offset);
  }
});

test("zeros behind the last segment are a torn tail, garbage is damage", async () => {
  const { bytes } = await smallShard("zeros.shard");
  const path = join(folder, "zeros-copy.shard");
  await writeFile(path, Buffer.concat([bytes, Buffer.alloc(2_000_000)]));
  assert.deepEqual((await scan(path)).stop, {
    type: "torn",
    offset: bytes.length,
    ignoredBytes: 2_000_000,
  });
  await writeFile(path, Buffer.concat([bytes, Buffer.alloc(1000), Buffer.from("x")]));
  assert.equal((await scan(path)).stop?.type, "damaged");
});

test("a header that lies about its sizes is refused before memory is taken", async () => {
  const path = join(folder, "lies.shard");
  const segment = Buffer.concat(encodeSegment(rowsOf(0, 3)));
  const lie = async (change: (header: Buffer) => void) => {
    const bytes = Buffer.from(segment);
    change(bytes);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, SEGMENT_HEADER_BYTES - 4)), 36);
    await writeFile(path, bytes);
    const { segments, stop } = await scan(path);
    assert.equal(segments.length, 0);
    return stop?.type;
  };
  assert.equal(await lie((bytes) => bytes.writeUInt32LE(0xffff_ffff, 8)), "damaged");
  assert.equal(await lie((bytes) => bytes.writeUInt32LE(0, 8)), "damaged");
  assert.equal(await lie((bytes) => bytes.writeUInt32LE(2, 8)), "damaged");
  assert.equal(await lie((bytes) => bytes.writeUInt32LE(1 << 20, 8)), "torn");
  assert.equal(await lie((bytes) => bytes.writeBigUInt64LE(2n ** 60n, 16)), "damaged");
  assert.equal(await lie((bytes) => bytes.writeBigUInt64LE(1n, 16)), "damaged");
  assert.equal(await lie((bytes) => bytes.writeUInt16LE(9, 4)), "damaged");
});

test("names that are no plain shard names are refused, and so is a second writer", async () => {
  const isBadInput = (thrown: unknown) =>
    thrown instanceof RaysidueError && thrown.code === "bad-input";
  const bad = [
    "",
    ".shard",
    "../a.shard",
    "a/b.shard",
    "a\\b.shard",
    "a.idx",
    "a.shard\n",
    "ä.shard",
  ];
  for (const name of [...bad, `${"a".repeat(300)}.shard`, "a\0.shard", "a.shard/.."]) {
    await assert.rejects(ShardWriter.open(folder, name), isBadInput, name);
  }
  const writer = await ShardWriter.open(folder, "twice.shard");
  await assert.rejects(ShardWriter.open(folder, "twice.shard"), /exists already/);
  await writer.close();
  await assert.rejects(ShardWriter.open(join(folder, "absent"), "a.shard"), RaysidueError);
});

test("a full disk rejects the append, leaves no torn tail, and may be freed", async (t) => {
  const small = mountTmpfs(256);
  if (typeof small === "string") return t.skip(small);
  try {
    await writeFile(join(small.folder, "ballast"), Buffer.alloc(100_000));
    const writer = await ShardWriter.open(small.folder, "full.shard");
    let rows = 0;
    let failure: unknown;
    while (failure === undefined) {
      await writer.append(rowsOf(rows, 10, 2000)).then(
        () => {
          rows += 10;
        },
        (thrown: unknown) => {
          failure = thrown;
        },
      );
    }
    assert(failure instanceof RaysidueError);
    assert.equal(failure.code, "try-again");
    assert.match(failure.message, /full\.shard.*disk is full/);
    assert(rows > 0);
    assert.equal((await stat(writer.path)).size, writer.sizeBytes);
    await rm(join(small.folder, "ballast"));
    await writer.append(rowsOf(rows, 10, 2000));
    await writer.close();
    const { segments, stop } = await scan(writer.path);
    assert.equal(stop, undefined);
    assert.equal(checkRows(segments, await readFile(writer.path), 2000), rows + 10);
  } finally {
    small.unmount();
  }
});

test("what append resolved for survives kill -9 in mid-append", async () => {
  const program = fileURLToPath(new URL("./appender.fixture.js", import.meta.url));
  for (let round = 0; round < 4; round++) {
    const name = `killed-${round}.shard`;
    const child = spawn(process.execPath, [program, folder, name], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let durable = 0;
    for await (const line of createInterface(child.stdout)) {
      durable = Number(line);
      // The kill lands somewhere in the appends that follow; lines still in the pipe count too.
      if (durable >= 3 * 64 * (round + 1)) child.kill("SIGKILL");
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    assert.equal(child.signalCode, "SIGKILL");
    const { segments, stop } = await scan(join(folder, name));
    assert.notEqual(stop?.type, "damaged");
    assert(checkRows(segments, await readFile(join(folder, name)), 4000) >= durable);
    assert(durable > 0);
  }
});
