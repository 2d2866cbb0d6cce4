/**
 * NumPy archives (`.npz`), loadable with `allow_pickle=False`.
 *
 * Owns: which arrays there are. Pooled: `ids` [rows] (`<U`), `lengths` [rows] int32, and one array
 * a column [rows, dim]. Per residue: `ids`, `lengths`, and `NAME_0`, `NAME_1`... [length, dim], one
 * a record in order. Invariant: memory is bounded though a column must be whole in the archive:
 * columns are spooled beside the output and copied in `close`. Disk is needed twice for a moment.
 */
import assert from "node:assert/strict";
import { RaysidueError } from "../../base/errors.ts";
import { AtomicFile } from "../atomic-file.ts";
import { Spool } from "../spool.ts";
import { ZipWriter } from "../zip-writer.ts";
import {
  bytesOf,
  type ColumnSpec,
  checkRagged,
  checkSpecs,
  checkTable,
  type RaggedChunk,
  type TableChunk,
  type TableWriter,
} from "./table.ts";
import { escapeField, unescapeField } from "./tsv.ts";

/** `<U` pads every id to the longest: one long id among many would fill the disk. */
const IDS_BYTES_MAX = 4 * 2 ** 30;
/** What may stand in an archive's names and in Python's `npz.f.NAME`. */
const NAME = /^[A-Za-z0-9_.-]+$/;

/** Header of an array in row-major order, padded so that the data begin at a multiple of 64. */
export function npyHeader(descr: string, shape: readonly number[]): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const totalBytes = Math.ceil((10 + text.length + 1) / 64) * 64;
  const header = Buffer.alloc(totalBytes, " ");
  header.write("\u0093NUMPY\u0001\u0000", "latin1");
  header.writeUInt16LE(totalBytes - 10, 8);
  header.write(text, 10);
  header.write("\n", totalBytes - 1);
  return header;
}

function descrOf(dtype: ColumnSpec["dtype"]): string {
  return dtype === "float32" ? "<f4" : "<f2";
}

function checkNames(columns: readonly ColumnSpec[]): void {
  checkSpecs(columns);
  for (const { name } of columns) {
    if (NAME.test(name) && name !== "ids" && name !== "lengths") continue;
    throw new RaysidueError("usage", `"${name}" cannot name an array in an npz file`);
  }
}

/** Ids and lengths, whose arrays come last: only then is the widest id known. */
class Heads {
  readonly #path: string;
  readonly #ids: Spool;
  readonly #lengths: Spool;
  #rows = 0;
  #width = 1;

  private constructor(path: string, ids: Spool, lengths: Spool) {
    this.#path = path;
    this.#ids = ids;
    this.#lengths = lengths;
  }

  static async create(path: string): Promise<Heads> {
    const ids = await Spool.create(path);
    try {
      return new Heads(path, ids, await Spool.create(path));
    } catch (thrown) {
      await ids.remove();
      throw thrown;
    }
  }

  get rows(): number {
    return this.#rows;
  }

  async append(ids: readonly string[], lengths: Int32Array): Promise<void> {
    for (const id of ids) this.#width = Math.max(this.#width, codePointCount(id));
    this.#rows += ids.length;
    const sizeBytes = this.#rows * this.#width * 4;
    if (sizeBytes > IDS_BYTES_MAX) {
      throw new RaysidueError(
        "usage",
        `cannot write ${this.#path}: npz pads all ids to the longest (${this.#width} characters), ` +
          `${this.#rows} of them to ${sizeBytes} bytes; use --format parquet`,
      );
    }
    await this.#ids.append(Buffer.from(ids.map((id) => `${escapeField(id)}\n`).join("")));
    await this.#lengths.append(bytesOf(lengths));
  }

  async addTo(zip: ZipWriter): Promise<void> {
    await addArray(zip, "lengths", npyHeader("<i4", [this.#rows]), this.#lengths);
    const header = npyHeader(`<U${this.#width}`, [this.#rows]);
    const sizeBytes = header.byteLength + this.#rows * this.#width * 4;
    await zip.addStream("ids.npy", sizeBytes, this.#paddedIds(header));
  }

  async remove(): Promise<void> {
    await this.#ids.remove();
    await this.#lengths.remove();
  }

  async *#paddedIds(header: Buffer): AsyncGenerator<Uint8Array> {
    yield header;
    const decoder = new TextDecoder();
    let rest = "";
    for await (const piece of this.#ids.read()) {
      const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const line of lines) yield utf32(unescapeField(line), this.#width);
    }
  }
}

function codePointCount(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** `width` characters of four bytes, NUL at the end: NumPy's `<U`. */
function utf32(text: string, width: number): Uint8Array {
  const codes = new Uint32Array(width);
  let i = 0;
  for (const character of text) codes[i++] = character.codePointAt(0)!;
  return new Uint8Array(codes.buffer);
}

async function addArray(zip: ZipWriter, name: string, header: Buffer, data: Spool): Promise<void> {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield header;
    yield* data.read();
  }
  await zip.addStream(`${name}.npy`, header.byteLength + data.sizeBytes, pieces());
}

/** What both writers share: the archive, the heads, and cleaning up. */
class Archive {
  readonly file: AtomicFile;
  readonly zip: ZipWriter;
  readonly heads: Heads;
  readonly spools: readonly Spool[];
  #isOpen = true;

  private constructor(file: AtomicFile, heads: Heads, spools: readonly Spool[]) {
    this.file = file;
    this.zip = new ZipWriter(file);
    this.heads = heads;
    this.spools = spools;
  }

  static async create(path: string, spoolCount: number): Promise<Archive> {
    const file = await AtomicFile.create(path);
    const spools: Spool[] = [];
    let heads: Heads | undefined;
    try {
      heads = await Heads.create(path);
      while (spools.length < spoolCount) spools.push(await Spool.create(path));
      return new Archive(file, heads, spools);
    } catch (thrown) {
      for (const spool of spools) await spool.remove();
      await heads?.remove();
      await file.abort();
      throw thrown;
    }
  }

  /** Runs one step of writing; cleans up where it fails. */
  async attempt(step: () => Promise<void>): Promise<void> {
    assert.ok(this.#isOpen, `${this.file.path} is already closed`);
    try {
      await step();
    } catch (thrown) {
      await this.abort();
      throw thrown;
    }
  }

  async close(last: () => Promise<void>): Promise<void> {
    await this.attempt(async () => {
      await last();
      await this.heads.addTo(this.zip);
      await this.zip.end();
      await this.#removeSpools();
      await this.file.commit();
    });
    this.#isOpen = false;
  }

  async abort(): Promise<void> {
    this.#isOpen = false;
    await this.#removeSpools();
    await this.file.abort();
  }

  async #removeSpools(): Promise<void> {
    for (const spool of this.spools) await spool.remove();
    await this.heads.remove();
  }
}

class NpzWriter implements TableWriter {
  readonly #archive: Archive;
  readonly #columns: readonly ColumnSpec[];

  constructor(archive: Archive, columns: readonly ColumnSpec[]) {
    this.#archive = archive;
    this.#columns = columns;
  }

  async write(chunk: TableChunk): Promise<void> {
    checkTable(chunk, this.#columns);
    await this.#archive.attempt(async () => {
      await this.#archive.heads.append(chunk.ids, chunk.lengths);
      for (const [i, column] of chunk.columns.entries()) {
        await this.#archive.spools[i]!.append(bytesOf(column.data));
      }
    });
  }

  async close(): Promise<void> {
    const { zip, heads, spools } = this.#archive;
    await this.#archive.close(async () => {
      for (const [i, { name, dtype, dim }] of this.#columns.entries()) {
        await addArray(zip, name, npyHeader(descrOf(dtype), [heads.rows, dim]), spools[i]!);
      }
    });
  }

  abort(): Promise<void> {
    return this.#archive.abort();
  }
}

class RaggedNpzWriter implements TableWriter<RaggedChunk> {
  readonly #archive: Archive;
  readonly #column: ColumnSpec;

  constructor(archive: Archive, column: ColumnSpec) {
    this.#archive = archive;
    this.#column = column;
  }

  async write(chunk: RaggedChunk): Promise<void> {
    checkRagged(chunk, this.#column);
    const { zip, heads } = this.#archive;
    await this.#archive.attempt(async () => {
      let at = 0;
      for (const [row, length] of chunk.lengths.entries()) {
        const data = chunk.data.subarray(at, at + length * chunk.dim);
        at += length * chunk.dim;
        const header = npyHeader(descrOf(chunk.dtype), [length, chunk.dim]);
        await zip.add(`${chunk.name}_${heads.rows + row}.npy`, [header, bytesOf(data)]);
      }
      await heads.append(chunk.ids, chunk.lengths);
    });
  }

  async close(): Promise<void> {
    await this.#archive.close(async () => {});
  }

  abort(): Promise<void> {
    return this.#archive.abort();
  }
}

/** Pooled vectors. Throws RaysidueError (usage) for column names an archive cannot have. */
export async function createNpzWriter(
  path: string,
  columns: readonly ColumnSpec[],
): Promise<TableWriter> {
  checkNames(columns);
  return new NpzWriter(await Archive.create(path, columns.length), columns);
}

/** Per-residue matrices. Throws RaysidueError (usage) for a name an archive cannot have. */
export async function createRaggedNpzWriter(
  path: string,
  column: ColumnSpec,
): Promise<TableWriter<RaggedChunk>> {
  checkNames([column]);
  return new RaggedNpzWriter(await Archive.create(path, 0), column);
}
