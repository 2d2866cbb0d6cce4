import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { deflateRawSync } from "node:zlib";
import { writeZip, type ZipInput } from "../../test/support/checkpoint-writers.ts";
import { BlobStore } from "./blob-store.ts";
import { DigestMemory } from "./digests.ts";
import { CachedRepo } from "./hub-cache.ts";
import { extractMember } from "./wheel.ts";

describe("extractMember", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "raysidue-wheel-"));
  });
  after(() => rm(folder, { recursive: true }));

  const content = Buffer.from("weights ".repeat(10_000));
  const sha256 = createHash("sha256").update(content).digest("hex");
  /** Takes member `w` out of a wheel of `inputs` into an empty cache; returns the blob's bytes. */
  const extract = async (inputs: readonly ZipInput[]): Promise<Buffer> => {
    const path = join(folder, "x.whl");
    await writeFile(path, writeZip(inputs));
    const repo = new CachedRepo(await mkdtemp(join(folder, "cache-")), ".pypi/x");
    const store = new BlobStore(repo, new DigestMemory(join(folder, "own")));
    const digest = { algorithm: "sha256", hex: sha256 } as const;
    const member = { member: "w", name: "w", sizeBytes: content.length, sha256 };
    const request = { label: "x/w", sizeBytes: content.length, digest };
    await store.get(request, (sink) => extractMember(path, member, sink));
    return readFile(repo.blobPath(digest));
  };

  test("unpacks deflated and stored members", async () => {
    const deflated = { name: "w", content: deflateRawSync(content), inflatedBytes: content.length };
    assert.deepEqual(await extract([deflated]), content);
    assert.deepEqual(await extract([{ name: "w", content }]), content);
  });

  test("stops at the size that the catalogue names, whatever the archive says", async () => {
    const bomb = deflateRawSync(Buffer.alloc(50_000_000));
    for (const inflatedBytes of [content.length, 50_000_000]) {
      const pull = extract([{ name: "w", content: bomb, inflatedBytes }]);
      await assert.rejects(pull, /more than 80000 bytes, expected .* nothing was kept/);
    }
  });

  test("refuses other bytes, too few bytes, broken bytes and a missing member", async () => {
    const other = Buffer.from(content);
    other[5000]! ^= 1;
    await assert.rejects(extract([{ name: "w", content: other }]), /x\/w: digest .*, expected/);
    const short = content.subarray(0, 100);
    await assert.rejects(extract([{ name: "w", content: short }]), /of 100 bytes, expected/);
    await assert.rejects(
      extract([{ name: "w", content: Buffer.alloc(0) }]),
      /of 0 bytes, expected/,
    );
    const cut = deflateRawSync(content).subarray(0, 30);
    const broken = { name: "w", content: cut, inflatedBytes: content.length };
    await assert.rejects(extract([broken]), {
      code: "bad-input",
      message: /member w cannot be unpacked: unexpected end of file/,
    });
    await assert.rejects(extract([{ name: "v", content }]), { code: "bad-input" });
  });
});
