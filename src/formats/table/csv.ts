/**
 * Comma-separated values: `id,length,NAME_0,NAME_1...`, a line a record.
 *
 * Owns: quoting (RFC 4180, lines end in LF) and decimal numbers. Invariant: a number read back as
 * float32 is the number written, and no shorter decimal is. Not for much data: text is five times
 * the size of Parquet and slow. Ids are written as they are; a spreadsheet may take `=1+1` for a
 * formula.
 */
import { fromFloat16 } from "./float16.ts";
import { LineFile } from "./line-file.ts";
import {
  type ColumnSpec,
  checkSpecs,
  checkTable,
  type TableChunk,
  type TableWriter,
} from "./table.ts";

/** Nine significant digits tell any two float32 apart; most need seven or eight. */
const DIGITS_MAX = 9;
const DIGITS_USUAL = 7;

export function quoteField(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

/** Shortest decimal that is `value` again when read as float32. `NaN`, `inf` and `-inf` likewise. */
export function shortestDecimal(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e6)
    return Object.is(value, -0) ? "-0" : `${value}`;
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  let digits = DIGITS_USUAL;
  let text = value.toPrecision(digits);
  if (Math.fround(Number(text)) === value) {
    while (digits > 1) {
      const shorter = value.toPrecision(--digits);
      if (Math.fround(Number(shorter)) !== value) break;
      text = shorter;
    }
  } else {
    do text = value.toPrecision(++digits);
    while (digits < DIGITS_MAX && Math.fround(Number(text)) !== value);
  }
  // As JavaScript writes it: no trailing zeros, an exponent only for what is very small or large.
  return String(Number(text));
}

class CsvWriter implements TableWriter {
  readonly #file: LineFile;
  readonly #columns: readonly ColumnSpec[];

  constructor(file: LineFile, columns: readonly ColumnSpec[]) {
    this.#file = file;
    this.#columns = columns;
  }

  async write(chunk: TableChunk): Promise<void> {
    checkTable(chunk, this.#columns);
    const columns = chunk.columns.map(({ dim, data }) => {
      return { dim, data: data instanceof Float32Array ? data : fromFloat16(data) };
    });
    for (const [row, id] of chunk.ids.entries()) {
      let line = `${quoteField(id)},${chunk.lengths[row]}`;
      for (const { dim, data } of columns) {
        const end = (row + 1) * dim;
        for (let i = row * dim; i < end; i++) line += `,${shortestDecimal(data[i]!)}`;
      }
      await this.#file.append(`${line}\n`);
    }
  }

  close(): Promise<void> {
    return this.#file.commit();
  }

  abort(): Promise<void> {
    return this.#file.abort();
  }
}

/** A writer for rows with these columns. Throws RaysidueError naming `path`. */
export async function createCsvWriter(
  path: string,
  columns: readonly ColumnSpec[],
): Promise<TableWriter> {
  checkSpecs(columns);
  const names = columns.flatMap(({ name, dim }) => {
    return Array.from({ length: dim }, (_, i) => quoteField(`${name}_${i}`));
  });
  const file = await LineFile.create(path);
  await file.append(`${["id", "length", ...names].join(",")}\n`);
  return new CsvWriter(file, columns);
}
