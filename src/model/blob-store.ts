/**
 * Getting one blob into the cache.
 *
 * Owns: partial files, their adoption after a crash, checking, and the rename that makes a blob
 * count. Invariant: a blob appears under its digest only after all its bytes were hashed on the
 * way to disk, agreed, and were flushed; a partial file has one writer, named in its own name.
 * Deliberately not here: where bytes come from (`BlobSource`).
 */
import { readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, isBadInput, RaysidueError } from "../base/errors.ts";
import { ensureFolder, syncFolder } from "../base/files.ts";
import { isProvablyDead, makeOwnerWord } from "../base/process-owner.ts";
import { type BlobRequest, BlobSink } from "./blob-sink.ts";
import { type BlobDigest, type DigestMemory, hashFile } from "./digests.ts";
import type { CachedRepo } from "./hub-cache.ts";

/**
 * Delivers a blob's bytes to `sink`, from `sink.sizeBytes` on or, after `sink.restart()`, from 0.
 * Returns when the blob is complete; retries are its own affair.
 */
export type BlobSource = (sink: BlobSink) => Promise<void>;

const PARTIAL_SUFFIX = ".incomplete";
/** Begins the owner word of a partial file that its writer has let go of. */
const RELEASED = "released";
/** A partial file of an unknown machine is left alone for a week, then swept. */
const ABANDONED_MS = 7 * 24 * 3600 * 1000;

function isAbandoned(owner: string): boolean {
  return owner.startsWith(`${RELEASED}-`) || isProvablyDead(owner);
}

export class BlobStore {
  readonly #repo: CachedRepo;
  readonly #memory: DigestMemory;

  constructor(repo: CachedRepo, memory: DigestMemory) {
    this.#repo = repo;
    this.#memory = memory;
  }

  /** Whether the blob is here and its bytes agree; a damaged one is removed. */
  async has(request: BlobRequest): Promise<boolean> {
    const path = this.#repo.blobPath(request.digest);
    const sizeBytes = await stat(path).then(
      (status) => status.size,
      () => undefined,
    );
    if (sizeBytes === undefined) return false;
    if (sizeBytes === request.sizeBytes && (await this.#agrees(path, request.digest))) return true;
    await rm(path, { force: true });
    return false;
  }

  async #agrees(path: string, digest: BlobDigest): Promise<boolean> {
    // Small files only carry git's digest: hashing them again costs nothing.
    if (digest.algorithm === "git-sha1")
      return (await hashFile(path, digest)).asExpected === digest.hex;
    return (await this.#memory.sha256Of(path)) === digest.hex;
  }

  /**
   * Gets the blob unless it is here. Throws RaysidueError "bad-input" for a wrong digest,
   * "try-again" for a full disk, and what `source` throws.
   */
  async get(request: BlobRequest, source: BlobSource): Promise<"present" | "fetched"> {
    if (await this.has(request)) return "present";
    const folder = this.#repo.blobsFolder;
    await ensureFolder(folder);
    try {
      await this.#fetch(request, source);
    } catch (thrown) {
      throw fromSystemError(thrown, `cannot store ${request.label} in ${folder}`);
    }
    return "fetched";
  }

  async #fetch(request: BlobRequest, source: BlobSource): Promise<void> {
    const partial = this.#partialPath(request, makeOwnerWord());
    const resumedBytes = await this.#adopt(request, partial);
    const sink = await BlobSink.open(partial, request);
    let sha256: string | undefined;
    try {
      await source(sink);
      sha256 = await sink.finish();
      if (sha256 === undefined && resumedBytes > 0) {
        // What another process left behind was bad: once more from the start.
        await sink.restart();
        await source(sink);
        sha256 = await sink.finish();
      }
      if (sha256 === undefined) throw sink.mismatch();
    } catch (thrown) {
      if (isBadInput(thrown)) {
        await rm(partial, { force: true });
      } else {
        // What arrived is good for a later attempt, also one of this process.
        await rename(partial, this.#partialPath(request, `${RELEASED}-${makeOwnerWord()}`));
      }
      throw thrown;
    } finally {
      await sink.close();
    }
    const path = this.#repo.blobPath(request.digest);
    await rename(partial, path);
    await syncFolder(this.#repo.blobsFolder);
    await this.#memory.remember(path, sha256);
  }

  #partialPath(request: BlobRequest, owner: string): string {
    return join(this.#repo.blobsFolder, `${request.digest.hex}.${owner}${PARTIAL_SUFFIX}`);
  }

  /** Takes over the longest partial file of a dead process; returns its size. */
  async #adopt(request: BlobRequest, partial: string): Promise<number> {
    const best = await this.#longestPartial(request);
    if (best === undefined) return 0;
    // Renaming is atomic: of two processes that both want it, one gets it.
    return rename(best.path, partial).then(
      () => best.sizeBytes,
      () => 0,
    );
  }

  async #longestPartial(
    request: BlobRequest,
  ): Promise<{ path: string; sizeBytes: number } | undefined> {
    let best: { path: string; sizeBytes: number } | undefined;
    for (const path of await this.#partials(`${request.digest.hex}.`)) {
      const sizeBytes = await stat(path).then(
        (status) => status.size,
        () => 0,
      );
      if (sizeBytes > (best?.sizeBytes ?? 0) && sizeBytes <= request.sizeBytes) {
        best = { path, sizeBytes };
      }
    }
    return best;
  }

  /** Partial files whose writer is certainly gone or has let go of them. */
  async #partials(prefix: string): Promise<string[]> {
    const folder = this.#repo.blobsFolder;
    const names = await readdir(folder).catch((): string[] => []);
    return names
      .filter((name) => name.startsWith(prefix) && name.endsWith(PARTIAL_SUFFIX))
      .filter((name) => isAbandoned(name.split(".")[1] ?? ""))
      .map((name) => join(folder, name));
  }

  /** Removes partial files of dead processes, and of unknown ones after a week. */
  async sweep(): Promise<void> {
    const folder = this.#repo.blobsFolder;
    for (const path of await this.#partials("")) await rm(path, { force: true });
    for (const name of await readdir(folder).catch((): string[] => [])) {
      // Only names of our own form: huggingface_hub's partial files are not ours to remove.
      if (!/^[0-9a-f]+\.[0-9a-f]{12}-\d+-\d+-[0-9a-f]{8}\.incomplete$/.test(name)) continue;
      const path = join(folder, name);
      const mtimeMs = await stat(path).then(
        (status) => status.mtimeMs,
        () => Date.now(),
      );
      if (Date.now() - mtimeMs > ABANDONED_MS) await rm(path, { force: true });
    }
  }

  /** Throws RaysidueError "try-again" where the blobs, and `extraBytes`, will not fit on the disk. */
  async checkSpace(requests: readonly BlobRequest[], extraBytes: number): Promise<void> {
    await ensureFolder(this.#repo.blobsFolder);
    let neededBytes = extraBytes;
    for (const request of requests) {
      // What an interrupted pull left is on the disk already.
      const resumed = await this.#longestPartial(request);
      neededBytes += request.sizeBytes - (resumed?.sizeBytes ?? 0);
    }
    const { bavail, bsize } = await statfs(this.#repo.blobsFolder);
    const freeBytes = bavail * bsize;
    if (freeBytes >= neededBytes) return;
    const sizes = `${(freeBytes / 1e6).toFixed(1)} MB free, ${(neededBytes / 1e6).toFixed(1)} MB are needed`;
    const said = `the disk of ${this.#repo.root} has ${sizes}`;
    throw new RaysidueError("try-again", `${said}; free some space or set HF_HUB_CACHE`);
  }
}
