/**
 * A table of fixed-size records in a file, for plans larger than memory.
 *
 * Owns: buffered appending, random reading and overwriting, and scanning in chunks. Calls are
 * synchronous: on local scratch a call costs microseconds and is bounded by one buffer, where a
 * promise a record would cost more than the work. Invariant: reads see every write before them.
 * Scratch only: nothing is flushed to disk, and a crash loses the table.
 */
import assert from "node:assert/strict";
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { fromSystemError, RaysidueError } from "../base/errors.ts";

/** Appends that wait in memory: one system call for thousands of records. */
const BUFFER_BYTES = 1 << 18;
/** What a scan holds at a time. */
const SCAN_BYTES = 1 << 20;

/** Records `first .. first + count - 1`; `bytes` is valid until the next chunk is asked for. */
export interface RecordChunk {
  readonly first: number;
  readonly count: number;
  readonly bytes: Buffer;
}

export class RecordFile {
  readonly path: string;
  readonly recordBytes: number;
  readonly #file: number;
  readonly #buffer: Buffer;
  /** Records in the file; those after them are in the buffer. */
  #writtenCount: number;
  #bufferedCount = 0;
  #isOpen = true;

  private constructor(path: string, file: number, sizes: { recordBytes: number; count: number }) {
    this.path = path;
    this.recordBytes = sizes.recordBytes;
    this.#file = file;
    this.#writtenCount = sizes.count;
    const records = Math.max(1, Math.floor(BUFFER_BYTES / sizes.recordBytes));
    this.#buffer = Buffer.allocUnsafe(records * sizes.recordBytes);
  }

  /** An empty table at `path`, which must not exist. Throws what fromSystemError says. */
  static create(path: string, recordBytes: number): RecordFile {
    assert(recordBytes > 0);
    return new RecordFile(path, openFile(path, "wx+"), { recordBytes, count: 0 });
  }

  /** An existing table. Throws "bad-input" where the file is no whole number of records. */
  static open(path: string, recordBytes: number): RecordFile {
    assert(recordBytes > 0);
    const file = openFile(path, "r+");
    const count = fstatSync(file).size / recordBytes;
    if (Number.isInteger(count)) return new RecordFile(path, file, { recordBytes, count });
    closeSync(file);
    throw new RaysidueError("bad-input", `${path}: cut off within a record; remove it`);
  }

  get count(): number {
    return this.#writtenCount + this.#bufferedCount;
  }

  /** Copies the record; returns its index. Throws "try-again" where the disk is full. */
  append(record: Uint8Array): number {
    assert(record.length === this.recordBytes, "record size");
    if (this.#bufferedCount * this.recordBytes === this.#buffer.length) this.flush();
    this.#buffer.set(record, this.#bufferedCount * this.recordBytes);
    this.#bufferedCount++;
    return this.count - 1;
  }

  /** The record at `index`, in a buffer of its own or in `target`. */
  read(index: number, target = Buffer.allocUnsafe(this.recordBytes)): Buffer {
    this.#check(index);
    const buffered = index - this.#writtenCount;
    if (buffered >= 0) {
      this.#buffer.copy(target, 0, buffered * this.recordBytes, (buffered + 1) * this.recordBytes);
    } else this.#readFully(target.subarray(0, this.recordBytes), index * this.recordBytes);
    return target;
  }

  /** `count` records from `first` on. */
  readRange(first: number, count: number): Buffer {
    this.#check(first);
    this.#check(first + count - 1);
    if (first + count > this.#writtenCount) this.flush();
    const bytes = Buffer.allocUnsafe(count * this.recordBytes);
    this.#readFully(bytes, first * this.recordBytes);
    return bytes;
  }

  /** Overwrites the record at `index`. */
  write(index: number, record: Uint8Array): void {
    this.#check(index);
    assert(record.length === this.recordBytes, "record size");
    const buffered = index - this.#writtenCount;
    if (buffered >= 0) this.#buffer.set(record, buffered * this.recordBytes);
    else this.#writeFully(record, index * this.recordBytes);
  }

  /** Overwrites `bytes.length` bytes of the record at `index`, from `offset` within it on. */
  patch(index: number, offset: number, bytes: Uint8Array): void {
    this.#check(index);
    assert(offset + bytes.length <= this.recordBytes, "record size");
    const buffered = index - this.#writtenCount;
    if (buffered >= 0) this.#buffer.set(bytes, buffered * this.recordBytes + offset);
    else this.#writeFully(bytes, index * this.recordBytes + offset);
  }

  /** Writes a scanned chunk back, changed in place by the caller. */
  rewrite({ first, count, bytes }: RecordChunk): void {
    assert(first + count <= this.#writtenCount && bytes.length === count * this.recordBytes);
    this.#writeFully(bytes, first * this.recordBytes);
  }

  /** All records in order, in chunks of about a MiB. Records appended meanwhile come too. */
  *scan(): Generator<RecordChunk, void> {
    const chunkRecords = Math.max(1, Math.floor(SCAN_BYTES / this.recordBytes));
    const chunk = Buffer.allocUnsafe(chunkRecords * this.recordBytes);
    for (let first = 0; first < this.count; ) {
      if (first + chunkRecords > this.#writtenCount) this.flush();
      const count = Math.min(chunkRecords, this.#writtenCount - first);
      const bytes = chunk.subarray(0, count * this.recordBytes);
      this.#readFully(bytes, first * this.recordBytes);
      yield { first, count, bytes };
      first += count;
    }
  }

  /** Hands buffered records to the operating system. */
  flush(): void {
    if (this.#bufferedCount === 0) return;
    const bytes = this.#buffer.subarray(0, this.#bufferedCount * this.recordBytes);
    this.#writeFully(bytes, this.#writtenCount * this.recordBytes);
    this.#writtenCount += this.#bufferedCount;
    this.#bufferedCount = 0;
  }

  /** Closes without flushing, for a table that nobody will open again; never throws. */
  discard(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#file);
  }

  /** Flushes and closes; repeated calls do nothing. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      this.flush();
    } finally {
      closeSync(this.#file);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #check(index: number): void {
    assert(Number.isInteger(index) && index >= 0 && index < this.count, `no record ${index}`);
  }

  #readFully(target: Uint8Array, position: number): void {
    for (let done = 0; done < target.length; ) {
      let got: number;
      try {
        got = readSync(this.#file, target, done, target.length - done, position + done);
      } catch (thrown) {
        throw fromSystemError(thrown, `cannot read ${this.path}`);
      }
      if (got === 0) throw new RaysidueError("bad-input", `${this.path} was cut short meanwhile`);
      done += got;
    }
  }

  #writeFully(bytes: Uint8Array, position: number): void {
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#file, bytes, done, bytes.length - done, position + done);
      }
    } catch (thrown) {
      throw fromSystemError(thrown, `cannot write ${this.path}`);
    }
  }
}

function openFile(path: string, flags: "wx+" | "r+"): number {
  try {
    return openSync(path, flags);
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot open ${path}`);
  }
}
