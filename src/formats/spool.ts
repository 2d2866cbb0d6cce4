/**
 * Bytes set aside in a nameless file until it is known where they go.
 *
 * Owns: a temporary file beside the path of the output it is for. Invariant: memory is one buffer;
 * the file is gone after `remove`.
 */
import { type FileHandle, open, rm } from "node:fs/promises";
import { temporaryBeside } from "../base/files.ts";
import { cannotWrite } from "./atomic-file.ts";

const BUFFER_BYTES = 256 << 10;

export class Spool {
  readonly #path: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  #buffer: Uint8Array[] = [];
  #bufferBytes = 0;
  #sizeBytes = 0;

  private constructor(path: string, temporary: string, handle: FileHandle) {
    this.#path = path;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  /** `path` is the output's: it names the errors and the folder. */
  static async create(path: string): Promise<Spool> {
    const temporary = temporaryBeside(path);
    try {
      return new Spool(path, temporary, await open(temporary, "wx+"));
    } catch (thrown) {
      throw cannotWrite(thrown, path);
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Appends a copy. */
  async append(bytes: Uint8Array): Promise<void> {
    this.#buffer.push(new Uint8Array(bytes));
    this.#bufferBytes += bytes.byteLength;
    this.#sizeBytes += bytes.byteLength;
    if (this.#bufferBytes >= BUFFER_BYTES) await this.#flush();
  }

  /** Everything appended so far. */
  async *read(): AsyncGenerator<Uint8Array> {
    await this.#flush();
    const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
    for (let at = 0; at < this.#sizeBytes; ) {
      const { bytesRead } = await this.#handle.read(buffer, 0, BUFFER_BYTES, at);
      if (bytesRead === 0) throw cannotWrite(new Error("a temporary file was cut"), this.#path);
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async remove(): Promise<void> {
    await this.#handle.close().catch(() => {}); // closed by an earlier call
    await rm(this.#temporary, { force: true });
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#buffer);
    this.#buffer = [];
    this.#bufferBytes = 0;
    try {
      // Appends at the handle's own position; reading above is by explicit position.
      await this.#handle.writeFile(bytes);
    } catch (thrown) {
      throw cannotWrite(thrown, this.#path);
    }
  }
}
