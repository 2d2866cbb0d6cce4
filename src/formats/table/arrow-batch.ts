/**
 * Chunks as Arrow record batches and back: what Arrow and Parquet files have in common.
 *
 * Owns: the schema (`id: utf8`, `length: int32`, each vector column `fixed_size_list<T>[dim]`, a
 * ragged one `list<fixed_size_list<T>[dim]>`; nothing nullable). Invariant: numbers are not copied
 * on the way in. No files here.
 */
import {
  type Data,
  DataType,
  Field,
  FixedSizeList,
  Float16,
  Float32,
  Int32,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Utf8,
} from "apache-arrow";
import { RaysidueError } from "../../base/errors.ts";
import type { Column, ColumnSpec, RaggedChunk, TableChunk, VectorData } from "./table.ts";

function numberType(dtype: ColumnSpec["dtype"]): Float32 | Float16 {
  return dtype === "float32" ? new Float32() : new Float16();
}

function vectorType({ dtype, dim }: ColumnSpec): FixedSizeList {
  return new FixedSizeList(dim, new Field("item", numberType(dtype), false));
}

const HEAD_FIELDS = [new Field("id", new Utf8(), false), new Field("length", new Int32(), false)];

export function tableSchema(columns: readonly ColumnSpec[]): Schema {
  const fields = columns.map((column) => new Field(column.name, vectorType(column), false));
  return new Schema([...HEAD_FIELDS, ...fields]);
}

export function raggedSchema(column: ColumnSpec): Schema {
  const type = new List(new Field("item", vectorType(column), false));
  return new Schema([...HEAD_FIELDS, new Field(column.name, type, false)]);
}

/** UTF-8 of all ids and where each ends. */
function idData(ids: readonly string[]): Data<Utf8> {
  const offsets = new Int32Array(ids.length + 1);
  for (let i = 0; i < ids.length; i++) offsets[i + 1] = offsets[i]! + Buffer.byteLength(ids[i]!);
  const bytes = Buffer.alloc(offsets[ids.length]!);
  for (let i = 0; i < ids.length; i++) bytes.write(ids[i]!, offsets[i]!);
  const length = ids.length;
  return makeData({ type: new Utf8(), length, nullCount: 0, valueOffsets: offsets, data: bytes });
}

function vectorData(column: ColumnSpec, data: VectorData): Data {
  const numbers = { length: data.length, nullCount: 0 };
  const child =
    data instanceof Float32Array
      ? makeData({ type: new Float32(), ...numbers, data })
      : makeData({ type: new Float16(), ...numbers, data });
  const length = data.length / column.dim;
  return makeData({ type: vectorType(column), length, nullCount: 0, child });
}

function batchOf(schema: Schema, ids: readonly string[], children: Data[]): RecordBatch {
  const type = new Struct(schema.fields);
  return new RecordBatch(schema, makeData({ type, length: ids.length, nullCount: 0, children }));
}

function lengthData(lengths: Int32Array): Data<Int32> {
  return makeData({ type: new Int32(), length: lengths.length, nullCount: 0, data: lengths });
}

export function tableBatch(schema: Schema, { ids, lengths, columns }: TableChunk): RecordBatch {
  const vectors = columns.map((column) => vectorData(column, column.data));
  return batchOf(schema, ids, [idData(ids), lengthData(lengths), ...vectors]);
}

export function raggedBatch(schema: Schema, chunk: RaggedChunk): RecordBatch {
  const { ids, lengths } = chunk;
  const valueOffsets = new Int32Array(lengths.length + 1);
  for (let i = 0; i < lengths.length; i++) valueOffsets[i + 1] = valueOffsets[i]! + lengths[i]!;
  const child = vectorData(chunk, chunk.data);
  const type = schema.fields[2]!.type as List;
  const lists = makeData({ type, length: ids.length, nullCount: 0, valueOffsets, child });
  return batchOf(schema, ids, [idData(ids), lengthData(lengths), lists]);
}

/** `where` names the file in the error. */
function head(batch: RecordBatch, where: string): { ids: string[]; lengths: Int32Array } {
  const [id, length] = batch.data.children;
  const [idField, lengthField] = batch.schema.fields;
  if (
    id === undefined ||
    length === undefined ||
    idField?.name !== "id" ||
    lengthField?.name !== "length" ||
    !DataType.isUtf8(id.type) ||
    !DataType.isInt(length.type) ||
    length.type.bitWidth !== 32
  ) {
    throw otherLayout(where, "columns id: utf8 and length: int32 are missing");
  }
  const ids: string[] = [];
  const bytes = id.values as Uint8Array;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offsets = id.valueOffsets as Int32Array;
  for (let i = 0; i < batch.numRows; i++) {
    ids.push(text.toString("utf8", offsets[i]!, offsets[i + 1]!));
  }
  return { ids, lengths: length.values.slice(0, batch.numRows) as Int32Array };
}

/** Vectors `from` to `to` of a fixed-size list. */
function vectors(name: string, list: Data, range: [number, number], where: string): Column {
  const type: DataType = list.type;
  if (!DataType.isFixedSizeList(type)) throw otherLayout(where, `column ${name} is ${type}`);
  const child = list.children[0]!;
  const values: unknown = child.values;
  const isKnown = values instanceof Float32Array || values instanceof Uint16Array;
  if (!DataType.isFloat(child.type) || !isKnown) {
    throw otherLayout(where, `column ${name} is ${type}`);
  }
  const dim = type.listSize;
  const dtype = values instanceof Float32Array ? "float32" : "float16";
  return { name, dtype, dim, data: values.slice(range[0] * dim, range[1] * dim) };
}

function otherLayout(where: string, what: string): RaysidueError {
  return new RaysidueError("bad-input", `${where}: not a table of raysidue: ${what}`);
}

/** Copies a batch out. Throws RaysidueError (bad-input) where it has another layout. */
export function tableChunk(batch: RecordBatch, where: string): TableChunk {
  const { ids, lengths } = head(batch, where);
  const columns = batch.schema.fields.slice(2).map(({ name }, i) => {
    return vectors(name, batch.data.children[i + 2]!, [0, batch.numRows], where);
  });
  return { ids, lengths, columns };
}

/** Copies a ragged batch out. Throws RaysidueError (bad-input) where it has another layout. */
export function raggedChunk(batch: RecordBatch, where: string): RaggedChunk {
  const { ids, lengths } = head(batch, where);
  const list = batch.data.children[2];
  const name = batch.schema.fields[2]?.name ?? "";
  if (list === undefined || !DataType.isList(list.type)) {
    throw otherLayout(where, "the column of lists is missing");
  }
  const offsets = list.valueOffsets as Int32Array;
  for (let i = 0; i < batch.numRows; i++) {
    if (offsets[i + 1]! - offsets[i]! === lengths[i]) continue;
    throw otherLayout(where, `record ${ids[i]} has ${lengths[i]} residues and another matrix`);
  }
  const range: [number, number] = [offsets[0]!, offsets[batch.numRows]!];
  return { ids, lengths, ...vectors(name, list.children[0]!, range, where) };
}
