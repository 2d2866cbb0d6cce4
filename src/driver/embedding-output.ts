/**
 * Rows of a finished plan -> index.tsv, failed.tsv, embeddings/ and per_residue/.
 *
 * Owns: the output's shape and order. Invariant: one row an input record, in input order, equal
 * sequences repeated; everything is written beside its place first and moved there when all of it
 * is whole. Memory is bounded by a block of rows.
 */
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { RaysidueError } from "../base/errors.ts";
import { syncFolder } from "../base/files.ts";
import {
  bytesPerNumber,
  type ColumnSpec,
  type RaggedChunk,
  type TableChunk,
  vectorData,
} from "../formats/table.ts";
import { readTsv, TsvWriter } from "../formats/tsv.ts";
import { decodeRow, type Row } from "../kind/embed.ts";
import type { RowLayout } from "../kind/kind.ts";
import type { ResultStore } from "../store/result-store.ts";
import type { StoredPlace } from "./distinct-table.ts";
import type { OutputFolder } from "./output-folder.ts";
import { PartWriter } from "./part-writer.ts";
import type { Plan, PlannedRow } from "./plan.ts";
import { NAME_COLUMNS } from "./read-sequences.ts";
import {
  openRaggedWriter,
  openTableWriter,
  raggedFormat,
  type TableFormat,
} from "./table-format.ts";

export const INDEX_COLUMNS = ["row", "id", "sha256", "length", "status", "note"] as const;
export const FAILED_COLUMNS = ["id", "file", "line", "reason"] as const;

export interface OutputOptions {
  readonly folder: OutputFolder;
  readonly plan: Plan;
  readonly namesPath: string;
  readonly stores: readonly ResultStore[];
  readonly layout: RowLayout;
  readonly format: TableFormat;
  /** Reasons of items that were quarantined. */
  readonly failures: ReadonlyMap<number, string>;
}

export interface OutputCounts {
  readonly rows: number;
  readonly failed: number;
}

/** A row ready to be written. */
interface FoundRow {
  readonly id: string;
  readonly length: number;
  readonly place: StoredPlace;
}

/** Rows and payload bytes that are read and written together. */
const BLOCK_ROWS = 4096;
const BLOCK_BYTES = 16 * 2 ** 20;

/** Writes everything. Throws RaysidueError; what stood in the folder before is then untouched. */
export async function writeOutput(options: OutputOptions): Promise<OutputCounts> {
  const output = new EmbeddingOutput(options);
  try {
    return await output.write();
  } catch (thrown) {
    await output.abort();
    throw thrown;
  }
}

class EmbeddingOutput {
  readonly #options: OutputOptions;
  readonly #pooled: readonly ColumnSpec[];
  #tables: PartWriter<TableChunk> | undefined;
  #matrices: PartWriter<RaggedChunk> | undefined;
  #index: TsvWriter | undefined;
  #failed: TsvWriter | undefined;
  #block: FoundRow[] = [];
  #blockBytes = 0;
  #rowCount = 0;
  #failedCount = 0;

  constructor(options: OutputOptions) {
    this.#options = options;
    const { pooled } = options.layout;
    // One pool is simply the embedding; several are told apart by name.
    const nameOf = (name: string) => (pooled.length === 1 ? "embedding" : `embedding_${name}`);
    this.#pooled = pooled.map((column) => ({ ...column, name: nameOf(column.name) }));
  }

  async write(): Promise<OutputCounts> {
    const { plan, namesPath } = this.#options;
    await this.#open();
    const names = readTsv(namesPath, NAME_COLUMNS);
    let waiting: string[][] = [];
    for (const rows of plan.rows()) {
      while (waiting.length < rows.length) {
        const { value, done } = await names.next();
        if (done) throw new RaysidueError("internal", `${namesPath} has fewer rows than the plan`);
        waiting = waiting.concat(value);
      }
      for (const [i, row] of rows.entries()) await this.#add(row, waiting[i]!);
      waiting = waiting.slice(rows.length);
    }
    await names.return(undefined);
    await this.#flush();
    await this.#close();
    return { rows: this.#rowCount, failed: this.#failedCount };
  }

  async abort(): Promise<void> {
    await this.#tables?.abort();
    await this.#matrices?.abort();
    await this.#index?.abort();
    await this.#failed?.abort();
  }

  async #open(): Promise<void> {
    const { folder, layout, format } = this.#options;
    this.#index = await TsvWriter.create(join(folder.work, "index.tsv"), INDEX_COLUMNS);
    this.#failed = await TsvWriter.create(join(folder.work, "failed.tsv"), FAILED_COLUMNS);
    if (this.#pooled.length > 0) {
      this.#tables = await PartWriter.create({
        folder: join(folder.work, "embeddings"),
        extension: format,
        open: (path) => openTableWriter(format, path, this.#pooled),
      });
    }
    const { perResidue } = layout;
    if (perResidue !== undefined) {
      const extension = raggedFormat(format);
      this.#matrices = await PartWriter.create({
        folder: join(folder.work, "per_residue"),
        extension,
        open: (path) => openRaggedWriter(extension, path, perResidue),
      });
    }
  }

  async #add(row: PlannedRow, name: string[]): Promise<void> {
    const [id = "", file = "", line = "", note = "", problem = ""] = name;
    const { plan, failures } = this.#options;
    const reason = row.item === undefined ? problem : failures.get(row.item);
    const place = row.item === undefined ? undefined : plan.distinct.place(row.item);
    if (reason !== undefined) {
      const sha256 = row.item === undefined ? "" : row.digest.toString("hex");
      const status = row.item === undefined ? "skipped" : "failed";
      this.#failedCount++;
      await this.#failed?.write([[id, file, line, reason]]);
      await this.#index?.write([["", id, sha256, row.length, status, reason]]);
      return;
    }
    if (place === undefined) {
      throw new RaysidueError("try-again", `no result of ${id}; run the same command again`);
    }
    await this.#index?.write([
      [this.#rowCount, id, row.digest.toString("hex"), row.length, "ok", note],
    ]);
    this.#rowCount++;
    this.#block.push({ id, length: row.length, place });
    this.#blockBytes += place.size;
    if (this.#block.length >= BLOCK_ROWS || this.#blockBytes >= BLOCK_BYTES) await this.#flush();
  }

  async #flush(): Promise<void> {
    const block = this.#block;
    if (block.length === 0) return;
    const bytes = this.#blockBytes;
    this.#block = [];
    this.#blockBytes = 0;
    const rows = await this.#read(block);
    const size = { rows: block.length, bytes };
    const ids = block.map((row) => row.id);
    const lengths = Int32Array.from(block, (row) => row.length);
    const columns = this.#pooled.map((column, c) => {
      const data = vectorData(column.dtype, block.length * column.dim);
      rows.forEach((row, i) => {
        data.set(row.pooled[c]!, i * column.dim);
      });
      return { ...column, data };
    });
    await this.#tables?.write({ ids, lengths, columns }, size);

    const { perResidue } = this.#options.layout;
    if (perResidue === undefined) return;
    const numbers = rows.reduce((sum, row) => sum + row.perResidue!.length, 0);
    const data = vectorData(perResidue.dtype, numbers);
    let at = 0;
    for (const { perResidue: matrix } of rows) {
      data.set(matrix!, at);
      at += matrix!.length;
    }
    const matrixBytes = numbers * bytesPerNumber(perResidue.dtype);
    await this.#matrices?.write(
      { ...perResidue, ids, lengths, data },
      { rows: block.length, bytes: matrixBytes },
    );
  }

  /** Reads a block's payloads, each store's together. */
  async #read(block: readonly FoundRow[]): Promise<Row[]> {
    const { stores, layout } = this.#options;
    const rows = new Array<Row>(block.length);
    for (const [number, store] of stores.entries()) {
      const indexes = [...block.keys()].filter((i) => block[i]!.place.store === number);
      if (indexes.length === 0) continue;
      const places = indexes.map((i) => block[i]!.place);
      const payloads = await store.readMany({
        shards: Int32Array.from(places, (place) => place.shard),
        offsets: Float64Array.from(places, (place) => place.offset),
        sizes: Uint32Array.from(places, (place) => place.size),
        crcs: Uint32Array.from(places, (place) => place.crc ?? 0),
      });
      indexes.forEach((i, at) => {
        rows[i] = decodeRow(layout, block[i]!.length, payloads[at]!);
      });
    }
    return rows;
  }

  async #close(): Promise<void> {
    const { folder } = this.#options;
    await this.#tables?.close();
    await this.#matrices?.close();
    await this.#index?.close();
    await this.#failed?.close();
    // From here on the old output is gone: the report goes first, so that nobody trusts a mixture.
    await rm(folder.file("run.json"), { force: true });
    const present = new Map<string, boolean>([
      ["embeddings", this.#tables !== undefined],
      ["per_residue", this.#matrices !== undefined],
      ["index.tsv", true],
      ["failed.tsv", this.#failedCount > 0],
    ]);
    for (const [name, isPresent] of present) {
      await rm(folder.file(name), { recursive: true, force: true });
      if (isPresent) await rename(join(folder.work, name), folder.file(name));
    }
    await syncFolder(folder.path);
  }
}
