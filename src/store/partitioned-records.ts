/**
 * Fixed-size records spread over 256 files by their first byte, for sorting and deduplicating more
 * than memory holds: records that start with a digest spread evenly, and equal ones meet.
 *
 * Owns: the files `00.part` to `ff.part` of one folder. Invariants: a partition keeps the order of
 * its appends; no descriptor stays open between calls, and memory is one buffer a partition.
 * Synchronous for the reason in record-file.ts. Scratch only: a crash loses it.
 */
import assert from "node:assert/strict";
import { closeSync, mkdirSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fromSystemError, RaysidueError } from "../base/errors.ts";
import type { RecordChunk } from "./record-file.ts";

const PARTITIONS = 256;
/** 8 MiB for all partitions; an open, a write and a close for every 32 KiB cost nothing. */
const BUFFER_BYTES = 1 << 15;
const SCAN_BYTES = 1 << 20;

export class PartitionedRecords {
  readonly folder: string;
  readonly recordBytes: number;
  readonly #buffers: (Buffer | undefined)[] = new Array<undefined>(PARTITIONS).fill(undefined);
  readonly #buffered = new Uint32Array(PARTITIONS);
  readonly #counts = new Float64Array(PARTITIONS);

  /** Creates `folder`, which must not exist. Throws what fromSystemError says. */
  constructor(folder: string, recordBytes: number) {
    assert(recordBytes > 0 && recordBytes <= BUFFER_BYTES);
    this.folder = folder;
    this.recordBytes = recordBytes;
    try {
      mkdirSync(folder);
    } catch (thrown) {
      throw fromSystemError(thrown, `cannot create folder ${folder}`);
    }
  }

  /** Records of one partition, or of all. */
  count(partition?: number): number {
    return partition === undefined
      ? this.#counts.reduce((sum, count) => sum + count, 0)
      : this.#counts[partition]!;
  }

  /** Copies the record into the partition of its first byte. "try-again" where the disk is full. */
  append(record: Uint8Array): void {
    assert(record.length === this.recordBytes, "record size");
    const partition = record[0]!;
    const buffer = this.#bufferOf(partition);
    if (this.#buffered[partition]! + this.recordBytes > buffer.length) this.#flush(partition);
    buffer.set(record, this.#buffered[partition]!);
    this.#buffered[partition]! += this.recordBytes;
    this.#counts[partition]!++;
  }

  /** One partition's records in the order of their appends, all at once. */
  read(partition: number): Buffer {
    const bytes = Buffer.allocUnsafe(this.count(partition) * this.recordBytes);
    for (const chunk of this.scan(partition))
      bytes.set(chunk.bytes, chunk.first * this.recordBytes);
    return bytes;
  }

  /** The same in chunks of about a MiB; nothing may be appended to the partition meanwhile. */
  *scan(partition: number): Generator<RecordChunk, void> {
    const total = this.count(partition);
    if (total === 0) return;
    const buffered = this.#buffered[partition]!;
    if (buffered === total * this.recordBytes) {
      // Of a small table nothing was written yet, nor need it be: that spares 256 files.
      const bytes = Buffer.from(this.#bufferOf(partition).subarray(0, buffered));
      yield { first: 0, count: total, bytes };
      return;
    }
    this.#flush(partition);
    const path = this.#path(partition);
    const chunkRecords = Math.floor(SCAN_BYTES / this.recordBytes);
    const chunk = Buffer.allocUnsafe(Math.min(total, chunkRecords) * this.recordBytes);
    const file = openSync(path, "r");
    try {
      for (let first = 0; first < total; ) {
        const count = Math.min(chunkRecords, total - first);
        const bytes = chunk.subarray(0, count * this.recordBytes);
        for (let done = 0; done < bytes.length; ) {
          const got = readSync(file, bytes, done, bytes.length - done, null);
          if (got === 0) throw new RaysidueError("bad-input", `${path} was cut short meanwhile`);
          done += got;
        }
        yield { first, count, bytes };
        first += count;
      }
    } catch (thrown) {
      throw fromSystemError(thrown, `cannot read ${path}`);
    } finally {
      closeSync(file);
    }
  }

  /** Gives one partition's space back; it is empty then. */
  clear(partition: number): void {
    rmSync(this.#path(partition), { force: true });
    this.#buffers[partition] = undefined;
    this.#buffered[partition] = 0;
    this.#counts[partition] = 0;
  }

  /** Removes the folder and everything in it. */
  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
    this.#buffers.fill(undefined);
    this.#buffered.fill(0);
    this.#counts.fill(0);
  }

  [Symbol.dispose](): void {
    this.remove();
  }

  #path(partition: number): string {
    assert(Number.isInteger(partition) && partition >= 0 && partition < PARTITIONS);
    return join(this.folder, `${partition.toString(16).padStart(2, "0")}.part`);
  }

  #bufferOf(partition: number): Buffer {
    this.#buffers[partition] ??= Buffer.allocUnsafe(BUFFER_BYTES);
    return this.#buffers[partition];
  }

  #flush(partition: number): void {
    const bytes = this.#bufferOf(partition).subarray(0, this.#buffered[partition]);
    if (bytes.length === 0) return;
    const path = this.#path(partition);
    try {
      const file = openSync(path, "a");
      try {
        for (let done = 0; done < bytes.length; ) {
          done += writeSync(file, bytes, done, bytes.length - done);
        }
      } finally {
        closeSync(file);
      }
    } catch (thrown) {
      // A part of the buffer may be in the file: the table is scratch, and the run ends here.
      throw fromSystemError(thrown, `cannot write ${path}`);
    }
    this.#buffered[partition] = 0;
  }
}
