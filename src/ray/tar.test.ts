import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Archive } from "./archive.ts";
import { type TarEntry, tarBytes, tarOf } from "./tar.ts";

function sandbox(): Disposable & { readonly folder: string } {
  const folder = mkdtempSync(join(tmpdir(), "raysidue-tar-"));
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

const LONG = `${"a-long-folder/".repeat(12)}name-ü.txt`;

/** Files of awkward sizes and names, and a link. */
function entriesIn(folder: string): TarEntry[] {
  const file = (name: string, at: string, size: number): TarEntry => {
    writeFileSync(join(folder, at), Buffer.alloc(size, name));
    return { name, path: join(folder, at), sizeBytes: size };
  };
  return [
    file("empty", "e", 0),
    file("block", "b", 512),
    { ...file("program", "p", 513), isExecutable: true },
    file(LONG, "l", 1_500_000),
    { name: "folder/link", path: "", sizeBytes: 0, linkTarget: "../block" },
  ];
}

async function bytesOf(entries: readonly TarEntry[]): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of tarOf(entries)) pieces.push(piece);
  return Buffer.concat(pieces);
}

test("tar unpacks what was packed, and the length was foretold", async () => {
  using here = sandbox();
  const entries = entriesIn(here.folder);
  const bytes = await bytesOf(entries);
  assert.equal(bytes.length, tarBytes(entries));
  const archive = join(here.folder, "archive.tar");
  writeFileSync(archive, bytes);
  execFileSync("tar", ["-xf", archive, "--one-top-level=out"], { cwd: here.folder });
  for (const { name, path, isExecutable, linkTarget } of entries) {
    const unpacked = join(here.folder, "out", name);
    if (linkTarget !== undefined) {
      assert.equal(readlinkSync(unpacked), linkTarget);
      continue;
    }
    assert.deepEqual(readFileSync(unpacked), readFileSync(path), name);
    assert.equal((statSync(unpacked).mode & 0o100) !== 0, isExecutable === true, name);
  }
});

test("an archive's digest is that of its bytes, whatever the order of its entries", async () => {
  using here = sandbox();
  const entries = entriesIn(here.folder);
  const what = { kind: "package" as const, entries: [] };
  const archive = await Archive.of(entries, what);
  const reversed = await Archive.of([...entries].reverse(), what);
  assert.equal(archive.file.digest, reversed.file.digest);
  const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
  const digest = createHash("sha256")
    .update(await bytesOf(sorted))
    .digest("hex");
  assert.equal(archive.file.digest, digest);
});

test("a file that changed meanwhile is refused", async () => {
  using here = sandbox();
  const [, block] = entriesIn(here.folder);
  writeFileSync(block!.path, "shorter");
  await assert.rejects(bytesOf([block!]), /changed since this command began/);
});
