/**
 * Rows of the `embed` kind -> embeddings/ and per_residue/.
 *
 * Owns: the columns' names and the shape of each table. Deliberately not here: index.tsv and the
 * moment the output appears (result-output.ts), and the formats (table-format.ts).
 */
import { join } from "node:path";
import {
  bytesPerNumber,
  type ColumnSpec,
  type RaggedChunk,
  type TableChunk,
  vectorData,
} from "../../formats/table/table.ts";
import { decodeRow } from "../../kind/embed.ts";
import type { RowLayout } from "../../kind/kind.ts";
import type { OutputFolder } from "../output/output-folder.ts";
import { PartWriter } from "../output/part-writer.ts";
import type { ResultRow, ResultTables } from "../output/result-output.ts";
import {
  openRaggedWriter,
  openTableWriter,
  raggedFormat,
  type TableFormat,
} from "../output/table-format.ts";

export class EmbeddingTables implements ResultTables {
  readonly #layout: RowLayout;
  readonly #pooled: readonly ColumnSpec[];
  #tables: PartWriter<TableChunk> | undefined;
  #matrices: PartWriter<RaggedChunk> | undefined;

  private constructor(layout: RowLayout) {
    this.#layout = layout;
    const { pooled } = layout;
    // One pool is simply the embedding; several are told apart by name.
    const nameOf = (name: string) => (pooled.length === 1 ? "embedding" : `embedding_${name}`);
    this.#pooled = pooled.map((column) => ({ ...column, name: nameOf(column.name) }));
  }

  static async create(
    folder: OutputFolder,
    layout: RowLayout,
    format: TableFormat,
  ): Promise<EmbeddingTables> {
    const tables = new EmbeddingTables(layout);
    const columns = tables.#pooled;
    if (columns.length > 0) {
      tables.#tables = await PartWriter.create({
        folder: join(folder.work, "embeddings"),
        extension: format,
        open: (path) => openTableWriter(format, path, columns),
      });
    }
    const { perResidue } = layout;
    if (perResidue !== undefined) {
      const extension = raggedFormat(format);
      tables.#matrices = await PartWriter.create({
        folder: join(folder.work, "per_residue"),
        extension,
        open: (path) => openRaggedWriter(extension, path, perResidue),
      });
    }
    return tables;
  }

  get names(): ReadonlyMap<string, boolean> {
    return new Map([
      ["embeddings", this.#tables !== undefined],
      ["per_residue", this.#matrices !== undefined],
    ]);
  }

  async write(found: readonly ResultRow[]): Promise<undefined> {
    const rows = found.map(({ length, payload }) => decodeRow(this.#layout, length, payload));
    const bytes = found.reduce((sum, { payload }) => sum + payload.byteLength, 0);
    const ids = found.map((row) => row.id);
    const lengths = Int32Array.from(found, (row) => row.length);
    const columns = this.#pooled.map((column, c) => {
      const data = vectorData(column.dtype, found.length * column.dim);
      rows.forEach((row, i) => {
        data.set(row.pooled[c]!, i * column.dim);
      });
      return { ...column, data };
    });
    await this.#tables?.write({ ids, lengths, columns }, { rows: found.length, bytes });

    const { perResidue } = this.#layout;
    if (perResidue === undefined) return undefined;
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
      { rows: found.length, bytes: matrixBytes },
    );
    return undefined;
  }

  async close(): Promise<void> {
    await this.#tables?.close();
    await this.#matrices?.close();
  }

  async abort(): Promise<void> {
    await this.#tables?.abort();
    await this.#matrices?.abort();
  }
}
