import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { RaysidueError } from "../../base/errors.ts";
import { createArrowWriter, createRaggedArrowWriter, readArrow, readRaggedArrow } from "./arrow.ts";
import { createParquetWriter, readParquet } from "./parquet.ts";
import { joinRagged, joinTables, someRagged, someTable } from "./table.fixture.ts";
import type { ColumnSpec, RaggedChunk, TableChunk, TableWriter } from "./table.ts";

const folder = await mkdtemp(join(tmpdir(), "raysidue-columnar-"));
after(() => rm(folder, { recursive: true }));

type Create = (path: string, columns: readonly ColumnSpec[]) => Promise<TableWriter>;
type Read = (path: string) => AsyncGenerator<TableChunk>;
const FORMATS: [name: string, create: Create, read: Read][] = [
  ["arrow", createArrowWriter, readArrow],
  ["parquet", createParquetWriter, readParquet],
];

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

/** Rows `start` to `end` of a table. */
function rows({ ids, lengths, columns }: TableChunk, start: number, end: number): TableChunk {
  return {
    ids: ids.slice(start, end),
    lengths: lengths.slice(start, end),
    columns: columns.map((column) => {
      return { ...column, data: column.data.slice(start * column.dim, end * column.dim) };
    }),
  };
}

for (const [format, create, read] of FORMATS) {
  const path = (name: string) => join(folder, `${name}.${format}`);

  test(`${format}: hostile ids and special numbers come back`, async () => {
    const table = someTable(40, 5);
    const writer = await create(path("hostile"), table.columns);
    await writer.write(table);
    await writer.close();
    assert.deepEqual(joinTables(await all(read(path("hostile")))), table);
  });

  test(`${format}: equal rows give equal bytes, however they arrive, in several blocks`, async () => {
    for (const table of [someTable(4_500, 512), rowsWithoutHalves(4_500, 512)]) {
      const files: Buffer[] = [];
      for (const rowsAtOnce of [4_500, 777]) {
        const writer = await create(path("blocks"), table.columns);
        for (let start = 0; start < 4_500; start += rowsAtOnce) {
          await writer.write(rows(table, start, start + rowsAtOnce));
        }
        await writer.close();
        files.push(await readFile(path("blocks")));
      }
      assert.ok(files[0]!.equals(files[1]!));
      const blocks = await all(read(path("blocks")));
      assert.ok(blocks.length > 1, `${blocks.length} blocks`);
      assert.deepEqual(joinTables(blocks), table);
    }
  });

  test(`${format}: a table without rows is a file with its columns`, async () => {
    const writer = await create(path("none"), someTable(1, 4).columns);
    await writer.close();
    assert.deepEqual(joinRowsOf(await all(read(path("none")))), []);
  });

  test(`${format}: after abort nothing is left`, async () => {
    const table = someTable(4_500, 512);
    const writer = await create(path("gone"), table.columns);
    await writer.write(table);
    await writer.abort();
    await writer.abort();
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.includes("gone")),
      [],
    );
  });

  test(`${format}: a file cut short anywhere, or of other bytes, is refused by name`, async () => {
    const table = someTable(40, 5);
    const writer = await create(path("cut"), table.columns);
    await writer.write(table);
    await writer.close();
    const whole = await readFile(path("cut"));
    const refused = (error: unknown) => {
      assert.ok(error instanceof RaysidueError, String(error));
      assert.equal(error.code, "bad-input");
      assert.ok(error.message.includes(path("cut")), error.message);
      return true;
    };
    for (const size of [0, 3, 8, whole.length >> 1, whole.length - 1]) {
      await writeFile(path("cut"), whole.subarray(0, size));
      await assert.rejects(all(read(path("cut"))), refused, `${size} bytes`);
    }
    await writeFile(path("cut"), "not at all what was expected here, but of some length");
    await assert.rejects(all(read(path("cut"))), refused);
    await assert.rejects(all(read(join(folder, "missing"))), /missing: no such file/);
  });

  test(`${format}: a folder that is not there is named`, async () => {
    const missing = join(folder, "no", "such", "x");
    await assert.rejects(create(missing, someTable(1, 1).columns), /no\/such\/x: no such file/);
  });
}

function rowsWithoutHalves(count: number, dim: number): TableChunk {
  const table = someTable(count, dim);
  return { ...table, columns: table.columns.slice(0, 1) };
}

function joinRowsOf(chunks: readonly TableChunk[]): string[] {
  return chunks.flatMap(({ ids }) => [...ids]);
}

test("arrow: ragged tables come back, empty records included", async () => {
  const ragged = someRagged(3_000, 64);
  const path = join(folder, "ragged.arrow");
  const writer = await createRaggedArrowWriter(path, ragged);
  await writer.write(ragged);
  await writer.close();
  const blocks: RaggedChunk[] = await all(readRaggedArrow(path));
  assert.ok(blocks.length > 1);
  assert.deepEqual(joinRagged(blocks), ragged);
  await assert.rejects(
    all(readArrow(path)),
    /ragged\.arrow: not a table of raysidue: column residues/,
  );
});
