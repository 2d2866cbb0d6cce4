/**
 * A file that is written as a stream and appears under its name only when it is whole.
 *
 * Owns: the temporary file beside the final path, from creation to rename or removal. Invariant:
 * after `commit` the bytes and the name are on disk; after `abort`, or an error, nothing is left.
 * It does not buffer: writers hand over pieces of useful size (64 KiB and more).
 */
import assert from "node:assert/strict";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { fromSystemError, type RaysidueError } from "../base/errors.ts";
import { syncFolder, temporaryBeside } from "../base/files.ts";

/** Flushes a finished temporary file and gives it its name. Throws RaysidueError naming `path`. */
export async function commitTemporary(temporary: string, path: string): Promise<void> {
  try {
    const handle = await open(temporary, "r+");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw cannotWrite(thrown, path);
  }
}

export function cannotWrite(thrown: unknown, path: string): RaysidueError {
  return fromSystemError(thrown, `cannot write ${path}`);
}

export class AtomicFile {
  /** The final path, for messages. */
  readonly path: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  #state: "open" | "closed" = "open";
  #positionBytes = 0;

  private constructor(path: string, temporary: string, handle: FileHandle) {
    this.path = path;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  /** Creates the temporary file. Throws RaysidueError naming `path` where the folder refuses. */
  static async create(path: string): Promise<AtomicFile> {
    const temporary = temporaryBeside(path);
    try {
      return new AtomicFile(path, temporary, await open(temporary, "wx+"));
    } catch (thrown) {
      throw cannotWrite(thrown, path);
    }
  }

  /** Bytes written so far: where the next `write` goes. */
  get positionBytes(): number {
    return this.#positionBytes;
  }

  /** Appends. A failed write aborts the file and throws RaysidueError naming the path. */
  async write(bytes: Uint8Array | string): Promise<void> {
    assert.equal(this.#state, "open", `${this.path} is already closed`);
    const data = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    try {
      await writeFully(this.#handle, data, this.#positionBytes);
      this.#positionBytes += data.byteLength;
    } catch (thrown) {
      await this.abort();
      throw cannotWrite(thrown, this.path);
    }
  }

  /** Replaces bytes already written, e.g. a size in a header that is known only afterwards. */
  async patch(positionBytes: number, bytes: Uint8Array): Promise<void> {
    assert.equal(this.#state, "open", `${this.path} is already closed`);
    assert.ok(positionBytes + bytes.byteLength <= this.#positionBytes, "patch beyond the end");
    try {
      await writeFully(this.#handle, bytes, positionBytes);
    } catch (thrown) {
      await this.abort();
      throw cannotWrite(thrown, this.path);
    }
  }

  /** Flushes, renames, flushes the folder. The file is there when this resolves. */
  async commit(): Promise<void> {
    assert.equal(this.#state, "open", `${this.path} is already closed`);
    this.#state = "closed";
    try {
      await this.#handle.sync();
      await this.#handle.close();
      await rename(this.#temporary, this.path);
      await syncFolder(dirname(this.path));
    } catch (thrown) {
      await this.#handle.close().catch(() => {}); // closed already, or the reason is `thrown`
      await rm(this.#temporary, { force: true });
      throw cannotWrite(thrown, this.path);
    }
  }

  /** Removes what was written. May be called at any time, also twice or after `commit`. */
  async abort(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    await this.#handle.close().catch(() => {}); // the file goes away in any case
    await rm(this.#temporary, { force: true });
  }
}

/** The system may take less than it is given; what is left is offered again. */
async function writeFully(handle: FileHandle, data: Uint8Array, at: number): Promise<void> {
  let doneBytes = 0;
  while (doneBytes < data.byteLength) {
    const left = data.byteLength - doneBytes;
    doneBytes += (await handle.write(data, doneBytes, left, at + doneBytes)).bytesWritten;
  }
}
