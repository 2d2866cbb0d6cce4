import assert from "node:assert/strict";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { zipSync } from "fflate";
import { writeZip } from "../../test/support/checkpoint-writers.ts";
import { readZipDirectory, type ZipMember } from "./zip-directory.ts";

describe("readZipDirectory", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "raysidue-zip-"));
  });
  after(() => rm(folder, { recursive: true }));

  const read = async (content: Uint8Array): Promise<Map<string, ZipMember>> => {
    const path = join(folder, "archive.zip");
    await writeFile(path, content);
    const handle = await open(path, "r");
    try {
      return await readZipDirectory(handle, path);
    } finally {
      await handle.close();
    }
  };
  const refuses = (content: Uint8Array, pattern: RegExp) =>
    assert.rejects(read(content), (thrown: { code: string; message: string }) => {
      assert.equal(thrown.code, "bad-input");
      assert.match(thrown.message, pattern);
      return true;
    });

  test("finds members that another program wrote, stored and deflated", async () => {
    const zip = zipSync({
      "a/stored.bin": [Buffer.from("abcdef"), { level: 0 }],
      "deflated.txt": [Buffer.alloc(5000, "x"), { level: 9 }],
    });
    const members = await read(zip);
    const stored = members.get("a/stored.bin")!;
    assert.equal(stored.method, "stored");
    const bytes = zip.subarray(stored.offsetBytes, stored.offsetBytes + stored.sizeBytes);
    assert.equal(Buffer.from(bytes).toString(), "abcdef");
    const deflated = members.get("deflated.txt")!;
    assert.equal(deflated.method, "deflated");
    assert.equal(deflated.sizeBytes, 5000);
    assert.ok(deflated.compressedBytes < 100);
  });

  test("refuses names that leave the folder, and names that occur twice", async () => {
    for (const name of ["../x", "/etc/passwd", "a/../../b", "a\\b", "c:x", "a\0b", "./x"]) {
      await refuses(writeZip([{ name, content: Buffer.alloc(1) }]), /is not safe/);
    }
    const twice = { name: "a", content: Buffer.alloc(1) };
    await refuses(writeZip([twice, twice]), /"a" occurs twice/);
  });

  test("refuses sizes and offsets that lie", async () => {
    const zip = writeZip([
      { name: "a", content: Buffer.from("aaaa") },
      { name: "b", content: Buffer.from("bbbb") },
    ]);
    const central = zip.indexOf("PK\x01\x02", 0, "latin1");
    const second = zip.indexOf("PK\x01\x02", central + 4, "latin1");
    const with32 = (offset: number, value: number) => {
      const copy = Buffer.from(zip);
      copy.writeUInt32LE(value, offset);
      return copy;
    };
    await refuses(with32(central + 20, 99), /stored but has two sizes/);
    const grown = with32(central + 20, 0x7fffffff);
    grown.writeUInt32LE(0x7fffffff, central + 24);
    await refuses(grown, /runs into the directory/);
    await refuses(with32(second + 42, 0), /overlaps another/);
    await refuses(with32(second + 42, 3), /overlaps another/);
    await refuses(with32(central + 42, 5), /no local header|overlaps/);
    await refuses(with32(central + 8, 1), /encrypted/);
    await refuses(with32(zip.length - 22 + 16, 0xfffffff0), /it ends at/);
    await refuses(with32(zip.length - 22 + 12, 0x7ffffff0), /directory of/);
    const renamed = Buffer.from(zip);
    renamed.write("z", 30);
    await refuses(renamed, /another name in its local header/);
  });
});
