/**
 * Columnar rows as they pass between the driver and the writers of all table formats.
 *
 * Owns: the shape of a chunk and the writers' interface, with the checks that a chunk is what it
 * says. Nothing here knows a file format.
 */
import assert from "node:assert/strict";
import { RaysidueError } from "../../base/errors.ts";

/** A column of one vector a row, or (ragged) one vector a residue. */
export interface ColumnSpec {
  readonly name: string;
  readonly dtype: "float32" | "float16";
  /** Numbers a row; for ragged data, numbers a residue. At least 1. */
  readonly dim: number;
}

/** float16 as raw half bits (see float16.ts). */
export type VectorData = Float32Array | Uint16Array;

export interface Column extends ColumnSpec {
  /** `[rows, dim]` row-major; Float32Array for float32, Uint16Array for float16. */
  readonly data: VectorData;
}

/** Rows with one vector a column. */
export interface TableChunk {
  readonly ids: readonly string[];
  /** `[rows]` residues of each record. */
  readonly lengths: Int32Array;
  readonly columns: readonly Column[];
}

/** Rows with a matrix of as many vectors as the record has residues. */
export interface RaggedChunk extends ColumnSpec {
  readonly ids: readonly string[];
  /** `[rows]` residues of each record. */
  readonly lengths: Int32Array;
  /** The rows' matrices one after another: `[sum(lengths), dim]` row-major. */
  readonly data: VectorData;
}

/**
 * Writes one file, which appears at its path in `close` and is whole then. Calls are made one at
 * a time. After an error the writer has cleaned up; `abort` may be called at any time, repeatedly.
 * Chunks must have the columns that the writer was created with. Errors are RaysidueErrors that
 * name the path.
 */
export interface TableWriter<Chunk = TableChunk> {
  write(chunk: Chunk): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}

/** Widest vector: far beyond any model, and a row still fits a block of the formats. */
const DIM_MAX = 1 << 20;

export function bytesPerNumber(dtype: ColumnSpec["dtype"]): number {
  return dtype === "float32" ? 4 : 2;
}

export function vectorData(dtype: ColumnSpec["dtype"], length: number): VectorData {
  return dtype === "float32" ? new Float32Array(length) : new Uint16Array(length);
}

/** The numbers' bytes as they lie in memory (little-endian on every machine Node supports here). */
export function bytesOf(data: VectorData | Int32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Throws RaysidueError (usage) for columns that no format can hold. */
export function checkSpecs(columns: readonly ColumnSpec[]): void {
  const names = new Set<string>(["id", "length"]);
  for (const { name, dim } of columns) {
    if (name === "" || names.has(name)) {
      throw new RaysidueError("usage", `column name "${name}" is empty, reserved or used twice`);
    }
    names.add(name);
    if (!Number.isInteger(dim) || dim < 1 || dim > DIM_MAX) {
      throw new RaysidueError(
        "usage",
        `column ${name}: ${dim} numbers a row; 1 to ${DIM_MAX} can be`,
      );
    }
  }
}

function checkData(spec: ColumnSpec, given: ColumnSpec, data: VectorData, vectors: number): void {
  assert.ok(
    spec.name === given.name && spec.dtype === given.dtype && spec.dim === given.dim,
    `column ${given.name} ${given.dtype}[${given.dim}], expected ${spec.name} ${spec.dtype}[${spec.dim}]`,
  );
  assert.equal(data instanceof Float32Array, spec.dtype === "float32", `data of ${spec.name}`);
  assert.equal(data.length, vectors * spec.dim, `numbers of ${spec.name}`);
}

/** A programmer's error where a chunk has other columns or sizes than it says. */
export function checkTable(chunk: TableChunk, columns: readonly ColumnSpec[]): void {
  assert.equal(chunk.lengths.length, chunk.ids.length, "a length for every id");
  assert.equal(chunk.columns.length, columns.length, "the writer's columns");
  for (const [i, column] of chunk.columns.entries()) {
    checkData(columns[i]!, column, column.data, chunk.ids.length);
  }
}

export function checkRagged(chunk: RaggedChunk, spec: ColumnSpec): void {
  assert.equal(chunk.lengths.length, chunk.ids.length, "a length for every id");
  let residues = 0;
  for (const length of chunk.lengths) {
    assert.ok(length >= 0, "a length is not negative");
    residues += length;
  }
  checkData(spec, chunk, chunk.data, residues);
}
