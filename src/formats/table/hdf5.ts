/**
 * HDF5 files with one dataset a record, as UniProt and protspace have them.
 *
 * Owns: what a dataset is called. Invariant: every record has its dataset (counted at the end), and
 * its id can be had back from the name alone and, exactly, from the attribute `original_id`.
 * float16 is widened to float32, without loss: the library cannot write halves. Lengths of pooled
 * records have no place here.
 *
 * One pooled column: `/NAME` of shape [dim]. Several: `/COLUMN/NAME`. Per residue: `/NAME` of
 * shape [length, dim]. NAME is the id with `%`, `/` and control characters as `%` and two hex
 * digits; the ids `.` and `..` have their dots so, and the empty id is a lone `%`. A second record
 * with the same id gets `%~2` after its name, the third `%~3`: no escape looks like that.
 */
import assert from "node:assert/strict";
import { open, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import { fromSystemError, RaysidueError } from "../../base/errors.ts";
import { temporaryBeside } from "../../base/files.ts";
import { cannotWrite, commitTemporary } from "../atomic-file.ts";
import { fromFloat16 } from "./float16.ts";
import { Hdf5Output, readDatasets } from "./hdf5-library.ts";
import {
  type ColumnSpec,
  checkRagged,
  checkSpecs,
  checkTable,
  type RaggedChunk,
  type TableChunk,
  type TableWriter,
  type VectorData,
} from "./table.ts";

/** Names are kept to recognise duplicates, about 100 bytes each; writing takes 0.2 ms a record. */
export const HDF5_RECORDS_MAX = 5_000_000;
/** The library blocks; after so many records others (heartbeats, signals) get their turn. */
const RECORDS_PER_TURN = 64;
const SIGNATURE = "894844460d0a1a0a";

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
const UNSAFE = /[%/\u0000-\u001f\u007f]/g;

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

/** The name of an id's dataset; see above. */
export function escapeName(id: string): string {
  if (id === "") return "%";
  if (id === "." || id === "..") return id.replaceAll(".", percent);
  return id.replace(UNSAFE, percent);
}

/** The id of a name, with or without a duplicate's suffix. Names of other writers stay as is. */
export function unescapeName(name: string): string {
  const bare = name.replace(/%~[0-9]+$/, "");
  if (bare === "%") return "";
  return bare.replace(/%([0-9A-F]{2})/g, (_, hex: string) => {
    return String.fromCharCode(Number.parseInt(hex, 16));
  });
}

/** One file being written: names, counts, and the temporary file beside the path. */
class NamedDatasets {
  readonly #path: string;
  readonly #temporary: string;
  readonly #output: Hdf5Output;
  readonly #groups: readonly string[];
  readonly #names = new Set<string>();
  /** How often an id was seen, for those seen more than once. */
  readonly #repeats = new Map<string, number>();
  #isOpen = true;

  private constructor(path: string, temporary: string, output: Hdf5Output, groups: string[]) {
    this.#path = path;
    this.#temporary = temporary;
    this.#output = output;
    this.#groups = groups;
  }

  /** `groups` as they are called in the file; none means the root. */
  static async create(path: string, groups: string[]): Promise<NamedDatasets> {
    const temporary = resolve(temporaryBeside(path));
    try {
      // The library says little about why a file cannot be created; the system says it well.
      await (await open(temporary, "wx")).close();
      const output = await Hdf5Output.create(temporary, `cannot write ${path}`);
      for (const group of groups) output.createGroup(group);
      return new NamedDatasets(path, temporary, output, groups);
    } catch (thrown) {
      await rm(temporary, { force: true });
      throw cannotWrite(thrown, path);
    }
  }

  /** Runs `rows` as one step that cleans up where it fails. */
  async attempt(rows: () => Promise<void>): Promise<void> {
    assert.ok(this.#isOpen, `${this.#path} is already closed`);
    try {
      await rows();
    } catch (thrown) {
      await this.abort();
      throw thrown;
    }
  }

  /** Takes the next name for an id. */
  async name(id: string): Promise<string> {
    if (this.#names.size >= HDF5_RECORDS_MAX) {
      const limit = `${HDF5_RECORDS_MAX} records are the most for one HDF5 file`;
      throw new RaysidueError(
        "usage",
        `cannot write ${this.#path}: ${limit}; use --format parquet`,
      );
    }
    if (this.#names.size % RECORDS_PER_TURN === RECORDS_PER_TURN - 1) await setImmediate();
    const name = escapeName(id);
    if (!this.#names.has(name)) {
      this.#names.add(name);
      return name;
    }
    const repeat = (this.#repeats.get(name) ?? 1) + 1;
    this.#repeats.set(name, repeat);
    const unique = `${name}%~${repeat}`;
    this.#names.add(unique);
    return unique;
  }

  write(path: string, shape: readonly number[], data: VectorData, id: string): void {
    const floats = data instanceof Float32Array ? data : fromFloat16(data);
    this.#output.write(path, shape, floats);
    this.#output.setText(path, "original_id", id);
  }

  async close(): Promise<void> {
    await this.attempt(async () => {
      for (const group of this.#groups.length > 0 ? this.#groups : [""]) {
        const found = this.#output.count(`/${group}`);
        assert.equal(found, this.#names.size, `datasets in ${this.#path} against records given`);
      }
      this.#output.close();
    });
    this.#isOpen = false;
    await commitTemporary(this.#temporary, this.#path);
  }

  async abort(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      this.#output.close();
    } catch {
      // The file goes away; that the rest of it could not be written does not matter.
    }
    await rm(this.#temporary, { force: true });
  }
}

class Hdf5Writer implements TableWriter {
  readonly #datasets: NamedDatasets;
  readonly #columns: readonly ColumnSpec[];

  constructor(datasets: NamedDatasets, columns: readonly ColumnSpec[]) {
    this.#datasets = datasets;
    this.#columns = columns;
  }

  async write(chunk: TableChunk): Promise<void> {
    checkTable(chunk, this.#columns);
    const isGrouped = chunk.columns.length > 1;
    await this.#datasets.attempt(async () => {
      for (const [row, id] of chunk.ids.entries()) {
        const name = await this.#datasets.name(id);
        for (const column of chunk.columns) {
          const path = isGrouped ? `/${escapeName(column.name)}/${name}` : `/${name}`;
          const data = column.data.subarray(row * column.dim, (row + 1) * column.dim);
          this.#datasets.write(path, [column.dim], data, id);
        }
      }
    });
  }

  close(): Promise<void> {
    return this.#datasets.close();
  }

  abort(): Promise<void> {
    return this.#datasets.abort();
  }
}

class RaggedHdf5Writer implements TableWriter<RaggedChunk> {
  readonly #datasets: NamedDatasets;
  readonly #column: ColumnSpec;

  constructor(datasets: NamedDatasets, column: ColumnSpec) {
    this.#datasets = datasets;
    this.#column = column;
  }

  async write(chunk: RaggedChunk): Promise<void> {
    checkRagged(chunk, this.#column);
    await this.#datasets.attempt(async () => {
      let at = 0;
      for (const [row, id] of chunk.ids.entries()) {
        const length = chunk.lengths[row]!;
        const data = chunk.data.subarray(at, at + length * chunk.dim);
        at += length * chunk.dim;
        const name = await this.#datasets.name(id);
        this.#datasets.write(`/${name}`, [length, chunk.dim], data, id);
      }
    });
  }

  close(): Promise<void> {
    return this.#datasets.close();
  }

  abort(): Promise<void> {
    return this.#datasets.abort();
  }
}

/** Pooled vectors: `/NAME` [dim], or `/COLUMN/NAME` [dim] where there are several columns. */
export async function createHdf5Writer(
  path: string,
  columns: readonly ColumnSpec[],
): Promise<TableWriter> {
  checkSpecs(columns);
  const groups = columns.length > 1 ? columns.map(({ name }) => escapeName(name)) : [];
  return new Hdf5Writer(await NamedDatasets.create(path, groups), columns);
}

/** Per-residue matrices: `/NAME` [length, dim]. */
export async function createRaggedHdf5Writer(
  path: string,
  column: ColumnSpec,
): Promise<TableWriter<RaggedChunk>> {
  checkSpecs([column]);
  return new RaggedHdf5Writer(await NamedDatasets.create(path, []), column);
}

export interface Hdf5Record {
  readonly id: string;
  /** The group's name; "" for datasets in the root. */
  readonly column: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/**
 * Records of a file in its order, ours or another's of this form (half and double precision too).
 * Throws RaysidueError (bad-input) for a file that is missing, damaged or holds other data.
 */
export async function* readHdf5(path: string): AsyncGenerator<Hdf5Record> {
  await checkSignature(path);
  try {
    for await (const dataset of readDatasets(resolve(path), `cannot read ${path}`)) {
      const { names, shape, data, originalId } = dataset;
      const id = originalId ?? unescapeName(names.at(-1)!);
      yield { id, column: names.length > 1 ? unescapeName(names[0]!) : "", shape, data };
    }
  } catch (thrown) {
    // What the library cannot make sense of is the file's fault here, not ours.
    if (!(thrown instanceof RaysidueError) || thrown.code !== "internal") throw thrown;
    throw new RaysidueError("bad-input", thrown.message, { cause: thrown });
  }
}

async function checkSignature(path: string): Promise<void> {
  const head = Buffer.alloc(8);
  try {
    const handle = await open(path);
    try {
      await handle.read(head, 0, head.length, 0);
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot read ${path}`);
  }
  if (head.toString("hex") === SIGNATURE) return;
  throw new RaysidueError("bad-input", `${path}: not an HDF5 file; give one that this tool wrote`);
}
