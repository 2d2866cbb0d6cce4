/**
 * A partial file being written, hashed on the way.
 *
 * Owns: appending, the running digest, and the verdict at the end. Invariant: the digest is that
 * of the bytes on disk, including those found there at the start. Deliberately not here: names of
 * files and what becomes of them (blob-store.ts).
 */
import { type FileHandle, open } from "node:fs/promises";
import { RaysidueError } from "../base/errors.ts";
import { type BlobDigest, BlobHasher } from "./digests.ts";

export interface BlobRequest {
  /** For messages: what is being fetched, `facebook/esm2.../model.safetensors`. */
  readonly label: string;
  readonly sizeBytes: number;
  readonly digest: BlobDigest;
}

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
