/**
 * Tab-separated tables with a header line: index.tsv, failed.tsv, trace.tsv.
 *
 * Owns: the escaping of fields and the atomic, streaming writer and reader. Invariant: any string
 * comes back as it was; a line of the file is a row, whatever the fields contain. Backslash, tab,
 * line feed and carriage return are written as `\\`, `\t`, `\n`, `\r`; nothing is ever quoted.
 */
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { fromSystemError, RaysidueError } from "../../base/errors.ts";
import { LineFile } from "./line-file.ts";

export type TsvField = string | number;

/** Longest line the reader takes, so that a file without line ends cannot fill memory. */
const LINE_CHARS_MAX = 16 << 20;

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\t": "\\t",
  "\n": "\\n",
  "\r": "\\r",
};
const UNESCAPES: Readonly<Record<string, string>> = { "\\": "\\", t: "\t", n: "\n", r: "\r" };

/** Makes a field safe to stand between tabs; `unescapeField` is its inverse. */
export function escapeField(field: string): string {
  return /[\\\t\n\r]/.test(field)
    ? field.replace(/[\\\t\n\r]/g, (character) => ESCAPES[character]!)
    : field;
}

/** Inverse of `escapeField`. An unknown escape, or a lone backslash, is left as it stands. */
export function unescapeField(field: string): string {
  if (!field.includes("\\")) return field;
  return field.replace(/\\([\\tnr])/g, (_, letter: string) => UNESCAPES[letter]!);
}

export class TsvWriter {
  readonly #file: LineFile;
  readonly #columnCount: number;

  private constructor(file: LineFile, columns: readonly string[]) {
    this.#file = file;
    this.#columnCount = columns.length;
  }

  /** Starts a table with its header line. Throws RaysidueError naming `path`. */
  static async create(path: string, columns: readonly string[]): Promise<TsvWriter> {
    assert.ok(columns.length > 0, "a table has a column");
    const file = await LineFile.create(path);
    await file.append(`${columns.map(escapeField).join("\t")}\n`);
    return new TsvWriter(file, columns);
  }

  /** Appends rows of as many fields as there are columns. */
  async write(rows: Iterable<readonly TsvField[]>): Promise<void> {
    for (const row of rows) {
      assert.equal(row.length, this.#columnCount, `a row of ${this.#file.path}`);
      await this.#file.append(`${row.map((field) => escapeField(String(field))).join("\t")}\n`);
    }
  }

  /**
   * Appends whole lines, `\n` included, of fields that the caller has escaped: for tables of
   * millions of small rows, where arrays of fields take most of the time.
   */
  async writeLines(lines: string): Promise<void> {
    await this.#file.append(lines);
  }

  close(): Promise<void> {
    return this.#file.commit();
  }

  abort(): Promise<void> {
    return this.#file.abort();
  }
}

const OWN_TABLE = "the file was changed or cut short; delete it and run the command again";
/** What to do about a table that a user wrote. */
export const USER_TABLE = "write a header, tabs between fields, and an end to each line";
/** Of a header that is none: it may be a program. */
const HEADER_SHOWN = 80;

/**
 * Reads a table written by `TsvWriter`, a block of rows at a time, header first checked against
 * `columns`. Throws RaysidueError (bad-input) with file:line, and `advice`, where a row has another
 * number of fields, the header differs, or the last line has no end (a file cut short).
 */
export async function* readTsv(
  path: string,
  columns: readonly string[],
  advice: string = OWN_TABLE,
): AsyncGenerator<string[][]> {
  const badTable = (line: number, text: string) =>
    new RaysidueError("bad-input", `${path}:${line}: ${text}; ${advice}`);
  let lineNumber = 0;
  let rest = "";
  try {
    for await (const piece of createReadStream(path, { encoding: "utf8" })) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop()!;
      if (rest.length > LINE_CHARS_MAX) throw badTable(lineNumber + 1, "line too long");
      const rows: string[][] = [];
      for (const line of lines) {
        lineNumber++;
        const fields = line.split("\t").map(unescapeField);
        if (lineNumber === 1) {
          if (fields.join("\t") === columns.join("\t")) continue;
          const found = JSON.stringify(fields.join(" ").slice(0, HEADER_SHOWN));
          throw badTable(1, `header ${found} instead of "${columns.join(" ")}"`);
        }
        if (fields.length !== columns.length) {
          throw badTable(lineNumber, `${fields.length} fields instead of ${columns.length}`);
        }
        rows.push(fields);
      }
      if (rows.length > 0) yield rows;
    }
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot read ${path}`);
  }
  if (rest !== "") throw badTable(lineNumber + 1, "the last line has no end");
  if (lineNumber === 0) throw badTable(1, "the header line is missing");
}
