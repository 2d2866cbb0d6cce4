/**
 * The distinct items of a plan, on disk, ascending by content key.
 *
 * Owns: where each item's data and result stand. Invariant: item numbers ascend with keys.
 */
import { KEY_BYTES } from "../store/content-key.ts";
import { RecordFile } from "../store/record-file.ts";
import type { RowPlace } from "../store/row-reader.ts";

/** Where a result stands: a row of one of the run's stores. */
export interface StoredPlace extends RowPlace {
  readonly store: number;
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

/** key 32 | offset f64 | length u32 | cost u32 | store i32 | shard i32 | place f64 | size u32 | crc u32 */
const RECORD_BYTES = 72;
const UNLOCATED = -1;
/** Records in memory at a time: 64 Ki keys are 2 MiB, and a lookup walks an index once a chunk. */
const LOOKUP_ITEMS = 1 << 16;

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
    const record = this.#records.read(item);
    return {
      key: record.subarray(0, KEY_BYTES),
      offset: record.readDoubleLE(32),
      length: record.readUInt32LE(40),
      cost: record.readUInt32LE(44),
    };
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
    };
  }

  setPlace(item: number, place: Required<StoredPlace>): void {
    const record = this.#records.read(item);
    record.writeInt32LE(place.store, 48);
    record.writeInt32LE(place.shard, 52);
    record.writeDoubleLE(place.offset, 56);
    record.writeUInt32LE(place.size, 64);
    record.writeUInt32LE(place.crc, 68);
    this.#records.write(item, record);
  }

  /** Items without a result, ascending, in chunks; `keys` is `[items, 32]`. */
  *unlocated(): Generator<{ items: number[]; keys: Uint8Array }> {
    let items: number[] = [];
    let keys: Buffer[] = [];
    for (const { first, count, bytes } of this.#records.scan()) {
      for (let i = 0; i < count; i++) {
        const start = i * RECORD_BYTES;
        if (bytes.readInt32LE(start + 48) !== UNLOCATED) continue;
        items.push(first + i);
        keys.push(Buffer.from(bytes.subarray(start, start + KEY_BYTES)));
      }
      if (items.length < LOOKUP_ITEMS) continue;
      yield { items, keys: Buffer.concat(keys) };
      items = [];
      keys = [];
    }
    if (items.length > 0) yield { items, keys: Buffer.concat(keys) };
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

  close(): void {
    this.#records.close();
  }
}
