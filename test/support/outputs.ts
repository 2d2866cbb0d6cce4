/**
 * Output folders as a reader of them sees them, with the readers of src/formats.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { FAILED_COLUMNS, INDEX_COLUMNS } from "../../src/driver/output/result-output.ts";
import { SCORE_COLUMNS } from "../../src/driver/poses/score-row.ts";
import type { ScoreStatistics } from "../../src/driver/poses/score-statistics.ts";
import { TRACE_COLUMNS } from "../../src/driver/run/trace.ts";
import { readArrow, readRaggedArrow } from "../../src/formats/table/arrow.ts";
import { fromFloat16 } from "../../src/formats/table/float16.ts";
import { readParquet } from "../../src/formats/table/parquet.ts";
import type { TableChunk, VectorData } from "../../src/formats/table/table.ts";
import { readTsv } from "../../src/formats/table/tsv.ts";

type Row<C extends readonly string[]> = Record<C[number], string>;

/** Rows of a tab-separated table, by column. */
export async function readTable<const C extends readonly string[]>(
  path: string,
  columns: C,
): Promise<Row<C>[]> {
  const rows: Row<C>[] = [];
  for await (const block of readTsv(path, columns)) {
    for (const fields of block) {
      rows.push(Object.fromEntries(fields.map((field, i) => [columns[i], field])) as Row<C>);
    }
  }
  return rows;
}

export const readIndex = (folder: string) => readTable(join(folder, "index.tsv"), INDEX_COLUMNS);
export const readFailed = (folder: string) => readTable(join(folder, "failed.tsv"), FAILED_COLUMNS);
export const readScores = (folder: string) => readTable(join(folder, "scores.tsv"), SCORE_COLUMNS);
export const readTrace = (folder: string) => readTable(join(folder, "trace.tsv"), TRACE_COLUMNS);

export interface Report {
  readonly germlines?: { readonly name: string };
  readonly schema_version: number;
  readonly command: readonly string[];
  readonly model: { readonly name: string; readonly fingerprint: string; readonly dim: number };
  readonly parameters: Record<string, unknown>;
  readonly counts: Record<string, number>;
  readonly changes: Record<string, number>;
  readonly seconds: { readonly total: number; readonly compute: number };
  /** Of `score`: what embedded the residues. */
  readonly embedding?: Readonly<Record<string, unknown>>;
  readonly statistics?: ScoreStatistics;
  readonly warnings: readonly string[];
  readonly exit: number;
}

export function readReport(folder: string): Report {
  return JSON.parse(readFileSync(join(folder, "run.json"), "utf8")) as Report;
}

/** The parts of `embeddings/` or `per_residue/`, in order. */
export function parts(folder: string, table: "embeddings" | "per_residue"): string[] {
  const names = readdirSync(join(folder, table)).sort();
  assert.ok(names.length > 0, `no parts in ${table}`);
  return names.map((name) => join(folder, table, name));
}

export interface EmbeddedRow {
  readonly id: string;
  readonly length: number;
  /** By column name. */
  readonly vectors: Readonly<Record<string, Float32Array>>;
}

const numbers = (data: VectorData) => (data instanceof Float32Array ? data : fromFloat16(data));

/** Rows of `embeddings/` in Parquet or Arrow form, float16 widened. */
export async function readEmbeddings(folder: string): Promise<EmbeddedRow[]> {
  const rows: EmbeddedRow[] = [];
  for (const part of parts(folder, "embeddings")) {
    const read: (path: string) => AsyncIterable<TableChunk> = part.endsWith(".arrow")
      ? readArrow
      : readParquet;
    for await (const { ids, lengths, columns } of read(part)) {
      const wide = columns.map(({ name, dim, data }) => ({ name, dim, data: numbers(data) }));
      ids.forEach((id, i) => {
        const vectors = wide.map(({ name, dim, data }) => [
          name,
          data.slice(i * dim, (i + 1) * dim),
        ]);
        rows.push({ id, length: lengths[i]!, vectors: Object.fromEntries(vectors) });
      });
    }
  }
  return rows;
}

/** The column `embedding` of each row. */
export async function readVectors(folder: string): Promise<Float32Array[]> {
  return (await readEmbeddings(folder)).map((row) => row.vectors.embedding!);
}

/** Matrices of `per_residue/` in Arrow form: `[length, dim]` each. */
export async function readMatrices(
  folder: string,
): Promise<{ id: string; length: number; dim: number; data: Float32Array }[]> {
  const matrices = [];
  for (const part of parts(folder, "per_residue")) {
    for await (const { ids, lengths, dim, data } of readRaggedArrow(part)) {
      const wide = numbers(data);
      let at = 0;
      for (const [i, id] of ids.entries()) {
        const length = lengths[i]!;
        matrices.push({ id, length, dim, data: wide.slice(at, at + length * dim) });
        at += length * dim;
      }
    }
  }
  return matrices;
}

/** Bytes of every file of the output that holds results, by name. */
export function resultBytes(folder: string): Record<string, Buffer> {
  const files: Record<string, Buffer> = { "index.tsv": readFileSync(join(folder, "index.tsv")) };
  for (const table of ["embeddings", "per_residue"] as const) {
    if (!existsSync(join(folder, table))) continue;
    for (const path of parts(folder, table)) {
      files[path.slice(folder.length + 1)] = readFileSync(path);
    }
  }
  return files;
}

/** Names of the shards that a run has written, whether it goes on or not. */
export function shardNames(folder: string, which = "shards"): string[] {
  const shards = join(folder, ".raysidue", which);
  if (!existsSync(shards)) return [];
  return readdirSync(shards).filter((name) => name.endsWith(".shard"));
}

/** Fails where `folder` holds anything under a name of the output contract. */
export function assertNoOutput(folder: string): void {
  const present = existsSync(folder) ? readdirSync(folder) : [];
  const trusted = present.filter((name) =>
    /^(run\.json|index\.tsv|failed\.tsv|embeddings|per_residue)$/.test(name),
  );
  assert.deepEqual(trusted, [], "a failed run left output that looks finished");
}
