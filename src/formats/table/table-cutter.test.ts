import assert from "node:assert/strict";
import { test } from "node:test";
import { RaysidueError } from "../../base/errors.ts";
import { joinTables, someRagged, someTable } from "./table.fixture.ts";
import { checkSpecs, type RaggedChunk, type TableChunk } from "./table.ts";
import { RaggedCutter, TableCutter } from "./table-cutter.ts";

test("blocks depend on the rows alone, and hold every row once", () => {
  const table = someTable(4_500, 512);
  const cut = (rowsAtOnce: number): TableChunk[] => {
    const cutter = new TableCutter(table.columns);
    const blocks: TableChunk[] = [];
    for (let start = 0; start < table.ids.length; start += rowsAtOnce) {
      const end = Math.min(start + rowsAtOnce, table.ids.length);
      const columns = table.columns.map((column) => {
        return { ...column, data: column.data.slice(start * column.dim, end * column.dim) };
      });
      const ids = table.ids.slice(start, end);
      blocks.push(...cutter.push({ ids, lengths: table.lengths.slice(start, end), columns }));
    }
    const rest = cutter.flush();
    return rest === undefined ? blocks : [...blocks, rest];
  };
  const whole = cut(table.ids.length);
  assert.ok(whole.length > 1, "more than one block");
  assert.deepEqual(joinTables(whole), table);
  assert.deepEqual(cut(1), whole);
  assert.deepEqual(cut(1_234), whole);
});

test("ragged blocks are bounded and hold every matrix", () => {
  const ragged = someRagged(1_700, 64);
  const cutter = new RaggedCutter(ragged);
  const blocks: RaggedChunk[] = [...cutter.push(ragged)];
  blocks.push(cutter.flush()!);
  assert.ok(blocks.length > 1);
  assert.deepEqual(
    blocks.flatMap(({ ids }) => [...ids]),
    ragged.ids,
  );
  assert.deepEqual(
    Buffer.concat(
      blocks.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
    ),
    Buffer.from(ragged.data.buffer),
  );
  for (const { data } of blocks) assert.ok(data.byteLength < (8 << 20) + 1024 * 64 * 4);
});

test("long ids end a block too", () => {
  const cutter = new TableCutter([]);
  const id = "x".repeat(1 << 20);
  const chunk = { ids: Array(9).fill(id), lengths: new Int32Array(9), columns: [] };
  assert.deepEqual(
    [...cutter.push(chunk)].map(({ ids }) => ids.length),
    [4, 4],
  );
});

test("a chunk that is not what the writer was made for is a programmer's error", () => {
  const table = someTable(3, 4);
  const push = (chunk: TableChunk) => [...new TableCutter(table.columns).push(chunk)];
  assert.throws(() => push({ ...table, columns: [] }), /the writer's columns/);
  assert.throws(() => push({ ...table, lengths: new Int32Array(2) }), /a length for every id/);
  const [first, second] = table.columns;
  assert.throws(
    () => push({ ...table, columns: [{ ...first!, data: new Float32Array(1) }, second!] }),
    /numbers of mean/,
  );
});

test("columns no format can hold are refused", () => {
  const spec = { name: "mean", dtype: "float32", dim: 4 } as const;
  const refused = (error: unknown) => error instanceof RaysidueError && error.code === "usage";
  assert.throws(() => checkSpecs([spec, spec]), refused);
  assert.throws(() => checkSpecs([{ ...spec, name: "id" }]), refused);
  assert.throws(() => checkSpecs([{ ...spec, dim: 0 }]), refused);
  assert.throws(() => checkSpecs([{ ...spec, dim: 1.5 }]), refused);
});
