/**
 * Digests of files, remembered.
 *
 * Owns: SHA-256 and git blob SHA-1 of streams, and the memory (path, size, mtime, inode) ->
 * SHA-256 that spares re-reading gigabytes at each start. Invariant: a remembered digest is used
 * only while all four agree, and none is remembered of a file that could still change unseen.
 * Deliberately not here: which digest a file should have.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fromSystemError } from "../base/errors.ts";
import { ensureFolder, writeFileAtomically } from "../base/files.ts";

/** How the hub names a file's content: large files by SHA-256, small ones as git does. */
export interface BlobDigest {
  readonly algorithm: "sha256" | "git-sha1";
  readonly hex: string;
}

/** A digest from an etag or a blob's name; undefined where it is neither 64 nor 40 hex digits. */
export function parseBlobDigest(text: string): BlobDigest | undefined {
  if (/^[0-9a-f]{64}$/.test(text)) return { algorithm: "sha256", hex: text };
  if (/^[0-9a-f]{40}$/.test(text)) return { algorithm: "git-sha1", hex: text };
  return undefined;
}

/** Hashes a blob both ways at once. Git's form begins with the size, so that must be known. */
export class BlobHasher {
  readonly #sha256: Hash = createHash("sha256");
  readonly #gitSha1: Hash | undefined;

  constructor(options: { expected: BlobDigest | undefined; sizeBytes: number }) {
    if (options.expected?.algorithm === "git-sha1") {
      this.#gitSha1 = createHash("sha1").update(`blob ${options.sizeBytes}\0`);
    }
  }

  update(chunk: Uint8Array): void {
    this.#sha256.update(chunk);
    this.#gitSha1?.update(chunk);
  }

  /** Ends the hashing: the SHA-256, and the digest in the form that was expected. */
  finish(): { sha256: string; asExpected: string } {
    const sha256 = this.#sha256.digest("hex");
    return { sha256, asExpected: this.#gitSha1?.digest("hex") ?? sha256 };
  }
}

/** Hashes the whole file at `path`. Throws RaysidueError naming it. */
export async function hashFile(
  path: string,
  expected?: BlobDigest,
): Promise<{ sha256: string; asExpected: string }> {
  try {
    const hasher = new BlobHasher({ expected, sizeBytes: (await stat(path)).size });
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      hasher.update(chunk as Buffer);
    }
    return hasher.finish();
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot read ${path}`);
  }
}

const RECORD = z.object({ identity: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** A file changed this recently may change again within one tick of its mtime. */
const SETTLED_MS = 2_000;

export class DigestMemory {
  readonly #folder: string;

  /** `ownCache` is raysidue's cache folder; it is created when first needed. */
  constructor(ownCache: string) {
    this.#folder = join(ownCache, "digests");
  }

  /** The file's SHA-256, read from memory where nothing about the file has changed. */
  async sha256Of(path: string, onHash?: (path: string) => void): Promise<string> {
    const before = await this.#identityOf(path);
    const remembered = await this.#recall(before);
    if (remembered !== undefined) return remembered;
    onHash?.(path);
    const startedAt = Date.now();
    const { sha256 } = await hashFile(path);
    const after = await this.#identityOf(path);
    const isSettled = startedAt - after.mtimeMs > SETTLED_MS;
    if (isSettled && after.text === before.text) await this.#write(after, sha256);
    return sha256;
  }

  /** Remembers a digest just computed from bytes that only this process could write. */
  async remember(path: string, sha256: string): Promise<void> {
    await this.#write(await this.#identityOf(path), sha256);
  }

  async #identityOf(path: string): Promise<{ text: string; path: string; mtimeMs: number }> {
    try {
      const real = await realpath(path);
      const { size, mtimeNs, ino, mtimeMs } = await stat(real, { bigint: true });
      return { text: `${real}\n${size} ${mtimeNs} ${ino}`, path: real, mtimeMs: Number(mtimeMs) };
    } catch (thrown) {
      throw fromSystemError(thrown, `cannot read ${path}`);
    }
  }

  #recordPath(path: string): string {
    return join(
      this.#folder,
      `${createHash("sha256").update(path).digest("hex").slice(0, 40)}.json`,
    );
  }

  async #recall(identity: { text: string; path: string }): Promise<string | undefined> {
    try {
      const record = RECORD.parse(
        JSON.parse(await readFile(this.#recordPath(identity.path), "utf8")),
      );
      return record.identity === identity.text ? record.sha256 : undefined;
    } catch {
      // No record, or one that is no use: the file is hashed anew.
      return undefined;
    }
  }

  async #write(identity: { text: string; path: string }, sha256: string): Promise<void> {
    try {
      await ensureFolder(this.#folder);
      const record = JSON.stringify({ identity: identity.text, sha256 });
      await writeFileAtomically(this.#recordPath(identity.path), record);
    } catch {
      // A read-only or full cache costs time at the next start, nothing else.
    }
  }
}
