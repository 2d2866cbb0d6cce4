/**
 * mmCIF files to structures, model by model.
 *
 * Owns: the `_atom_site` loop. Invariant: every row is read whole and strictly; a bad row is the
 * fault of its model only, a row of the wrong length (after which nothing can be trusted) of the
 * rest of the file. Author's numbering and chain ids are preferred, as PDB files have them.
 * Source: the PDBx/mmCIF dictionary, category atom_site.
 */
import { RaysidueError } from "../../base/errors.ts";
import { readTextLines } from "../text/text-lines.ts";
import { type CifToken, CifTokens } from "./cif-tokens.ts";
import { elementOf } from "./elements.ts";
import { type StructureRecord, stemOf } from "./structure.ts";
import { type AtomFields, StructureBuilder } from "./structure-builder.ts";

/** Longest line: values outside of text blocks are short, but the format sets no limit. */
const LINE_BYTES_MAX = 1 << 20;
/** Columns of the loop: the dictionary has some 40. */
const COLUMNS_MAX = 200;
const PREFIX = "_atom_site.";

/** Yields the models in order, each whole or as a fault. See `readPdb` for names and errors. */
export async function* readMmcif(
  bytes: AsyncIterable<Uint8Array>,
  source: string,
  name: string = stemOf(source),
): AsyncGenerator<StructureRecord> {
  const tokens = new CifTokens();
  const reader = new AtomSiteReader(source, name);
  let line = 0;
  for await (const lines of readTextLines(bytes, { source, bytesMax: LINE_BYTES_MAX })) {
    for (const text of lines) {
      line++;
      const found = tokens.push(text);
      if (typeof found === "string") {
        // What follows a broken quote is anyone's guess.
        yield reader.abandon(line, found);
        return;
      }
      for (const token of found) {
        const record = reader.push(token, line);
        if (record !== undefined) yield record;
        if (reader.isAbandoned) return;
      }
    }
  }
  yield* reader.end(line, tokens.isOpen);
}

class AtomSiteReader {
  readonly #source: string;
  readonly #name: string;
  #state: "outside" | "loop" | "header" | "rows" = "outside";
  #columns: string[] = [];
  #column: (field: string) => number = () => -1;
  #row: CifToken[] = [];
  #rowLine = 0;
  /** A row that is complete; what follows says whether it is one. */
  #full:
    | { readonly row: readonly CifToken[]; readonly line: number; readonly end: number }
    | undefined;
  #builder: StructureBuilder | undefined;
  #model = "";
  #modelLine = 0;
  #modelCount = 0;
  #error: RaysidueError | undefined;
  isAbandoned = false;

  constructor(source: string, name: string) {
    this.#source = source;
    this.#name = name;
  }

  push(token: CifToken, line: number): StructureRecord | undefined {
    const closed = this.#settle(token, line);
    return this.isAbandoned ? closed : (this.#take(token, line) ?? closed);
  }

  /**
   * Reads the complete row. One that took its last values from a line on which others follow has too
   * few of its own: values have no other mark of their column than their place.
   */
  #settle(token: CifToken | undefined, line: number): StructureRecord | undefined {
    const full = this.#full;
    if (full === undefined) return undefined;
    this.#full = undefined;
    const isShort = full.end > full.line && full.end === line && token !== undefined;
    if (isShort) return this.abandon(full.line, "a row with too few values");
    return this.#onRow(full.row, full.line);
  }

  #take(token: CifToken, line: number): StructureRecord | undefined {
    const text = token.text;
    if (!token.isQuoted && /^(loop_|data_|save_|_)/i.test(text)) {
      if (this.#state === "rows" && this.#row.length > 0) {
        return this.abandon(line, `row of ${this.#row.length} instead of ${this.#columns.length}`);
      }
      if (/^loop_/i.test(text)) this.#state = "loop";
      else if (
        (this.#state === "loop" || this.#state === "header") &&
        text.toLowerCase().startsWith(PREFIX)
      ) {
        if (this.#state === "loop") this.#columns = [];
        this.#state = "header";
        this.#columns.push(text.slice(PREFIX.length).toLowerCase());
        if (this.#columns.length > COLUMNS_MAX) return this.abandon(line, "too many columns");
      } else this.#state = "outside";
      return undefined;
    }
    if (this.#state === "header") {
      const missing = this.#bindColumns();
      if (missing !== undefined) return this.abandon(line, missing);
      this.#state = "rows";
    }
    if (this.#state !== "rows") {
      if (this.#state === "loop") this.#state = "outside";
      return undefined;
    }
    if (this.#row.length === 0) this.#rowLine = line;
    this.#row.push(token);
    if (this.#row.length < this.#columns.length) return undefined;
    this.#full = { row: this.#row, line: this.#rowLine, end: line };
    this.#row = [];
    return undefined;
  }

  /** Names that the columns go by, once; returns what is missing. */
  #bindColumns(): string | undefined {
    const index = new Map(this.#columns.map((column, i) => [column, i]));
    this.#column = (field) => index.get(field) ?? -1;
    for (const field of ["cartn_x", "cartn_y", "cartn_z"]) {
      if (!index.has(field)) return `_atom_site has no ${field}`;
    }
    for (const field of ["atom_id", "comp_id", "asym_id", "seq_id"]) {
      if (!index.has(`auth_${field}`) && !index.has(`label_${field}`)) {
        return `_atom_site has neither auth_${field} nor label_${field}`;
      }
    }
    return undefined;
  }

  #onRow(row: readonly CifToken[], line: number): StructureRecord | undefined {
    const given = this.#value(row, "pdbx_pdb_model_num") || "1";
    const isNumber = /^\d{1,9}$/.test(given);
    // What is no number begins no model: it is a fault of the one that is open.
    const model = isNumber || this.#builder === undefined ? given : this.#model;
    let closed: StructureRecord | undefined;
    if (this.#builder === undefined || model !== this.#model) {
      closed = this.#close(false);
      this.#builder = new StructureBuilder(this.#source);
      this.#model = model;
      this.#modelLine = line;
      this.#modelCount++;
    }
    if (this.#error !== undefined) return closed;
    const atom = isNumber ? this.#atomOf(row) : `model number ${JSON.stringify(given)} is wrong`;
    try {
      if (typeof atom === "string") throw this.#bad(line, atom);
      this.#builder.add(atom, line);
    } catch (thrown) {
      if (!(thrown instanceof RaysidueError)) throw thrown;
      this.#error = thrown;
    }
    return closed;
  }

  #atomOf(row: readonly CifToken[]): AtomFields | string {
    const either = (field: string) =>
      this.#value(row, `auth_${field}`) || this.#value(row, `label_${field}`);
    const atomName = either("atom_id");
    const residueName = either("comp_id");
    if (atomName === "" || residueName === "") return "an atom or residue has no name";
    const number = either("seq_id");
    if (!/^[-+]?\d{1,9}$/.test(number)) return `residue number ${JSON.stringify(number)} is wrong`;
    const axes: number[] = [];
    for (const field of ["cartn_x", "cartn_y", "cartn_z"]) {
      const text = this.#value(row, field);
      // A standard uncertainty in brackets is allowed: 12.345(6).
      const match = /^([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?:\(\d+\))?$/.exec(text);
      if (match === null) return `${field} ${JSON.stringify(text)} is not a number`;
      axes.push(Number(match[1]));
    }
    const isHetero = this.#value(row, "group_pdb").toUpperCase() === "HETATM";
    const symbol = this.#value(row, "type_symbol");
    const altLoc = this.#value(row, "label_alt_id");
    return {
      atomName,
      element: elementOf(symbol, ` ${atomName}`, isHetero),
      altLoc: altLoc === "" ? 0 : altLoc.charCodeAt(0) & 0xff,
      residueName,
      residueNumber: Number(number),
      insertion: this.#value(row, "pdbx_pdb_ins_code"),
      isHetero,
      chain: either("asym_id"),
      x: axes[0]!,
      y: axes[1]!,
      z: axes[2]!,
    };
  }

  #value(row: readonly CifToken[], field: string): string {
    const token = row[this.#column(field)];
    if (token === undefined) return "";
    return !token.isQuoted && (token.text === "." || token.text === "?") ? "" : token.text;
  }

  /** The last models. A file without one is a fault. */
  *end(line: number, isCut: boolean): Generator<StructureRecord> {
    const closed = this.#settle(undefined, line);
    if (closed !== undefined) yield closed;
    if (this.#row.length > 0 || isCut) yield this.abandon(line, "the file is cut short");
    else
      yield this.#close(true) ?? this.abandon(Math.max(line, 1), "no _atom_site row in the file");
  }

  /** Gives up the file here: the open model, or the file if none is open, becomes a fault. */
  abandon(line: number, text: string): StructureRecord {
    this.isAbandoned = true;
    const error = this.#error ?? this.#bad(line, text);
    const name = this.#modelCount > 1 ? `${this.#name}_model_${this.#model}` : this.#name;
    return { kind: "fault", fault: { name, source: this.#source, line, error } };
  }

  #close(isLast: boolean): StructureRecord | undefined {
    const builder = this.#builder;
    if (builder === undefined) return undefined;
    const isOnly = isLast && this.#modelCount === 1;
    const name = isOnly ? this.#name : `${this.#name}_model_${this.#model}`;
    const line = this.#modelLine;
    const error = this.#error;
    this.#error = undefined;
    this.#builder = undefined;
    if (error !== undefined) {
      return { kind: "fault", fault: { name, source: this.#source, line, error } };
    }
    const modelNumber = Number(this.#model);
    const structure = builder.finish({
      name,
      line,
      modelNumber: Number.isFinite(modelNumber) ? modelNumber : this.#modelCount,
    });
    return { kind: "structure", structure };
  }

  #bad(line: number, text: string): RaysidueError {
    return new RaysidueError("bad-input", `${this.#source}:${line}: ${text}`);
  }
}
