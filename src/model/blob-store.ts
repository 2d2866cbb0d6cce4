/**
 * Getting one blob into the cache.
 *
 * Owns: partial files, their adoption after a crash, checking, and the rename that makes a blob
 * count. Invariant: a blob appears under its digest only after all its bytes were hashed on the
 * way to disk, agreed, and were flushed; a partial file has one writer, named in its own name.
 * Deliberately not here: where bytes come from (`BlobSource`).
 */
import { type FileHandle, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, RaysidueError } from "../base/errors.ts";
import { ensureFolder, syncFolder } from "../base/files.ts";
import { type BlobDigest, BlobHasher, type DigestMemory, hashFile } from "./digests.ts";
import type { CachedRepo } from "./hub-cache.ts";
import { isProvablyDead, makeOwnerWord } from "./process-owner.ts";

export interface BlobRequest {
  /** For messages: what is being fetched, `facebook/esm2.../model.safetensors`. */
  readonly label: string;
  readonly sizeBytes: number;
  readonly digest: BlobDigest;
}

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
      if (thrown instanceof RaysidueError && thrown.code === "bad-input") {
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
    const prefix = `${request.digest.hex}.`;
    let best: { path: string; sizeBytes: number } | undefined;
    for (const path of await this.#partials(prefix)) {
      const sizeBytes = await stat(path).then(
        (status) => status.size,
        () => 0,
      );
      if (sizeBytes > (best?.sizeBytes ?? 0) && sizeBytes <= request.sizeBytes) {
        best = { path, sizeBytes };
      }
    }
    if (best === undefined) return 0;
    // Renaming is atomic: of two processes that both want it, one gets it.
    return rename(best.path, partial).then(
      () => best.sizeBytes,
      () => 0,
    );
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

  /** Throws RaysidueError "try-again" where `neededBytes` will not fit on the disk. */
  async checkSpace(neededBytes: number): Promise<void> {
    await ensureFolder(this.#repo.blobsFolder);
    const { bavail, bsize } = await statfs(this.#repo.blobsFolder);
    const freeBytes = bavail * bsize;
    if (freeBytes >= neededBytes) return;
    const mega = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
    const said = `the disk of ${this.#repo.root} has ${mega(freeBytes)} free, ${mega(neededBytes)} are needed`;
    throw new RaysidueError("try-again", `${said}; free some space or set HF_HUB_CACHE`);
  }
}

/** A partial file being written, hashed on the way. */
export class BlobSink {
  readonly #handle: FileHandle;
  readonly #request: BlobRequest;
  #hasher: BlobHasher;
  #sizeBytes = 0;
  #actual = "";

  private constructor(handle: FileHandle, request: BlobRequest) {
    this.#handle = handle;
    this.#request = request;
    this.#hasher = BlobSink.#hasherFor(request);
  }

  static #hasherFor(request: BlobRequest): BlobHasher {
    return new BlobHasher({ expected: request.digest, sizeBytes: request.sizeBytes });
  }

  /** Opens `path`, reading what it already holds into the digest. */
  static async open(path: string, request: BlobRequest): Promise<BlobSink> {
    const sink = new BlobSink(await open(path, "a+"), request);
    const buffer = Buffer.alloc(1 << 20);
    for (;;) {
      const { bytesRead } = await sink.#handle.read(buffer, 0, buffer.length, sink.#sizeBytes);
      if (bytesRead === 0) return sink;
      sink.#hasher.update(buffer.subarray(0, bytesRead));
      sink.#sizeBytes += bytesRead;
    }
  }

  /** Bytes that are here so far. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get isComplete(): boolean {
    return this.#sizeBytes >= this.#request.sizeBytes;
  }

  /** Appends. More bytes than the blob has are an error, not a file. */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#sizeBytes + chunk.byteLength > this.#request.sizeBytes) {
      this.#actual = `more than ${this.#request.sizeBytes} bytes`;
      throw this.mismatch();
    }
    for (let at = 0; at < chunk.byteLength; ) {
      const { bytesWritten } = await this.#handle.write(chunk, at, chunk.byteLength - at);
      this.#hasher.update(chunk.subarray(at, at + bytesWritten));
      this.#sizeBytes += bytesWritten;
      at += bytesWritten;
    }
  }

  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hasher = BlobSink.#hasherFor(this.#request);
    this.#sizeBytes = 0;
  }

  /** Flushes and compares: the SHA-256, or undefined where size or digest disagree. */
  async finish(): Promise<string | undefined> {
    const { sha256, asExpected } = this.#hasher.finish();
    this.#actual = `${asExpected} of ${this.#sizeBytes} bytes`;
    if (!this.isComplete || asExpected !== this.#request.digest.hex) return undefined;
    await this.#handle.sync();
    return sha256;
  }

  mismatch(): RaysidueError {
    const { label, digest, sizeBytes } = this.#request;
    const said = `${label}: digest ${this.#actual}, expected ${digest.hex} of ${sizeBytes} bytes`;
    const advice = "try once more; if it stays, a proxy or mirror alters the file";
    return new RaysidueError("bad-input", `${said}; nothing was kept; ${advice}`);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
