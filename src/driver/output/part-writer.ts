/**
 * A table in several files, `part-00000`, `part-00001`, ...
 *
 * Owns: when the next file begins. Invariant: that depends on the rows alone, so that equal rows
 * give equal files; a file appears when it is whole. Old parts are removed first: a folder never
 * mixes two runs.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { ensureFolder } from "../../base/files.ts";
import type { TableWriter } from "../../formats/table/table.ts";

/** Vector data in a file: few files for 10^6 rows, and one still fits in a reader's memory. */
const PART_BYTES_MAX = 256 * 2 ** 20;
/** Rows in a file where vectors are short; HDF5 makes an object of each. */
const PART_ROWS_MAX = 1_000_000;

export class PartWriter<Chunk> {
  readonly #folder: string;
  readonly #extension: string;
  readonly #open: (path: string) => Promise<TableWriter<Chunk>>;
  #writer: TableWriter<Chunk> | undefined;
  #parts = 0;
  #rows = 0;
  #bytes = 0;

  private constructor(
    folder: string,
    extension: string,
    openWriter: (path: string) => Promise<TableWriter<Chunk>>,
  ) {
    this.#folder = folder;
    this.#extension = extension;
    this.#open = openWriter;
  }

  static async create<Chunk>(options: {
    readonly folder: string;
    readonly extension: string;
    readonly open: (path: string) => Promise<TableWriter<Chunk>>;
  }): Promise<PartWriter<Chunk>> {
    await rm(options.folder, { recursive: true, force: true });
    await ensureFolder(options.folder);
    return new PartWriter(options.folder, options.extension, options.open);
  }

  /** Appends a chunk of `rows` rows with `bytes` of vectors; a file ends between chunks. */
  async write(
    chunk: Chunk,
    size: { readonly rows: number; readonly bytes: number },
  ): Promise<void> {
    this.#writer ??= await this.#open(this.#path());
    await this.#writer.write(chunk);
    this.#rows += size.rows;
    this.#bytes += size.bytes;
    if (this.#rows >= PART_ROWS_MAX || this.#bytes >= PART_BYTES_MAX) await this.#endPart();
  }

  /** Ends the table; one without rows is one file without rows. */
  async close(): Promise<void> {
    if (this.#parts === 0) this.#writer ??= await this.#open(this.#path());
    await this.#endPart();
  }

  async abort(): Promise<void> {
    await this.#writer?.abort();
  }

  async #endPart(): Promise<void> {
    if (this.#writer === undefined) return;
    await this.#writer.close();
    this.#writer = undefined;
    this.#parts++;
    this.#rows = 0;
    this.#bytes = 0;
  }

  #path(): string {
    return join(this.#folder, `part-${String(this.#parts).padStart(5, "0")}.${this.#extension}`);
  }
}
