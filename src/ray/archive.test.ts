/** What is sent is what was announced, whatever happens to the files meanwhile. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Archive } from "./archive.ts";
import type { FilePiece, RayCluster } from "./cluster.ts";
import { ChangedError } from "./tar.ts";

const folder = mkdtempSync(join(tmpdir(), "raysidue-archive-"));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, "main.js");

/** Holds what it was given whole. */
class Holder implements Pick<RayCluster, "holdsFile" | "addPiece"> {
  readonly held = new Set<string>();
  #pieces: Buffer[] = [];

  holdsFile(digest: string) {
    return Promise.resolve(this.held.has(digest));
  }

  addPiece({ digest, index, isLast, data }: FilePiece) {
    if (index === 0) this.#pieces = [];
    this.#pieces.push(Buffer.from(data));
    const sha256 = createHash("sha256").update(Buffer.concat(this.#pieces)).digest("hex");
    if (isLast) assert.equal(sha256, digest);
    if (isLast) this.held.add(digest);
    return Promise.resolve();
  }
}

const archiveOf = (text: string) => {
  writeFileSync(path, text);
  const entry = { name: "main.js", path, sizeBytes: Buffer.byteLength(text) };
  return Archive.of([entry], { kind: "package", entries: [] });
};

test("an archive is sent once and held", async () => {
  const archive = await archiveOf("first");
  const holder = new Holder();
  await Promise.all([archive.addTo(holder as never), archive.addTo(holder as never)]);
  assert.deepEqual([...holder.held], [archive.file.digest]);
});

for (const [how, change, message] of [
  ["of another length", () => writeFileSync(path, "another"), /main\.js changed since/],
  ["of the same length", () => writeFileSync(path, "other"), /installation of raysidue changed/],
  ["gone", () => rmSync(path), /main\.js changed since/],
] as const) {
  test(`a file that is ${how} is not sent, then and later`, async () => {
    const archive = await archiveOf("first");
    const holder = new Holder();
    change();
    const isChanged = (thrown: unknown) =>
      thrown instanceof ChangedError && message.test(thrown.message);
    await assert.rejects(archive.addTo(holder as never), isChanged);
    writeFileSync(path, "first");
    await assert.rejects(archive.addTo(holder as never), isChanged);
    assert.equal(holder.held.size, 0);
  });
}
