import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { RaysidueError } from "../../base/errors.ts";
import { fromFloat16 } from "./float16.ts";
import {
  createHdf5Writer,
  createRaggedHdf5Writer,
  escapeName,
  type Hdf5Record,
  readHdf5,
  unescapeName,
} from "./hdf5.ts";
import { HOSTILE_IDS, someRagged, someTable } from "./table.fixture.ts";
import type { TableChunk } from "./table.ts";

const folder = await mkdtemp(join(tmpdir(), "raysidue-hdf5-"));
after(() => rm(folder, { recursive: true }));

async function all(path: string): Promise<Hdf5Record[]> {
  const records: Hdf5Record[] = [];
  for await (const record of readHdf5(path)) records.push(record);
  return records;
}

async function write(name: string, table: TableChunk): Promise<string> {
  const path = join(folder, name);
  const writer = await createHdf5Writer(path, table.columns);
  await writer.write(table);
  await writer.close();
  return path;
}

test("names hold no separator and give the id back", () => {
  for (const id of [...HOSTILE_IDS, "\0", "%", "%%", "%25", "a%~2", "..."]) {
    const name = escapeName(id);
    assert.ok(name !== "" && name !== "." && name !== ".." && !name.includes("/"), name);
    assert.equal(unescapeName(name), id);
    assert.equal(unescapeName(`${name}%~17`), id);
  }
  assert.equal(escapeName("sp|P12345|X"), "sp|P12345|X");
});

test("one column: a dataset a record, in order, hostile and repeated ids included", async () => {
  const table = someTable(40, 5);
  const path = await write("one.h5", { ...table, columns: table.columns.slice(0, 1) });
  const records = await all(path);
  assert.deepEqual(
    records.map(({ id }) => id),
    table.ids,
  );
  const { data } = table.columns[0]!;
  for (const [row, record] of records.entries()) {
    assert.deepEqual(record.shape, [5]);
    assert.equal(record.column, "");
    assert.deepEqual(record.data, data.slice(row * 5, row * 5 + 5));
  }
});

test("several columns: a group each; halves are widened", async () => {
  const table = someTable(30, 4);
  const records = await all(await write("two.h5", table));
  for (const { name, dim, data } of table.columns) {
    const ours = records.filter(({ column }) => column === name);
    assert.deepEqual(
      ours.map(({ id }) => id),
      table.ids,
    );
    const floats = data instanceof Float32Array ? data : fromFloat16(data);
    for (const [row, record] of ours.entries()) {
      assert.deepEqual(record.data, floats.slice(row * dim, (row + 1) * dim));
    }
  }
});

test("per residue: a matrix a record, also of no residues", async () => {
  const ragged = someRagged(60, 3);
  const path = join(folder, "ragged.h5");
  const writer = await createRaggedHdf5Writer(path, ragged);
  await writer.write(ragged);
  await writer.close();
  let at = 0;
  for (const [row, { id, shape, data }] of (await all(path)).entries()) {
    assert.equal(id, ragged.ids[row]);
    assert.deepEqual(shape, [ragged.lengths[row], 3]);
    assert.deepEqual(data, ragged.data.slice(at, at + data.length));
    at += data.length;
  }
  assert.equal(at, ragged.data.length);
});

test("equal rows give equal bytes, at any time", async () => {
  const table = someTable(200, 8);
  const first = await readFile(await write("same.h5", table));
  const now = Date.now;
  Date.now = () => now() + 86_400_000;
  try {
    assert.ok(first.equals(await readFile(await write("same.h5", table))));
  } finally {
    Date.now = now;
  }
});

test("after abort nothing is left; a missing folder is named", async () => {
  const table = someTable(5, 4);
  const writer = await createHdf5Writer(join(folder, "gone.h5"), table.columns);
  await writer.write(table);
  await writer.abort();
  await writer.abort();
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.includes("gone")),
    [],
  );
  const missing = join(folder, "no", "x.h5");
  await assert.rejects(createHdf5Writer(missing, table.columns), /no\/x\.h5: no such file/);
});

test("a file that is damaged, or none, is refused by name", async () => {
  const whole = await readFile(await write("cut.h5", someTable(200, 8)));
  const path = join(folder, "cut.h5");
  for (const size of [0, 7, 20, 100, whole.length >> 1]) {
    await writeFile(path, whole.subarray(0, size));
    await assert.rejects(all(path), (error: unknown) => {
      assert.ok(error instanceof RaysidueError && error.code === "bad-input", String(error));
      return error.message.includes(path) && !error.message.includes("\n");
    });
  }
});
