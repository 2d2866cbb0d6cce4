/**
 * Rows of a finished plan -> index.tsv, failed.tsv, the leases, and the tables of the run's kind.
 *
 * Owns: which record has which row, in the order of the input, and the moment the output appears.
 * Invariant: one row an input record that has a result, equal sequences repeated; everything is
 * written beside its place first and moved there when all of it is whole. Memory is bounded by a
 * block of rows. Deliberately not here: what a row's bytes mean (ResultTables).
 */
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { RaysidueError } from "../../base/errors.ts";
import { syncFolder } from "../../base/files.ts";
import { readTsv, type TsvField, TsvWriter } from "../../formats/table/tsv.ts";
import { RecordFile } from "../../store/record-file.ts";
import type { ResultStore } from "../../store/result-store.ts";
import type { StoredPlace } from "../plan/distinct-table.ts";
import type { Plan, PlannedRow } from "../plan/plan.ts";
import { NAME_COLUMNS } from "../plan/read-sequences.ts";
import type { OutputFolder } from "./output-folder.ts";

export const INDEX_COLUMNS = ["row", "id", "sha256", "length", "status", "note"] as const;
export const FAILED_COLUMNS = ["id", "file", "line", "reason"] as const;

/** Of a record in the leases: f64, the lease of trace.tsv that computed it, 0 for none. */
export const LEASE_BYTES = 8;

/** A record with a result. */
export interface ResultRow {
  /** 0-based, over the records that have a result. */
  readonly row: number;
  readonly id: string;
  /** Where the record stands. */
  readonly file: string;
  readonly line: string;
  /** Residues. */
  readonly length: number;
  /** Number of its distinct item in the plan. */
  readonly item: number;
  /** As the engine made it. */
  readonly payload: Uint8Array;
}

/** What index.tsv says of a row in place of "ok". */
export interface RowStatus {
  readonly status: string;
  readonly note: string;
}

/** The tables of a kind, written in the folder's work folder. */
export interface ResultTables {
  /** Every name that such tables may have, and whether this run has it. */
  readonly names: ReadonlyMap<string, boolean>;
  /** Appends rows, in order. Returns what index.tsv says of them where that is not "ok". */
  write(rows: readonly ResultRow[]): Promise<readonly (RowStatus | undefined)[] | undefined>;
  close(): Promise<void>;
  abort(): Promise<void>;
}

export interface OutputOptions {
  readonly folder: OutputFolder;
  readonly plan: Plan;
  readonly namesPath: string;
  readonly stores: readonly ResultStore[];
  readonly tables: ResultTables;
  /** Reasons of items that were quarantined. */
  readonly failures: ReadonlyMap<number, string>;
}

export interface OutputCounts {
  readonly rows: number;
  readonly failed: number;
}

/** A line of index.tsv that waits for its block: a record with a row, or one without. */
interface WaitingLine {
  readonly id: string;
  readonly file: string;
  readonly line: string;
  readonly sha256: string;
  readonly length: number;
  readonly note: string;
  readonly found: { readonly item: number; readonly place: StoredPlace } | undefined;
  /** Of a record without a row. */
  readonly status: string;
}

/**
 * Rows and payload bytes that are read and written together. Rows stand in the shards in the order
 * of their computing: each of a few small ones would cost a piece of a shard.
 */
const BLOCK_ROWS = 1 << 15;
const BLOCK_BYTES = 16 * 2 ** 20;
/** Records without a row do not count as rows of a block, but they take memory as they wait. */
const BLOCK_LINES = 1 << 18;

/** Writes everything. Throws RaysidueError; what stood in the folder before is then untouched. */
export async function writeOutput(options: OutputOptions): Promise<OutputCounts> {
  const output = new ResultOutput(options);
  try {
    return await output.write();
  } catch (thrown) {
    await output.abort();
    throw thrown;
  }
}

class ResultOutput {
  readonly #options: OutputOptions;
  #index: TsvWriter | undefined;
  #failed: TsvWriter | undefined;
  #leases: RecordFile | undefined;
  #block: WaitingLine[] = [];
  #blockRows = 0;
  #blockBytes = 0;
  #rowCount = 0;
  #failedCount = 0;

  constructor(options: OutputOptions) {
    this.#options = options;
  }

  async write(): Promise<OutputCounts> {
    const { plan, namesPath, folder } = this.#options;
    this.#index = await TsvWriter.create(join(folder.work, "index.tsv"), INDEX_COLUMNS);
    this.#failed = await TsvWriter.create(join(folder.work, "failed.tsv"), FAILED_COLUMNS);
    this.#leases = RecordFile.create(join(folder.work, "leases"), LEASE_BYTES);
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
    await this.#options.tables.abort();
    await this.#index?.abort();
    await this.#failed?.abort();
    this.#leases?.discard();
  }

  async #add(row: PlannedRow, name: string[]): Promise<void> {
    const [id = "", file = "", line = "", note = "", problem = ""] = name;
    const { plan, failures } = this.#options;
    const { item, length } = row;
    const reason = item === undefined ? problem : failures.get(item);
    if (item === undefined || reason !== undefined) {
      const sha256 = item === undefined ? "" : row.digest.toString("hex");
      const status = item === undefined ? "skipped" : "failed";
      this.#failedCount++;
      await this.#failed?.write([[id, file, line, reason ?? ""]]);
      const found = undefined;
      this.#block.push({ id, file, line, sha256, length, note: reason ?? "", found, status });
      this.#noteLease(0);
    } else {
      const place = plan.distinct.place(item);
      if (place === undefined) {
        throw new RaysidueError("try-again", `no result of ${id}; run the same command again`);
      }
      const sha256 = row.digest.toString("hex");
      const found = { item, place };
      this.#block.push({ id, file, line, sha256, length, note, found, status: "ok" });
      this.#noteLease(place.lease);
      this.#blockRows++;
      this.#blockBytes += place.size;
    }
    const isFull = this.#blockRows >= BLOCK_ROWS || this.#blockBytes >= BLOCK_BYTES;
    if (isFull || this.#block.length >= BLOCK_LINES) await this.#flush();
  }

  #noteLease(lease: number): void {
    const record = Buffer.alloc(LEASE_BYTES);
    record.writeDoubleLE(lease);
    this.#leases?.append(record);
  }

  async #flush(): Promise<void> {
    const block = this.#block;
    this.#block = [];
    this.#blockRows = 0;
    this.#blockBytes = 0;
    const first = this.#rowCount;
    const rows = await this.#read(block, first);
    this.#rowCount += rows.length;
    const said = rows.length === 0 ? undefined : await this.#options.tables.write(rows);
    const lines: TsvField[][] = [];
    let at = 0;
    for (const { id, sha256, length, note, found, status } of block) {
      if (found === undefined) {
        lines.push(["", id, sha256, length, status, note]);
        continue;
      }
      const own = said?.[at];
      const notes = [own?.note ?? "", note].filter((text) => text !== "").join("; ");
      lines.push([first + at, id, sha256, length, own?.status ?? status, notes]);
      at++;
    }
    await this.#index?.write(lines);
  }

  /** The block's records with results, with their payloads; each store's are read together. */
  async #read(block: readonly WaitingLine[], first: number): Promise<ResultRow[]> {
    const lines = block.flatMap(({ id, file, line, length, found }) =>
      found === undefined ? [] : [{ id, file, line, length, ...found }],
    );
    const rows = new Array<ResultRow>(lines.length);
    for (const [number, store] of this.#options.stores.entries()) {
      const indexes = [...lines.keys()].filter((i) => lines[i]!.place.store === number);
      if (indexes.length === 0) continue;
      const places = indexes.map((i) => lines[i]!.place);
      const payloads = await store.readMany({
        shards: Int32Array.from(places, (place) => place.shard),
        offsets: Float64Array.from(places, (place) => place.offset),
        sizes: Uint32Array.from(places, (place) => place.size),
        crcs: Uint32Array.from(places, (place) => place.crc ?? 0),
      });
      indexes.forEach((i, at) => {
        const { place: _, ...rest } = lines[i]!;
        rows[i] = { row: first + i, ...rest, payload: payloads[at]! };
      });
    }
    return rows;
  }

  async #close(): Promise<void> {
    const { folder, tables } = this.#options;
    await tables.close();
    await this.#index?.close();
    await this.#failed?.close();
    this.#leases?.close();
    // From here on the old output is gone: the report goes first, so that nobody trusts a mixture.
    await rm(folder.file("run.json"), { force: true });
    const present = new Map([
      ...tables.names,
      ["index.tsv", true] as const,
      ["failed.tsv", this.#failedCount > 0] as const,
    ]);
    for (const [name, isPresent] of present) {
      await rm(folder.file(name), { recursive: true, force: true });
      if (isPresent) await rename(join(folder.work, name), folder.file(name));
    }
    await rename(join(folder.work, "leases"), folder.leasesPath);
    await syncFolder(folder.path);
  }
}
