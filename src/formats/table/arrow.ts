/**
 * Arrow IPC files (`.arrow`, Feather version 2): tables and ragged tables.
 *
 * Owns: writing record batches of bounded size one after another, and reading them likewise.
 * Invariant: memory is a few blocks (table-cutter.ts), whatever the file's size; equal rows give equal
 * bytes. Uncompressed, so that a reader can map the file. A file cut short is refused; but the
 * library believes a file's own metadata, so bytes changed in there can keep it busy for minutes:
 * what comes from elsewhere is checked by digest before it is read here.
 */
import { open } from "node:fs/promises";
import {
  type RecordBatch,
  RecordBatchFileWriter,
  RecordBatchReader,
  type Schema,
} from "apache-arrow";
import { fromSystemError, messageOf, RaysidueError } from "../../base/errors.ts";
import { AtomicFile } from "../atomic-file.ts";
import {
  raggedBatch,
  raggedChunk,
  raggedSchema,
  tableBatch,
  tableChunk,
  tableSchema,
} from "./arrow-batch.ts";
import {
  type ColumnSpec,
  checkSpecs,
  type RaggedChunk,
  type TableChunk,
  type TableWriter,
} from "./table.ts";
import { RaggedCutter, TableCutter } from "./table-cutter.ts";

/** Hands over the pieces of the encoding instead of queueing them without bound. */
class PieceWriter extends RecordBatchFileWriter {
  #pieces: Uint8Array[] = [];

  take(): Uint8Array[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  /** The base class counts `_position` for the footer and ignores what comes before the start. */
  protected override _write(chunk: ArrayBufferView): this {
    if (this._started && chunk.byteLength > 0) {
      this.#pieces.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      this._position += chunk.byteLength;
    }
    return this;
  }
}

/** What both kinds of writer do with blocks. */
interface Cutter<Chunk> {
  push(chunk: Chunk): Iterable<Chunk>;
  flush(): Chunk | undefined;
}

class ArrowWriter<Chunk> implements TableWriter<Chunk> {
  readonly #file: AtomicFile;
  readonly #cutter: Cutter<Chunk>;
  readonly #encode: (chunk: Chunk) => RecordBatch;
  readonly #encoder = new PieceWriter({ autoDestroy: true });

  constructor(
    file: AtomicFile,
    cutter: Cutter<Chunk>,
    schema: Schema,
    encode: (chunk: Chunk) => RecordBatch,
  ) {
    this.#file = file;
    this.#cutter = cutter;
    this.#encode = encode;
    // Now and not with the first batch: a table without rows has its schema too.
    this.#encoder.reset(undefined, schema);
  }

  async write(chunk: Chunk): Promise<void> {
    for (const block of this.#cutter.push(chunk)) await this.#append(block);
  }

  async close(): Promise<void> {
    const rest = this.#cutter.flush();
    if (rest !== undefined) await this.#append(rest);
    this.#encoder.finish();
    await this.#drain();
    await this.#file.commit();
  }

  async abort(): Promise<void> {
    await this.#file.abort();
  }

  async #append(block: Chunk): Promise<void> {
    this.#encoder.write(this.#encode(block));
    await this.#drain();
  }

  async #drain(): Promise<void> {
    for (const piece of this.#encoder.take()) await this.#file.write(piece);
  }
}

/** Columns `id: utf8`, `length: int32`, then `fixed_size_list<float32|float16>[dim]` each. */
export async function createArrowWriter(
  path: string,
  columns: readonly ColumnSpec[],
): Promise<TableWriter> {
  checkSpecs(columns);
  const schema = tableSchema(columns);
  const encode = (chunk: TableChunk) => tableBatch(schema, chunk);
  return new ArrowWriter(await AtomicFile.create(path), new TableCutter(columns), schema, encode);
}

/** Columns `id: utf8`, `length: int32`, NAME: `list<fixed_size_list<float32|float16>[dim]>`. */
export async function createRaggedArrowWriter(
  path: string,
  column: ColumnSpec,
): Promise<TableWriter<RaggedChunk>> {
  checkSpecs([column]);
  const schema = raggedSchema(column);
  const encode = (chunk: RaggedChunk) => raggedBatch(schema, chunk);
  return new ArrowWriter(await AtomicFile.create(path), new RaggedCutter(column), schema, encode);
}

/** The tables of a file written by `createArrowWriter`, a record batch at a time. */
export async function* readArrow(path: string): AsyncGenerator<TableChunk> {
  for await (const batch of batches(path)) yield tableChunk(batch, path);
}

/** The tables of a file written by `createRaggedArrowWriter`, a record batch at a time. */
export async function* readRaggedArrow(path: string): AsyncGenerator<RaggedChunk> {
  for await (const batch of batches(path)) yield raggedChunk(batch, path);
}

async function* batches(path: string): AsyncGenerator<RecordBatch> {
  const handle = await open(path).catch((thrown: unknown) => {
    throw fromSystemError(thrown, `cannot read ${path}`);
  });
  try {
    const reader = await RecordBatchReader.from(handle);
    await reader.open();
    if (!reader.isFile()) throw new Error("the file's end is missing");
    for await (const batch of reader) yield batch;
  } catch (thrown) {
    if (thrown instanceof RaysidueError) throw thrown;
    const text = `${path}: not a whole Arrow file (${messageOf(thrown)}); it was changed or cut short`;
    throw new RaysidueError("bad-input", text, { cause: thrown });
  } finally {
    await handle.close().catch(() => {}); // the reader may have closed it
  }
}
