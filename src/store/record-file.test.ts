/** RecordFile and PartitionedRecords: tables on disk. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { RaysidueError } from "../base/errors.ts";
import { itemDigest } from "./content-key.ts";
import { PartitionedRecords } from "./partitioned-records.ts";
import { RecordFile } from "./record-file.ts";

const folder = mkdtempSync(join(tmpdir(), "raysidue-table-"));
after(() => rmSync(folder, { recursive: true }));

function record(value: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeDoubleLE(value);
  return bytes;
}

test("records are read back across buffer, file and reopening", () => {
  const path = join(folder, "table");
  const table = RecordFile.create(path, 12);
  const count = 50_000; // 600 kB: more than two buffers
  for (let i = 0; i < count; i++) assert.equal(table.append(record(i)), i);
  for (const i of [0, 1, 21_844, 21_845, count - 1]) assert.deepEqual(table.read(i), record(i));
  table.write(3, record(-3));
  table.write(count - 1, record(-1));
  const check = (each: RecordFile) => {
    let next = 0;
    for (const { first, count: rows, bytes } of each.scan()) {
      assert.equal(first, next);
      for (let i = 0; i < rows; i++) {
        const expected = next === 3 ? -3 : next === count - 1 ? -1 : next;
        assert.equal(bytes.readDoubleLE(i * 12), expected);
        next++;
      }
    }
    assert.equal(next, count);
  };
  check(table);
  assert.throws(() => table.read(count));
  assert.throws(() => table.write(-1, record(0)));
  assert.throws(() => table.append(Buffer.alloc(11)));
  table.close();
  table.close();
  assert.throws(() => RecordFile.create(path, 12), RaysidueError);
  const again = RecordFile.open(path, 12);
  check(again);
  assert.equal(again.append(record(5)), count);
  assert.deepEqual(again.read(count), record(5));
  again.close();
  truncateSync(path, 13);
  assert.throws(
    () => RecordFile.open(path, 12),
    (thrown) => thrown instanceof RaysidueError && thrown.code === "bad-input",
  );
});

test("partitions hold their records in order and equal ones meet", () => {
  const records = new PartitionedRecords(join(folder, "parts"), 40);
  const expected = new Map<number, Buffer[]>();
  // Few partitions get many records, so that they outgrow their buffers.
  for (let i = 0; i < 40_000; i++) {
    const digest = itemDigest(Buffer.from(String(i % 30_000)));
    digest[0] = digest[0]! % 16;
    const bytes = Buffer.concat([digest, record(i).subarray(0, 8)]);
    records.append(bytes);
    const list = expected.get(digest[0]) ?? [];
    expected.set(digest[0], list);
    list.push(bytes);
  }
  assert.equal(records.count(), 40_000);
  for (let partition = 0; partition < 256; partition++) {
    const wanted = Buffer.concat(expected.get(partition) ?? []);
    assert(records.read(partition).equals(wanted), `partition ${partition}`);
  }
  records.append(Buffer.alloc(40));
  assert.equal(records.read(0).length, Buffer.concat(expected.get(0)!).length + 40);
  records.clear(0);
  assert.equal(records.count(0), 0);
  assert.equal(records.read(0).length, 0);
  records.remove();
  assert.deepEqual(readdirSync(folder).includes("parts"), false);
});

test("a partition that was cut short is noticed, not filled with zeros", () => {
  const records = new PartitionedRecords(join(folder, "cut"), 40);
  for (let i = 0; i < 2000; i++) records.append(Buffer.alloc(40, 1));
  records.read(1);
  truncateSync(join(folder, "cut", "01.part"), 40);
  assert.throws(() => records.read(1), /cut short/);
  records.remove();
});

test("part of a record and a scanned chunk are overwritten in place", () => {
  using table = RecordFile.create(join(folder, "patched"), 4);
  for (let i = 0; i < 3; i++) table.append(Buffer.from([i, 0, 0, i]));
  table.patch(1, 1, Buffer.from([7, 8])); // still in the buffer
  for (const chunk of table.scan()) {
    chunk.bytes[0] = 9;
    table.rewrite(chunk);
  }
  table.patch(2, 3, Buffer.from([5])); // in the file
  const all = [0, 1, 2].map((i) => [...table.read(i)]);
  assert.deepEqual(all, [
    [9, 0, 0, 0],
    [1, 7, 8, 1],
    [2, 0, 0, 5],
  ]);
  assert.throws(() => table.patch(0, 3, Buffer.from([1, 2])));
});
