/**
 * The distinct items of a plan, on disk, ascending by content key.
 *
 * Owns: where each item's data and result stand. Invariant: item numbers ascend with keys.
 */
import { KEY_BYTES } from "../../store/content-key.ts";
import { type RecordChunk, RecordFile } from "../../store/record-file.ts";
import type { ResultStore } from "../../store/result-store.ts";
import type { RowPlace } from "../../store/row-reader.ts";

/** Where a result stands: a row of one of the run's stores. */
export interface StoredPlace extends RowPlace {
  readonly store: number;
  /** The lease of this run that computed it; 0 where none did. */
  readonly lease: number;
}

export interface DistinctItem {
  readonly key: Uint8Array;
  /** Of its data within the plan's data file. */
  readonly offset: number;
  readonly length: number;
  readonly cost: number;
}

export interface DistinctCounts {
  readonly items: number;
  readonly located: number;
  readonly residues: number;
  readonly residuesLocated: number;
  readonly cost: number;
  readonly costLocated: number;
}

/**
 * key 32 | offset f64 | length u32 | cost u32 | store i32 | shard i32 | place f64 | size u32 |
 * crc u32 | lease f64
 */
const RECORD_BYTES = 80;
const UNLOCATED = -1;

export class DistinctTable {
  readonly #records: RecordFile;

  private constructor(records: RecordFile) {
    this.#records = records;
  }

  static create(path: string): DistinctTable {
    return new DistinctTable(RecordFile.create(path, RECORD_BYTES));
  }

  get count(): number {
    return this.#records.count;
  }

  /** Appends an item whose key is above all others; returns its number. */
  append({ key, offset, length, cost }: DistinctItem): number {
    const record = Buffer.alloc(RECORD_BYTES);
    record.set(key);
    record.writeDoubleLE(offset, 32);
    record.writeUInt32LE(length, 40);
    record.writeUInt32LE(cost, 44);
    record.writeInt32LE(UNLOCATED, 48);
    return this.#records.append(record);
  }

  read(item: number): DistinctItem {
    return itemOf(this.#records.read(item));
  }

  /** Where the item's result stands; undefined where there is none yet. */
  place(item: number): StoredPlace | undefined {
    const record = this.#records.read(item);
    const store = record.readInt32LE(48);
    if (store === UNLOCATED) return undefined;
    return {
      store,
      shard: record.readInt32LE(52),
      offset: record.readDoubleLE(56),
      size: record.readUInt32LE(64),
      crc: record.readUInt32LE(68),
      lease: record.readDoubleLE(72),
    };
  }

  /** Notes the lease that computed the item. */
  noteLease(item: number, lease: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(lease);
    this.#records.patch(item, 72, bytes);
  }

  /**
   * Looks up every item without a result in `store`, a chunk of records at a time, and notes where
   * those that are there stand.
   */
  async locate(store: ResultStore, storeNumber: number): Promise<void> {
    for (const chunk of this.#records.scan()) {
      const starts = unlocatedStarts(chunk);
      if (starts.length === 0) continue;
      const keys = Buffer.concat(
        starts.map((start) => chunk.bytes.subarray(start, start + KEY_BYTES)),
      );
      const found = await store.lookup(keys);
      let isChanged = false;
      for (const [i, start] of starts.entries()) {
        const shard = found.shards[i]!;
        if (shard < 0) continue;
        isChanged = true;
        chunk.bytes.writeInt32LE(storeNumber, start + 48);
        chunk.bytes.writeInt32LE(shard, start + 52);
        chunk.bytes.writeDoubleLE(found.offsets[i]!, start + 56);
        chunk.bytes.writeUInt32LE(found.sizes[i]!, start + 64);
        chunk.bytes.writeUInt32LE(found.crcs[i]!, start + 68);
      }
      if (isChanged) this.#records.rewrite(chunk);
    }
  }

  /** Items without a result, ascending. */
  *unlocated(): Generator<DistinctItem & { readonly item: number }> {
    for (const chunk of this.#records.scan()) {
      for (const start of unlocatedStarts(chunk)) {
        const record = chunk.bytes.subarray(start, start + RECORD_BYTES);
        yield { item: chunk.first + start / RECORD_BYTES, ...itemOf(record) };
      }
    }
  }

  counts(): DistinctCounts {
    const counts = {
      items: 0,
      located: 0,
      residues: 0,
      residuesLocated: 0,
      cost: 0,
      costLocated: 0,
    };
    for (const { count, bytes } of this.#records.scan()) {
      for (let start = 0; start < count * RECORD_BYTES; start += RECORD_BYTES) {
        const length = bytes.readUInt32LE(start + 40);
        const cost = bytes.readUInt32LE(start + 44);
        counts.items++;
        counts.residues += length;
        counts.cost += cost;
        if (bytes.readInt32LE(start + 48) === UNLOCATED) continue;
        counts.located++;
        counts.residuesLocated += length;
        counts.costLocated += cost;
      }
    }
    return counts;
  }

  /** Ends its use; the table is scratch. */
  close(): void {
    this.#records.discard();
  }
}

function itemOf(record: Buffer): DistinctItem {
  return {
    key: record.subarray(0, KEY_BYTES),
    offset: record.readDoubleLE(32),
    length: record.readUInt32LE(40),
    cost: record.readUInt32LE(44),
  };
}

function unlocatedStarts({ count, bytes }: RecordChunk): number[] {
  const starts: number[] = [];
  for (let start = 0; start < count * RECORD_BYTES; start += RECORD_BYTES) {
    if (bytes.readInt32LE(start + 48) === UNLOCATED) starts.push(start);
  }
  return starts;
}
