import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { escapeField, readTsv, TsvWriter, unescapeField } from "./tsv.ts";

const folder = await mkdtemp(join(tmpdir(), "raysidue-tsv-"));
after(() => rm(folder, { recursive: true }));

const HOSTILE = ["", "a\tb", "a\nb", "\r\n", "\\", "\\t", "\\\\n", 'x"y', "Ü→\u2028", "a,b", " "];

async function read(path: string, columns: string[]): Promise<string[][]> {
  const rows: string[][] = [];
  for await (const block of readTsv(path, columns)) rows.push(...block);
  return rows;
}

test("escaping is reversible and leaves no separator", () => {
  for (const field of HOSTILE) {
    assert.doesNotMatch(escapeField(field), /[\t\n\r]/);
    assert.equal(unescapeField(escapeField(field)), field);
  }
});

test("hostile rows come back, over many buffers", async () => {
  const path = join(folder, "rows.tsv");
  const writer = await TsvWriter.create(path, ["row", "id"]);
  const rows = Array.from({ length: 30_000 }, (_, i) => [i, HOSTILE[i % HOSTILE.length]!] as const);
  await writer.write(rows.slice(0, 20_000));
  await writer.write(rows.slice(20_000));
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name === "rows.tsv"),
    [],
  );
  await writer.close();
  assert.deepEqual(
    await read(path, ["row", "id"]),
    rows.map(([row, id]) => [String(row), id]),
  );
  assert.equal((await readFile(path, "utf8")).split("\n").length, 30_002);
});

test("lines that are made elsewhere stand among rows", async () => {
  const path = join(folder, "lines.tsv");
  const writer = await TsvWriter.create(path, ["a", "b"]);
  await writer.write([[1, "x\ty"]]);
  await writer.writeLines(`2\t${escapeField("u\nv")}\n`.repeat(20_000));
  await writer.write([[3, "z"]]);
  await writer.close();
  const rows = await read(path, ["a", "b"]);
  assert.equal(rows.length, 20_002);
  assert.deepEqual(
    [rows[0], rows[20_000], rows[20_001]],
    [
      ["1", "x\ty"],
      ["2", "u\nv"],
      ["3", "z"],
    ],
  );
});

test("an aborted table leaves nothing", async () => {
  const writer = await TsvWriter.create(join(folder, "gone.tsv"), ["a"]);
  await writer.write([["x"]]);
  await writer.abort();
  assert.ok((await readdir(folder)).every((name) => !name.includes("gone")));
});

test("a table that was changed or cut short is refused with its line", async () => {
  const path = join(folder, "bad.tsv");
  const expectError = async (content: string, message: RegExp) => {
    await writeFile(path, content);
    await assert.rejects(read(path, ["a", "b"]), message);
  };
  await expectError("a\tb\n1\t2\n3\n", /bad\.tsv:3: 1 fields instead of 2/);
  await expectError("a\tc\n", /bad\.tsv:1: header "a c" instead of "a b"/);
  await expectError("a\tb\n1\t2\n3\t4", /bad\.tsv:3: the last line has no end/);
  await expectError("", /bad\.tsv:1: the header line is missing/);
});

test("a folder that is not there is named", async () => {
  await assert.rejects(TsvWriter.create(join(folder, "no", "x.tsv"), ["a"]), /no\/x\.tsv/);
});
