/**
 * Chunks of any size into blocks of a bounded one: row groups and record batches.
 *
 * Owns: where a block ends. Invariant: that depends on the rows alone, never on how they arrived,
 * so equal rows give equal files. Memory is one block. Chunks are copied, never changed.
 */
import {
  bytesPerNumber,
  type ColumnSpec,
  checkRagged,
  checkTable,
  type RaggedChunk,
  type TableChunk,
  type VectorData,
  vectorData,
} from "./table.ts";

/** Bytes of vectors in a block: large enough to compress well, small enough to hold several. */
const BLOCK_BYTES = 8 << 20;
/** Rows in a block where vectors are short: bounds the strings that are held. */
const BLOCK_ROWS = 1 << 16;
/** Characters of ids in a block: ids can be long too. */
const BLOCK_ID_CHARS = 4 << 20;
/** A growing array of numbers: doubles, and hands out what it holds. */
class Gathered<T extends VectorData | Int32Array> {
  #data: T;
  readonly #make: (length: number) => T;
  #length = 0;

  constructor(make: (length: number) => T) {
    this.#make = make;
    this.#data = make(0);
  }

  append(source: T, from: number, to: number): void {
    const length = this.#length + to - from;
    if (length > this.#data.length) {
      const grown = this.#make(Math.max(length, this.#data.length * 2));
      grown.set(this.#data.subarray(0, this.#length));
      this.#data = grown;
    }
    this.#data.set(source.subarray(from, to), this.#length);
    this.#length = length;
  }

  /** Everything so far; whoever takes it owns it. */
  take(): T {
    const data = this.#data.subarray(0, this.#length) as T;
    this.#data = this.#make(0);
    this.#length = 0;
    return data;
  }
}

/** Rows of a block where ids are of ordinary length. */
export function blockRows(columns: readonly ColumnSpec[]): number {
  return Math.min(BLOCK_ROWS, Math.ceil(BLOCK_BYTES / Math.max(1, rowBytesOf(columns))));
}

function rowBytesOf(columns: readonly ColumnSpec[]): number {
  return columns.reduce((sum, { dtype, dim }) => sum + dim * bytesPerNumber(dtype), 0);
}

/** Counts rows into blocks: the one rule of where a block ends. */
class BlockRule {
  #rows = 0;
  #idChars = 0;
  #bytes = 0;

  /** Whether the block is full with this row. */
  add(id: string, rowBytes: number): boolean {
    this.#rows++;
    this.#idChars += id.length;
    this.#bytes += rowBytes;
    const isFull =
      this.#rows >= BLOCK_ROWS || this.#idChars >= BLOCK_ID_CHARS || this.#bytes >= BLOCK_BYTES;
    if (isFull) this.#rows = this.#idChars = this.#bytes = 0;
    return isFull;
  }
}

/** Cuts a stream of table chunks into blocks of bounded size. */
export class TableCutter {
  readonly #columns: readonly ColumnSpec[];
  readonly #rule = new BlockRule();
  readonly #rowBytes: number;
  readonly #lengths = new Gathered<Int32Array>((length) => new Int32Array(length));
  readonly #data: readonly Gathered<VectorData>[];
  #ids: string[] = [];

  constructor(columns: readonly ColumnSpec[]) {
    this.#columns = columns;
    this.#rowBytes = rowBytesOf(columns);
    this.#data = columns.map(({ dtype }) => new Gathered((length) => vectorData(dtype, length)));
  }

  /** Takes a chunk and gives the blocks that are full now. */
  *push(chunk: TableChunk): Generator<TableChunk> {
    checkTable(chunk, this.#columns);
    let start = 0;
    for (let row = 0; row < chunk.ids.length; row++) {
      if (!this.#rule.add(chunk.ids[row]!, this.#rowBytes)) continue;
      this.#append(chunk, start, row + 1);
      start = row + 1;
      yield this.#take();
    }
    this.#append(chunk, start, chunk.ids.length);
  }

  /** The rows left over, if any. */
  flush(): TableChunk | undefined {
    return this.#ids.length > 0 ? this.#take() : undefined;
  }

  /** A block without rows, for a file without rows. */
  none(): TableChunk {
    const columns = this.#columns.map(({ name, dtype, dim }) => {
      return { name, dtype, dim, data: vectorData(dtype, 0) };
    });
    return { ids: [], lengths: new Int32Array(0), columns };
  }

  #append(chunk: TableChunk, from: number, to: number): void {
    for (let row = from; row < to; row++) this.#ids.push(chunk.ids[row]!);
    this.#lengths.append(chunk.lengths, from, to);
    for (const [i, { dim, data }] of chunk.columns.entries()) {
      this.#data[i]!.append(data, from * dim, to * dim);
    }
  }

  #take(): TableChunk {
    const ids = this.#ids;
    this.#ids = [];
    const columns = this.#columns.map(({ name, dtype, dim }, i) => {
      return { name, dtype, dim, data: this.#data[i]!.take() };
    });
    return { ids, lengths: this.#lengths.take(), columns };
  }
}

/** Cuts a stream of ragged chunks into blocks of bounded size (one record may exceed it). */
export class RaggedCutter {
  readonly #spec: ColumnSpec;
  readonly #rule = new BlockRule();
  readonly #lengths = new Gathered<Int32Array>((length) => new Int32Array(length));
  readonly #data: Gathered<VectorData>;
  #ids: string[] = [];

  constructor({ name, dtype, dim }: ColumnSpec) {
    this.#spec = { name, dtype, dim };
    this.#data = new Gathered((length) => vectorData(dtype, length));
  }

  /** Takes a chunk and gives the blocks that are full now. */
  *push(chunk: RaggedChunk): Generator<RaggedChunk> {
    checkRagged(chunk, this.#spec);
    const { dim, dtype } = this.#spec;
    let at = 0;
    for (const [row, id] of chunk.ids.entries()) {
      const numbers = chunk.lengths[row]! * dim;
      this.#ids.push(id);
      this.#lengths.append(chunk.lengths, row, row + 1);
      this.#data.append(chunk.data, at, at + numbers);
      at += numbers;
      if (this.#rule.add(id, numbers * bytesPerNumber(dtype))) yield this.#take();
    }
  }

  /** The rows left over, if any. */
  flush(): RaggedChunk | undefined {
    return this.#ids.length > 0 ? this.#take() : undefined;
  }

  #take(): RaggedChunk {
    const ids = this.#ids;
    this.#ids = [];
    return { ...this.#spec, ids, lengths: this.#lengths.take(), data: this.#data.take() };
  }
}
