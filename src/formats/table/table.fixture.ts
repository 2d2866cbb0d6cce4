/** Tables for the tests of the formats: hostile ids, special numbers, both dtypes. */
import { toFloat16 } from "./float16.ts";
import type { Column, RaggedChunk, TableChunk, VectorData } from "./table.ts";

/** What ids of real and malicious files hold. */
export const HOSTILE_IDS = [
  "sp|P12345|NAME_HUMAN",
  "a/b/c",
  "/absolute",
  "..",
  ".",
  "",
  "../../etc/passwd",
  "%2F",
  "100%",
  "x%~2",
  'quote"comma,semi;',
  "tab\tline\nreturn\r",
  "Ünïcödé→κ🧬",
  "twice",
  "twice",
  "twice",
  " leading and trailing ",
  "back\\slash",
  "=1+1",
];

const SPECIAL = [0, -0, 1.5, -1e-45, 3.4028234e38, 1 / 3, Number.NaN, -Infinity];

/** Numbers of many sizes, every seventh a special one. A loop, as tests make millions of them. */
function numbers(count: number, seed: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const k = i + seed;
    const mixed = Math.imul(k, 2_654_435_761) / 2 ** 31;
    values[i] = k % 7 === 3 ? SPECIAL[k % SPECIAL.length]! : mixed * 2 ** ((k % 9) - 4);
  }
  return values;
}

function idsOf(rows: number): string[] {
  return Array.from({ length: rows }, (_, i) => HOSTILE_IDS[i] ?? `seq_${i}`);
}

/** `rows` rows with columns mean: float32[dim] and max: float16[3]. */
export function someTable(rows: number, dim: number): TableChunk {
  const mean = numbers(rows * dim, 0);
  const max = toFloat16(numbers(rows * 3, 1));
  return {
    ids: idsOf(rows),
    lengths: Int32Array.from({ length: rows }, (_, i) => 1 + ((i * 7919) % 500)),
    columns: [
      { name: "mean", dtype: "float32", dim, data: mean },
      { name: "max", dtype: "float16", dim: 3, data: max },
    ],
  };
}

/** `rows` matrices of 0 to 40 residues, float32[dim] each. */
export function someRagged(rows: number, dim: number): RaggedChunk {
  const lengths = Int32Array.from({ length: rows }, (_, i) => (i * 13) % 41);
  const residues = lengths.reduce((sum, length) => sum + length, 0);
  const data = numbers(residues * dim, 0);
  return { ids: idsOf(rows), lengths, name: "residues", dtype: "float32", dim, data };
}

function joined(parts: readonly VectorData[]): VectorData {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const all = parts[0] instanceof Uint16Array ? new Uint16Array(length) : new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Several chunks of the same columns as one. */
export function joinTables(chunks: readonly TableChunk[]): TableChunk {
  const columns = chunks[0]!.columns.map((column, i): Column => {
    return { ...column, data: joined(chunks.map((chunk) => chunk.columns[i]!.data)) };
  });
  const lengths = Int32Array.from(chunks.flatMap((chunk) => [...chunk.lengths]));
  return { ids: chunks.flatMap(({ ids }) => [...ids]), lengths, columns };
}

/** Several ragged chunks as one. */
export function joinRagged(chunks: readonly RaggedChunk[]): RaggedChunk {
  const { name, dtype, dim } = chunks[0]!;
  const lengths = Int32Array.from(chunks.flatMap((chunk) => [...chunk.lengths]));
  const data = joined(chunks.map((chunk) => chunk.data));
  return { ids: chunks.flatMap(({ ids }) => [...ids]), lengths, name, dtype, dim, data };
}
