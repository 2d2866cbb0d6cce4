/**
 * Rows of text on disk that are read back in any order.
 *
 * Owns: one scratch file and where each row stands in it. Invariant: a row comes back as it was;
 * memory is 8 bytes a row and a write buffer.
 */
import { strict as assert } from "node:assert";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { fromSystemError } from "../../base/errors.ts";

/** Bytes gathered before they are written. */
const BUFFER_BYTES = 256 << 10;
const ROWS_FIRST = 1024;

export class RowSpool {
  readonly #path: string;
  readonly #file: number;
  #ends = new Float64Array(ROWS_FIRST);
  #count = 0;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #writtenBytes = 0;
  #isClosed = false;

  private constructor(path: string, file: number) {
    this.#path = path;
    this.#file = file;
  }

  /** `path` must not exist. Throws RaysidueError. */
  static create(path: string): RowSpool {
    try {
      return new RowSpool(path, openSync(path, "wx+"));
    } catch (thrown) {
      throw fromSystemError(thrown, `cannot write ${path}`);
    }
  }

  append(fields: readonly string[]): void {
    const bytes = Buffer.from(JSON.stringify(fields));
    if (this.#count === this.#ends.length) {
      const larger = new Float64Array(2 * this.#count);
      larger.set(this.#ends);
      this.#ends = larger;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#ends[this.#count++] = this.#writtenBytes + this.#waitingBytes;
    if (this.#waitingBytes >= BUFFER_BYTES) this.#flush();
  }

  /** The fields of row `row`, counted from 0. */
  read(row: number): string[] {
    assert(row < this.#count, `no row ${row}`);
    this.#flush();
    const start = row === 0 ? 0 : this.#ends[row - 1]!;
    const bytes = Buffer.allocUnsafe(this.#ends[row]! - start);
    const got = readSync(this.#file, bytes, 0, bytes.length, start);
    assert.equal(got, bytes.length, `${this.#path} was cut short`);
    return JSON.parse(bytes.toString()) as string[];
  }

  /** Repeated calls do nothing. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#file);
  }

  #flush(): void {
    if (this.#waitingBytes === 0) return;
    const bytes = Buffer.concat(this.#waiting, this.#waitingBytes);
    this.#waiting = [];
    this.#waitingBytes = 0;
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#file, bytes, done, bytes.length - done, this.#writtenBytes + done);
      }
    } catch (thrown) {
      throw fromSystemError(thrown, `cannot write ${this.#path}`);
    }
    this.#writtenBytes += bytes.length;
  }
}
