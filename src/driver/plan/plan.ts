/**
 * What a run has to compute, on disk: rows as they were read, distinct items, and which of them
 * have a result already.
 *
 * Owns: deduplication by content key and the order of submission (longest first). Invariant:
 * memory does not grow with the input; distinct items are numbered in ascending order of their
 * keys, so that looking them up walks every index once.
 *
 *     add rows -> distinct() -> locate(stores) -> remaining() ... locate(stores) -> rows()
 */
import { strict as assert } from "node:assert";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fromSystemError, RaysidueError } from "../../base/errors.ts";
import {
  contentKey,
  type ItemDigest,
  KEY_BYTES,
  type SpaceDigest,
} from "../../store/content-key.ts";
import { sortedKeyOrder } from "../../store/key-order.ts";
import { PartitionedRecords } from "../../store/partitioned-records.ts";
import { RecordFile } from "../../store/record-file.ts";
import type { ResultStore } from "../../store/result-store.ts";
import { DistinctTable } from "./distinct-table.ts";

/** A row of the input that can be computed. */
export interface PlannedItem {
  readonly digest: ItemDigest;
  /** Canonical bytes; none where a result is known to be there. */
  readonly data: Uint8Array;
  /** What index.tsv says of it: residues. */
  readonly length: number;
  /** What the scheduler weighs. */
  readonly cost: number;
}

/** A row as it is read back for the output. */
export interface PlannedRow {
  readonly digest: Buffer;
  readonly length: number;
  /** Number of its distinct item; undefined where the row was refused. */
  readonly item: number | undefined;
}

/** Items to submit, longest first. */
export interface RemainingItems {
  readonly items: readonly number[];
  readonly data: Uint8Array;
  readonly sizes: readonly number[];
  readonly costs: readonly number[];
  /** `[items, 32]` */
  readonly keys: Uint8Array;
}

/** digest 32 | length u32 | is planned u32 | item f64 */
const ROW_BYTES = 48;
/** key 32 | row f64 | offset f64 | length u32 | cost u32 */
const ENTRY_BYTES = 56;
/** bucket u8, 3 unused | cost u32 | length u32 | 4 unused | key 32 | offset f64 | item f64 */
const QUEUED_BYTES = 64;

/** Item data of one submission: large enough to be cheap, small enough to pipeline. */
const SUBMISSION_BYTES = 128 * 1024;
const SUBMISSION_ITEMS = 4096;

/** Item data that waits to be written. */
const DATA_BUFFER_BYTES = 256 * 1024;

export class Plan {
  readonly #folder: string;
  readonly #space: SpaceDigest;
  readonly #rows: RecordFile;
  readonly #entries: PartitionedRecords;
  readonly #distinct: DistinctTable;
  readonly #data: number;
  #dataBytes = 0;
  #buffered: Uint8Array[] = [];
  #bufferedBytes = 0;

  /** Puts its tables into `folder`, which must be empty; they are scratch. */
  constructor(folder: string, space: SpaceDigest) {
    this.#folder = folder;
    this.#space = space;
    this.#rows = RecordFile.create(join(folder, "rows"), ROW_BYTES);
    this.#entries = new PartitionedRecords(join(folder, "entries"), ENTRY_BYTES);
    this.#distinct = DistinctTable.create(join(folder, "distinct"));
    try {
      this.#data = openSync(join(folder, "data"), "wx+");
    } catch (thrown) {
      throw fromSystemError(thrown, `cannot write ${folder}`);
    }
  }

  get distinct(): DistinctTable {
    return this.#distinct;
  }

  get rowCount(): number {
    return this.#rows.count;
  }

  /** Adds the next row; `data` is copied. */
  addItem(item: PlannedItem): void {
    const key = contentKey(this.#space, item.digest);
    const entry = Buffer.alloc(ENTRY_BYTES);
    key.copy(entry);
    entry.writeDoubleLE(this.#rows.count, 32);
    entry.writeDoubleLE(this.#dataBytes, 40);
    entry.writeUInt32LE(item.data.length, 48);
    entry.writeUInt32LE(item.cost, 52);
    this.#entries.append(entry);
    this.#appendData(item.data);
    this.#appendRow(item.digest, item.length, true);
  }

  /** Adds a row that will have no result. */
  addRefused(length: number): void {
    this.#appendRow(Buffer.alloc(KEY_BYTES), length, false);
  }

  /** Finds equal items. Afterwards no row may be added. */
  deduplicate(): void {
    this.#flushData();
    for (let partition = 0; partition < 256; partition++) {
      const entries = this.#entries.read(partition);
      this.#deduplicate(entries, entries.length / ENTRY_BYTES);
      this.#entries.clear(partition);
    }
    this.#entries.remove();
  }

  /** Looks up every item without a result in `store`, which gets number `storeNumber`. */
  locate(store: ResultStore, storeNumber: number): Promise<void> {
    return this.#distinct.locate(store, storeNumber);
  }

  /** Items without a result, longest first (within a twelfth), in submissions. */
  *remaining(): Generator<RemainingItems> {
    using queue = new PartitionedRecords(
      join(this.#folder, `queue-${process.hrtime.bigint()}`),
      QUEUED_BYTES,
    );
    const record = Buffer.alloc(QUEUED_BYTES);
    for (const { item, key, offset, length, cost } of this.#distinct.unlocated()) {
      if (length === 0) {
        const text = "a known result was removed meanwhile; run the same command again";
        throw new RaysidueError("try-again", text);
      }
      record[0] = costBucket(cost);
      record.writeUInt32LE(cost, 4);
      record.writeUInt32LE(length, 8);
      record.set(key, 16);
      record.writeDoubleLE(offset, 48);
      record.writeDoubleLE(item, 56);
      queue.append(record);
    }
    for (let bucket = 0; bucket < 256; bucket++) {
      for (const { bytes, count } of queue.scan(bucket)) yield* this.#submissions(bytes, count);
    }
  }

  /** Canonical bytes of a distinct item. */
  dataOf(item: number): Buffer {
    const { offset, length } = this.#distinct.read(item);
    const data = Buffer.allocUnsafe(length);
    this.#readData(data, offset);
    return data;
  }

  /** All rows in the order of the input. */
  *rows(): Generator<PlannedRow[]> {
    for (const { bytes, count } of this.#rows.scan()) {
      yield Array.from({ length: count }, (_, i) => {
        const row = bytes.subarray(i * ROW_BYTES, (i + 1) * ROW_BYTES);
        const isPlanned = row.readUInt32LE(36) === 1;
        return {
          digest: Buffer.from(row.subarray(0, KEY_BYTES)),
          length: row.readUInt32LE(32),
          item: isPlanned ? row.readDoubleLE(40) : undefined,
        };
      });
    }
  }

  close(): void {
    // A disk that is full must not turn the end of a run into another error.
    this.#rows.discard();
    this.#distinct.close();
    closeSync(this.#data);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #appendRow(digest: Uint8Array, length: number, isPlanned: boolean): void {
    const row = Buffer.alloc(ROW_BYTES);
    row.set(digest);
    row.writeUInt32LE(length, 32);
    row.writeUInt32LE(isPlanned ? 1 : 0, 36);
    this.#rows.append(row);
  }

  #deduplicate(entries: Buffer, count: number): void {
    const keys = Buffer.alloc(count * KEY_BYTES);
    for (let i = 0; i < count; i++) {
      entries.copy(keys, i * KEY_BYTES, i * ENTRY_BYTES, i * ENTRY_BYTES + KEY_BYTES);
    }
    const itemBytes = Buffer.alloc(8);
    let previous: Buffer | undefined;
    let item = -1;
    // Stable: of equal items the first row's comes first and gives the place of the data.
    for (const i of sortedKeyOrder(keys)) {
      const entry = entries.subarray(i * ENTRY_BYTES, (i + 1) * ENTRY_BYTES);
      const key = entry.subarray(0, KEY_BYTES);
      if (previous === undefined || !key.equals(previous)) {
        item = this.#distinct.append({
          key,
          offset: entry.readDoubleLE(40),
          length: entry.readUInt32LE(48),
          cost: entry.readUInt32LE(52),
        });
        previous = key;
      }
      itemBytes.writeDoubleLE(item);
      this.#rows.patch(entry.readDoubleLE(32), 40, itemBytes);
    }
  }

  *#submissions(records: Buffer, count: number): Generator<RemainingItems> {
    for (let from = 0; from < count; ) {
      let to = from;
      let bytes = 0;
      while (to < count && to - from < SUBMISSION_ITEMS) {
        const size = records.readUInt32LE(to * QUEUED_BYTES + 8);
        if (to > from && bytes + size > SUBMISSION_BYTES) break;
        bytes += size;
        to++;
      }
      yield this.#submission(records.subarray(from * QUEUED_BYTES, to * QUEUED_BYTES), bytes);
      from = to;
    }
  }

  #submission(records: Buffer, bytes: number): RemainingItems {
    const count = records.length / QUEUED_BYTES;
    const data = Buffer.allocUnsafe(bytes);
    const keys = Buffer.allocUnsafe(count * KEY_BYTES);
    const items: number[] = [];
    const sizes: number[] = [];
    const costs: number[] = [];
    let at = 0;
    for (let i = 0; i < count; i++) {
      const record = records.subarray(i * QUEUED_BYTES, (i + 1) * QUEUED_BYTES);
      const size = record.readUInt32LE(8);
      this.#readData(data.subarray(at, at + size), record.readDoubleLE(48));
      at += size;
      record.copy(keys, i * KEY_BYTES, 16, 16 + KEY_BYTES);
      items.push(record.readDoubleLE(56));
      sizes.push(size);
      costs.push(record.readUInt32LE(4));
    }
    return { items, data, sizes, costs, keys };
  }

  #appendData(data: Uint8Array): void {
    this.#buffered.push(Uint8Array.from(data));
    this.#bufferedBytes += data.length;
    this.#dataBytes += data.length;
    if (this.#bufferedBytes >= DATA_BUFFER_BYTES) this.#flushData();
  }

  #flushData(): void {
    const bytes = Buffer.concat(this.#buffered, this.#bufferedBytes);
    this.#buffered = [];
    this.#bufferedBytes = 0;
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#data, bytes, done);
    } catch (thrown) {
      throw fromSystemError(thrown, `cannot write ${this.#folder}`);
    }
  }

  #readData(target: Buffer, offset: number): void {
    const got = readSync(this.#data, target, 0, target.length, offset);
    assert.equal(got, target.length, "the plan's data was cut short");
  }
}

/** Ascending with falling cost: 0 for the largest. Twelve buckets an octave. */
function costBucket(cost: number): number {
  return Math.max(0, 255 - Math.floor(12 * Math.log2(cost + 1)));
}
