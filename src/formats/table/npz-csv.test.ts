import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { unzipSync } from "fflate";
import { createCsvWriter, quoteField, shortestDecimal } from "./csv.ts";
import { createNpzWriter, createRaggedNpzWriter } from "./npz.ts";
import { someRagged, someTable } from "./table.fixture.ts";
import { bytesOf, type ColumnSpec, type TableWriter } from "./table.ts";

const folder = await mkdtemp(join(tmpdir(), "raysidue-npz-"));
after(() => rm(folder, { recursive: true }));

/** An array of an archive: its header's text and the bytes after it. */
function arrayOf(archive: Record<string, Uint8Array>, name: string): [string, Uint8Array] {
  const bytes = archive[`${name}.npy`];
  assert.ok(bytes !== undefined, `${name} is missing`);
  assert.equal(Buffer.from(bytes.subarray(0, 8)).toString("latin1"), "\u0093NUMPY\u0001\u0000");
  const size = bytes[8]! + 256 * bytes[9]!;
  assert.equal((10 + size) % 64, 0);
  const header = Buffer.from(bytes.subarray(10, 10 + size)).toString();
  assert.ok(header.endsWith("\n"));
  return [header.trim(), bytes.slice(10 + size)];
}

function idsIn(bytes: Uint8Array, width: number): string[] {
  const codes = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  return Array.from({ length: codes.length / width }, (_, row) => {
    return String.fromCodePoint(...codes.subarray(row * width, (row + 1) * width)).replace(
      /\0+$/,
      "",
    );
  });
}

test("npz: pooled columns, hostile ids, both dtypes", async () => {
  const table = someTable(3_000, 50);
  const path = join(folder, "pooled.npz");
  const writer = await createNpzWriter(path, table.columns);
  await writer.write(table);
  await writer.write({ ...table, ids: [...table.ids].reverse() });
  await writer.close();
  const archive = unzipSync(await readFile(path));
  const [idHeader, ids] = arrayOf(archive, "ids");
  assert.equal(idHeader, "{'descr': '<U22', 'fortran_order': False, 'shape': (6000,), }");
  assert.deepEqual(idsIn(ids, 22), [...table.ids, ...[...table.ids].reverse()]);
  const [meanHeader, mean] = arrayOf(archive, "mean");
  assert.equal(meanHeader, "{'descr': '<f4', 'fortran_order': False, 'shape': (6000, 50), }");
  const meanBytes = bytesOf(table.columns[0]!.data);
  assert.ok(Buffer.concat([meanBytes, meanBytes]).equals(mean));
  const [maxHeader, max] = arrayOf(archive, "max");
  assert.equal(maxHeader, "{'descr': '<f2', 'fortran_order': False, 'shape': (6000, 3), }");
  assert.ok(Buffer.from(bytesOf(table.columns[1]!.data)).equals(max.subarray(0, max.length / 2)));
  const [, lengths] = arrayOf(archive, "lengths");
  assert.deepEqual(new Int32Array(lengths.buffer).slice(0, 3_000), table.lengths);
  assert.deepEqual(await readdir(folder), ["pooled.npz"]);
});

test("npz: one matrix a record, also of no residues", async () => {
  const ragged = someRagged(300, 4);
  const path = join(folder, "ragged.npz");
  const writer = await createRaggedNpzWriter(path, ragged);
  await writer.write(ragged);
  await writer.close();
  const archive = unzipSync(await readFile(path));
  let at = 0;
  for (const [row, length] of ragged.lengths.entries()) {
    const [header, data] = arrayOf(archive, `residues_${row}`);
    assert.ok(header.includes(`'shape': (${length}, 4)`), header);
    const expected = bytesOf(ragged.data.slice(at, at + length * 4));
    assert.ok(Buffer.from(expected).equals(data));
    at += length * 4;
  }
  assert.deepEqual(idsIn(arrayOf(archive, "ids")[1], 22), ragged.ids);
});

test("npz: more records than a plain zip can count", async () => {
  const count = 66_000;
  const ids = Array.from({ length: count }, (_, i) => `s${i}`);
  const data = Float32Array.from({ length: count }, (_, i) => i);
  const path = join(folder, "many.npz");
  const spec = { name: "r", dtype: "float32", dim: 1 } as const;
  const writer = await createRaggedNpzWriter(path, spec);
  await writer.write({ ...spec, ids, lengths: new Int32Array(count).fill(1), data });
  await writer.close();
  const archive = unzipSync(await readFile(path), {
    filter: ({ name }) => name === "r_65999.npy" || name === "ids.npy",
  });
  assert.equal(new Float32Array(arrayOf(archive, "r_65999")[1].buffer)[0], 65_999);
  assert.equal(arrayOf(archive, "ids")[1].length, count * 6 * 4);
});

test("npz: names an archive cannot have are refused", async () => {
  const create = (name: string) => {
    return createNpzWriter(join(folder, "x.npz"), [{ name, dtype: "float32", dim: 1 }]);
  };
  await assert.rejects(create("../x"), /"\.\.\/x" cannot name an array/);
  await assert.rejects(create("ids"), /"ids" cannot name an array/);
});

test("npz: ids that would be padded beyond reason are refused, and nothing is left", async () => {
  const writer = await createNpzWriter(join(folder, "wide.npz"), []);
  const ids = Array<string>(20_000).fill("x");
  ids[0] = "y".repeat(100_000);
  const chunk = { ids, lengths: new Int32Array(ids.length), columns: [] };
  await assert.rejects(writer.write(chunk), /wide\.npz: npz pads all ids.*--format parquet/);
  assert.ok((await readdir(folder)).every((name) => !name.includes("wide")));
});

test("csv: quoting, header and every number back as it was", async () => {
  const table = someTable(60, 5);
  const path = join(folder, "t.csv");
  const writer = await createCsvWriter(path, table.columns);
  await writer.write(table);
  await writer.close();
  const text = await readFile(path, "utf8");
  const header = "id,length,mean_0,mean_1,mean_2,mean_3,mean_4,max_0,max_1,max_2\n";
  assert.ok(text.startsWith(`${header}sp|P12345|NAME_HUMAN,1,0,`));
  assert.ok(text.includes('\n"quote""comma,semi;",'));
  assert.ok(text.includes('\n"tab\tline\nreturn\r",'));
  const line = text.split("\n").find((row) => row.startsWith("seq_50,"))!;
  const numbers = line.split(",").slice(2, 7);
  assert.deepEqual(Float32Array.from(numbers, Number), table.columns[0]!.data.slice(250, 255));
  assert.equal(quoteField("plain"), "plain");
});

test("csv: the shortest decimal that is the number again", () => {
  const known: [number, string][] = [
    [0.1, "0.1"],
    [1 / 3, "0.33333334"],
    [16777216, "16777216"],
    [-0, "-0"],
    [3.4028234663852886e38, "3.4028235e+38"],
    [1.401298464324817e-45, "1e-45"],
    [Number.NaN, "NaN"],
    [-Infinity, "-inf"],
    [2 ** -20, "9.536743e-7"],
  ];
  for (const [value, text] of known) assert.equal(shortestDecimal(Math.fround(value)), text);
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  for (let i = 0; i < 50_000; i++) {
    bits[0] = Math.imul(i, 2_654_435_761);
    const value = float[0]!;
    if (!Number.isFinite(value)) continue;
    const text = shortestDecimal(value);
    assert.ok(Object.is(Math.fround(Number(text)), value), `${value} as ${text}`);
    // One digit fewer must not do.
    const digits = text
      .replace(/e.*/, "")
      .replace(/[-.]/g, "")
      .replace(/^0+|0+$/g, "").length;
    if (digits > 1) {
      assert.notEqual(Math.fround(Number(value.toPrecision(digits - 1))), value, text);
    }
  }
});

type Create = (path: string, columns: readonly ColumnSpec[]) => Promise<TableWriter>;
for (const [format, create] of [
  ["npz", createNpzWriter],
  ["csv", createCsvWriter],
] as [string, Create][]) {
  test(`${format}: equal bytes for equal rows; after abort nothing is left`, async () => {
    const table = someTable(500, 16);
    const path = join(folder, `same.${format}`);
    const files: Buffer[] = [];
    for (const _ of [1, 2]) {
      const writer = await create(path, table.columns);
      await writer.write(table);
      await writer.close();
      files.push(await readFile(path));
    }
    assert.ok(files[0]!.equals(files[1]!));
    const gone = await create(join(folder, `gone.${format}`), table.columns);
    await gone.write(table);
    await gone.abort();
    await gone.abort();
    assert.ok((await readdir(folder)).every((name) => !name.includes("gone")));
    await assert.rejects(create(join(folder, "no", "x"), table.columns), /no\/x: no such file/);
  });
}
