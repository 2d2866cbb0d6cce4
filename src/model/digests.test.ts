import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { DigestMemory, hashFile, parseBlobDigest } from "./digests.ts";

describe("digests", () => {
  let folder: string;
  let path: string;
  let hashed: number;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "raysidue-digests-"));
    path = join(folder, "weights");
    hashed = 0;
  });
  afterEach(() => rm(folder, { recursive: true }));

  const write = async (text: string, ageSeconds: number) => {
    await writeFile(path, text);
    const at = Math.floor(Date.now() / 1000) - ageSeconds;
    await utimes(path, at, at);
  };
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  const ask = () =>
    new DigestMemory(join(folder, "own")).sha256Of(path, () => {
      hashed++;
    });

  test("hashes as git does where git's digest is expected", async () => {
    await writeFile(path, "what is up, doc?");
    const expected = parseBlobDigest("bd9dbf5aae1a3862dd1526723246b20206e5fc37");
    assert.equal(expected?.algorithm, "git-sha1");
    assert.equal((await hashFile(path, expected)).asExpected, expected?.hex);
    assert.equal((await hashFile(path)).asExpected, sha256("what is up, doc?"));
    for (const other of ["", "abc", "A".repeat(64), `${"a".repeat(64)}-2`]) {
      assert.equal(parseBlobDigest(other), undefined);
    }
  });

  test("reads a file once, over the lives of several processes", async () => {
    await write("one", 100);
    assert.equal(await ask(), sha256("one"));
    assert.equal(await ask(), sha256("one"));
    assert.equal(hashed, 1);
  });

  test("reads again when size, time or the file itself changed", async () => {
    await write("one", 100);
    await ask();
    await write("two!", 100);
    assert.equal(await ask(), sha256("two!"));
    await write("tre!", 50);
    assert.equal(await ask(), sha256("tre!"));
    const mtime = Math.floor(Date.now() / 1000) - 50;
    const other = join(folder, "other");
    await writeFile(other, "for!");
    await utimes(other, mtime, mtime);
    await rename(other, path);
    assert.equal(await ask(), sha256("for!"));
    assert.equal(hashed, 4);
  });

  test("remembers nothing of a file written a moment ago", async () => {
    await write("one", 0);
    await ask();
    await ask();
    assert.equal(hashed, 2);
  });

  test("a damaged memory costs a reading, not a wrong digest", async () => {
    await write("one", 100);
    await ask();
    const records = join(folder, "own", "digests");
    const [record] = await readdir(records);
    await writeFile(join(records, record!), '{"identity":"');
    assert.equal(await ask(), sha256("one"));
    assert.equal(hashed, 2);
  });

  test("names a file that is not there", async () => {
    await assert.rejects(ask(), /cannot read .*weights: no such file/);
  });
});
