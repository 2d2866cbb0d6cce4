/**
 * Small Parquet files of plain columns: text and numbers.
 *
 * Owns: one file from columns in memory. Invariant: equal columns give equal bytes; the file appears
 * when it is whole. Tables of vectors, and streaming, are parquet.ts's affair.
 */
import {
  type Data,
  Field,
  Float32,
  Int32,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Utf8,
} from "apache-arrow";
import {
  Compression,
  Table as WasmTable,
  WriterPropertiesBuilder,
  writeParquet,
} from "parquet-wasm";
import { fromSystemError } from "../../base/errors.ts";
import { AtomicFile } from "../atomic-file.ts";

/** A column by name: text, int32 or float32; all of one length, nothing missing. */
export type PlainColumns = Readonly<Record<string, readonly string[] | Int32Array | Float32Array>>;

/** Writes the columns, in their order, to `path`. Throws RaysidueError naming it. */
export async function writeParquetRows(path: string, columns: PlainColumns): Promise<void> {
  const datas = Object.values(columns).map(dataOf);
  const fields = Object.keys(columns).map((name, i) => new Field(name, datas[i]!.type, false));
  const schema = new Schema(fields);
  const length = datas[0]?.length ?? 0;
  const type = new Struct(fields);
  const batch = new RecordBatch(schema, makeData({ type, length, nullCount: 0, children: datas }));
  const encoder = new RecordBatchStreamWriter();
  encoder.write(batch);
  encoder.finish();
  const properties = new WriterPropertiesBuilder().setCompression(Compression.ZSTD).build();
  // Both are the library's to free once it has written.
  const bytes = writeParquet(WasmTable.fromIPCStream(encoder.toUint8Array(true)), properties);
  const file = await AtomicFile.create(path);
  try {
    await file.write(bytes);
    await file.commit();
  } catch (thrown) {
    await file.abort();
    throw fromSystemError(thrown, `cannot write ${path}`);
  }
}

function dataOf(column: PlainColumns[string]): Data {
  const plain = { length: column.length, nullCount: 0 };
  if (column instanceof Int32Array) return makeData({ type: new Int32(), ...plain, data: column });
  if (column instanceof Float32Array) {
    return makeData({ type: new Float32(), ...plain, data: column });
  }
  const texts = column.map((text) => Buffer.from(text));
  const valueOffsets = new Int32Array(texts.length + 1);
  texts.forEach((text, i) => {
    valueOffsets[i + 1] = valueOffsets[i]! + text.length;
  });
  return makeData({ type: new Utf8(), ...plain, valueOffsets, data: Buffer.concat(texts) });
}
