/**
 * FASTA: a stream of bytes to records, with the line each begins on.
 *
 * Owns: where a record begins and ends, and what its id is. Invariant: residues are the letters as
 * written, white space removed and nothing else changed; the line number is right for any mixture
 * of LF, CR LF and lone CR. Deliberately not here: whether a letter is an amino acid, upper case,
 * `*`, gaps, duplicate or empty ids, records without residues; the caller decides and reports.
 */
import { RaysidueError } from "../../base/errors.ts";

export interface FastaRecord {
  /** Up to the first white space; "" for a bare `>`. Never holds a control character. */
  readonly id: string;
  /** The rest of the header line, trimmed; control characters are spaces. */
  readonly description: string;
  /**
   * Raw letters. A view into a buffer that the records of one array share: copy what is kept for
   * long, or the whole buffer (about 256 KiB) stays alive with it.
   */
  readonly residues: Uint8Array;
  /** 1-based line of the header. */
  readonly line: number;
}

/** An array of records is yielded when it holds this many records or residues. */
const BATCH_RECORDS = 1_000;
const BATCH_RESIDUES = 256 << 10;
/** Longest record: the longest known protein has 45,000 residues; this is not one. */
export const RESIDUES_MAX = 100 << 20;
/** Longest header line. NCBI's merged headers reach some 100 KB. */
export const HEADER_BYTES_MAX = 1 << 20;
/** Pieces of a chunk that are parsed at once: bounds what is allocated ahead for residues. */
const SLICE_BYTES = 64 << 10;

const LF = 10;
const CR = 13;
const SPACE = 32;
const SEMICOLON = 59;
const GREATER = 62;

/**
 * Yields the records of one input in order. `file` is for messages only.
 * Throws RaysidueError (bad-input, file:line) for text before the first record, a control
 * character in an id, a header over `HEADER_BYTES_MAX`, a record over `RESIDUES_MAX`, and for an
 * input without any record.
 */
export async function* readFasta(
  bytes: AsyncIterable<Uint8Array>,
  file: string,
): AsyncGenerator<FastaRecord[]> {
  const parser = new Parser(file);
  for await (const chunk of bytes) {
    for (let start = 0; start < chunk.length; start += SLICE_BYTES) {
      parser.push(chunk.subarray(start, start + SLICE_BYTES));
      if (!parser.isFull) continue;
      const records = parser.take();
      if (records.length > 0) yield records;
    }
  }
  parser.end();
  const last = parser.take();
  if (last.length > 0) yield last;
}

/** Where the next byte belongs. */
type Place = "lineStart" | "header" | "residues" | "comment";

/** Parses slices of bytes; knows nothing of the past but the record it is in. */
class Parser {
  readonly #file: string;
  #place: Place = "lineStart";
  #line = 1;
  /** The last byte was a CR: an LF that follows ends no second line. */
  #afterCr = false;
  #recordCount = 0;

  /** Bytes of a header that began in an earlier slice. */
  #header: Uint8Array[] = [];
  #headerBytes = 0;
  #headerLine = 0;

  /** Finished records of the batch; the residues of number i end at `#ends[i]` in `#arena`. */
  #heads: { id: string; description: string; line: number }[] = [];
  #starts: number[] = [];
  #arena = new Uint8Array(0);
  #usedBytes = 0;
  #startBytes = 0;
  #hasOpenRecord = false;
  #arenaHintBytes = SLICE_BYTES;

  constructor(file: string) {
    this.#file = file;
  }

  get isFull(): boolean {
    return this.#heads.length >= BATCH_RECORDS || this.#usedBytes >= BATCH_RESIDUES;
  }

  push(slice: Uint8Array): void {
    let at = 0;
    while (at < slice.length) {
      switch (this.#place) {
        case "lineStart":
          at = this.#startLine(slice, at);
          break;
        case "header":
          at = this.#readHeader(slice, at);
          break;
        case "residues":
          at = this.#readResidues(slice, at);
          break;
        case "comment":
          at = lineEnd(slice, at);
          if (at < slice.length) this.#place = "lineStart";
          break;
        default:
          this.#place satisfies never;
      }
    }
  }

  end(): void {
    if (this.#place === "header") this.#finishHeader();
    if (this.#recordCount === 0) {
      throw this.#bad(
        this.#line,
        "no FASTA record; a record begins with a line that starts with >",
      );
    }
    // The record that is open is complete now.
    this.#hasOpenRecord = false;
  }

  /** The complete records, leaving the open one (its residues move to a fresh arena). */
  take(): FastaRecord[] {
    const openRecords = this.#hasOpenRecord ? 1 : 0;
    const records: FastaRecord[] = [];
    for (let i = 0; i < this.#heads.length - openRecords; i++) {
      const residues = this.#arena.subarray(
        this.#starts[i],
        this.#starts[i + 1] ?? this.#usedBytes,
      );
      records.push({ ...this.#heads[i]!, residues });
    }
    if (records.length === 0) return records;
    this.#arenaHintBytes = Math.min(this.#usedBytes + SLICE_BYTES, BATCH_RESIDUES + SLICE_BYTES);
    const open = this.#hasOpenRecord ? this.#arena.subarray(this.#startBytes, this.#usedBytes) : "";
    this.#heads = this.#hasOpenRecord ? [this.#heads.at(-1)!] : [];
    this.#starts = this.#hasOpenRecord ? [0] : [];
    this.#startBytes = 0;
    this.#usedBytes = open.length;
    this.#arena = new Uint8Array(open.length);
    if (open !== "") this.#arena.set(open);
    return records;
  }

  #startLine(slice: Uint8Array, at: number): number {
    const byte = slice[at]!;
    if (byte === LF || byte === CR) {
      if (!(byte === LF && this.#afterCr)) this.#line++;
      this.#afterCr = byte === CR;
      return at + 1;
    }
    this.#afterCr = false;
    if (byte === GREATER) {
      this.#place = "header";
      this.#headerLine = this.#line;
      return at + 1;
    }
    this.#place = byte === SEMICOLON ? "comment" : "residues";
    return at;
  }

  #readHeader(slice: Uint8Array, at: number): number {
    const end = lineEnd(slice, at);
    this.#headerBytes += end - at;
    if (this.#headerBytes > HEADER_BYTES_MAX) {
      throw this.#bad(this.#headerLine, `a header line of more than ${HEADER_BYTES_MAX} bytes`);
    }
    if (end === slice.length) {
      // What outlives the call is copied: the chunk may be reused. (A Buffer's `slice` is a view.)
      if (end > at) this.#header.push(new Uint8Array(slice.subarray(at, end)));
      return end;
    }
    if (this.#header.length > 0) this.#header.push(slice.subarray(at, end));
    this.#finishHeader(this.#header.length > 0 ? undefined : slice.subarray(at, end));
    this.#place = "lineStart";
    return end;
  }

  /** `whole` is the header line, unless its pieces were gathered from several slices. */
  #finishHeader(whole?: Uint8Array): void {
    const line = whole ?? Buffer.concat(this.#header);
    const text = Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString("utf8");
    this.#header = [];
    this.#headerBytes = 0;
    this.#heads.push(
      splitHeader(text, (what) => this.#bad(this.#headerLine, what), this.#headerLine),
    );
    this.#startBytes = this.#usedBytes;
    this.#starts.push(this.#startBytes);
    this.#hasOpenRecord = true;
    this.#recordCount++;
  }

  #readResidues(slice: Uint8Array, at: number): number {
    this.#reserve(slice.length - at);
    const arena = this.#arena;
    let used = this.#usedBytes;
    let i = at;
    for (; i < slice.length; i++) {
      const byte = slice[i]!;
      if (byte > SPACE) arena[used++] = byte;
      else if (byte === LF || byte === CR) break;
      // Blank, tab, vertical tab and form feed vanish; other controls stay for the caller to see.
      else if (byte !== SPACE && byte !== 9 && byte !== 11 && byte !== 12) arena[used++] = byte;
    }
    if (this.#recordCount === 0 && used > this.#usedBytes) {
      throw this.#bad(this.#line, "text before the first record; a record begins with >");
    }
    this.#usedBytes = used;
    if (used - this.#startBytes > RESIDUES_MAX) {
      const what = `a record of more than ${RESIDUES_MAX} residues; this is no protein`;
      throw this.#bad(this.#headerLine, what);
    }
    if (i < slice.length) this.#place = "lineStart";
    return i;
  }

  #reserve(moreBytes: number): void {
    const needed = this.#usedBytes + moreBytes;
    if (needed <= this.#arena.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#arena.length * 2, this.#arenaHintBytes));
    grown.set(this.#arena.subarray(0, this.#usedBytes));
    this.#arena = grown;
  }

  #bad(line: number, what: string): RaysidueError {
    return new RaysidueError("bad-input", `${this.#file}:${line}: ${what}`);
  }
}

/** Index of the first LF or CR from `at` on, or the slice's length. */
function lineEnd(slice: Uint8Array, at: number): number {
  let i = at;
  while (i < slice.length && slice[i] !== LF && slice[i] !== CR) i++;
  return i;
}

/** White space, and the ^A with which NCBI joins the headers of equal sequences. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
const ID_END = /[\t\v\f \u0001]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

function splitHeader(
  text: string,
  bad: (what: string) => RaysidueError,
  line: number,
): { id: string; description: string; line: number } {
  const start = text.search(/[^ \t]/);
  if (start < 0) return { id: "", description: "", line };
  const header = start === 0 ? text : text.slice(start);
  const length = header.search(ID_END);
  const id = length < 0 ? header : header.slice(0, length);
  const control = CONTROL.exec(id);
  if (control !== null) {
    const code = control[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
    throw bad(`control character U+${code} in the id; remove it`);
  }
  if (length < 0) return { id, description: "", line };
  const rest = header.slice(length);
  const printable = CONTROL.test(rest) ? rest.replace(new RegExp(CONTROL, "g"), " ") : rest;
  return { id, description: printable.trim(), line };
}
