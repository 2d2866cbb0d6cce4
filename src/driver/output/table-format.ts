/**
 * The table formats of `--format`, by name.
 *
 * Owns: which file extension and which writer each has. Writers are imported when they are needed:
 * some bring megabytes of WebAssembly.
 */
import type { ColumnSpec, RaggedChunk, TableWriter } from "../../formats/table/table.ts";

export const TABLE_FORMATS = ["parquet", "arrow", "h5", "npz", "csv"] as const;

export type TableFormat = (typeof TABLE_FORMATS)[number];

/** Opens a writer of pooled vectors at `path`. */
export async function openTableWriter(
  format: TableFormat,
  path: string,
  columns: readonly ColumnSpec[],
): Promise<TableWriter> {
  switch (format) {
    case "parquet":
      return (await import("../../formats/table/parquet.ts")).createParquetWriter(path, columns);
    case "arrow":
      return (await import("../../formats/table/arrow.ts")).createArrowWriter(path, columns);
    case "h5":
      return (await import("../../formats/table/hdf5.ts")).createHdf5Writer(path, columns);
    case "npz":
      return (await import("../../formats/table/npz.ts")).createNpzWriter(path, columns);
    case "csv":
      return (await import("../../formats/table/csv.ts")).createCsvWriter(path, columns);
    default:
      return format satisfies never;
  }
}

/** What per-residue matrices are written as: Parquet and CSV cannot hold them well. */
export function raggedFormat(format: TableFormat): "arrow" | "h5" | "npz" {
  return format === "h5" || format === "npz" ? format : "arrow";
}

/** Opens a writer of per-residue matrices at `path`. */
export async function openRaggedWriter(
  format: "arrow" | "h5" | "npz",
  path: string,
  column: ColumnSpec,
): Promise<TableWriter<RaggedChunk>> {
  switch (format) {
    case "arrow":
      return (await import("../../formats/table/arrow.ts")).createRaggedArrowWriter(path, column);
    case "h5":
      return (await import("../../formats/table/hdf5.ts")).createRaggedHdf5Writer(path, column);
    case "npz":
      return (await import("../../formats/table/npz.ts")).createRaggedNpzWriter(path, column);
    default:
      return format satisfies never;
  }
}
