/**
 * Sequences of the inputs -> rows of a plan.
 *
 * Owns: what is refused, where it is said (file:line) and what is changed on the way. Invariant:
 * every record of every input becomes one row, in order, and every change to a sequence is in its
 * note. Memory does not grow with the input: names and notes go to a scratch table.
 */
import { setImmediate as turn } from "node:timers/promises";
import { RaysidueError } from "../../base/errors.ts";
import { TsvWriter } from "../../formats/table/tsv.ts";
import { readFasta } from "../../formats/text/fasta.ts";
import { openInputs } from "../../formats/text/text-source.ts";
import { canonicalSequence, type SequenceRules } from "../../kind/sequence.ts";
import { itemDigest } from "../../store/content-key.ts";
import { LISTINGS } from "./listings.ts";
import type { Plan } from "./plan.ts";

/** The scratch table beside a plan's rows. `problem` is empty where the row was planned. */
export const NAME_COLUMNS = ["id", "file", "line", "note", "problem"] as const;

export interface ReadOptions {
  readonly inputs: readonly string[];
  readonly isRecursive: boolean;
  readonly rules: SequenceRules;
  /** What becomes of a sequence: "embedded". */
  readonly purpose: string;
  /** What the scheduler weighs of a sequence of so many residues. */
  readonly costOf: (length: number) => number;
  readonly onInvalid: "fail" | "skip";
  readonly namesPath: string;
  readonly signal: AbortSignal;
  readonly onRead: (records: number) => void;
}

export interface ReadCounts {
  readonly files: number;
  readonly records: number;
  readonly refused: number;
  /** Records whose sequence was changed, by what was done. */
  readonly changes: Readonly<Record<string, number>>;
}

/** Problems shown in one report; the rest is counted. */
const PROBLEMS_SHOWN = 20;

/** Reads everything. Throws RaysidueError "bad-input" with all problems where they are not skipped. */
export async function readSequences(plan: Plan, options: ReadOptions): Promise<ReadCounts> {
  const reader = new SequenceReader(
    plan,
    options,
    await TsvWriter.create(options.namesPath, NAME_COLUMNS),
  );
  return reader.read();
}

class SequenceReader {
  readonly #plan: Plan;
  readonly #options: ReadOptions;
  readonly #names: TsvWriter;
  readonly #changes = new Map<string, number>();
  readonly #shown: string[] = [];
  #files = 0;
  #records = 0;
  #refused = 0;

  constructor(plan: Plan, options: ReadOptions, names: TsvWriter) {
    this.#plan = plan;
    this.#options = options;
    this.#names = names;
  }

  async read(): Promise<ReadCounts> {
    const { inputs, isRecursive, signal, onRead, onInvalid, purpose } = this.#options;
    const openOptions = { ...LISTINGS.sequences, recursive: isRecursive, signal };
    for await (const input of openInputs(inputs, openOptions)) {
      this.#files++;
      for await (const records of readFasta(input.bytes, input.name)) {
        if (signal.aborted) throw new RaysidueError("cancelled", "interrupted while reading");
        const names = records.map((record) => this.#add(record, input.name));
        await this.#names.write(names);
        onRead(this.#records);
        // Bytes that are there already make no pause: others wait to be heard, as a fleet that starts.
        await turn();
      }
    }
    await this.#names.close();
    if (this.#refused > 0 && onInvalid === "fail") throw this.#refusal();
    if (this.#records === this.#refused) {
      const text = `${inputs.join(", ")}: no sequence that can be ${purpose}`;
      throw new RaysidueError("bad-input", text);
    }
    return {
      files: this.#files,
      records: this.#records,
      refused: this.#refused,
      changes: Object.fromEntries(this.#changes),
    };
  }

  #add(
    record: { id: string; residues: Uint8Array; line: number },
    file: string,
  ): [string, string, number, string, string] {
    this.#records++;
    const canonical = canonicalSequence(record.residues, this.#options.rules);
    const note = canonical.changes.map(({ text }) => text).join("; ");
    for (const { what } of canonical.changes) {
      this.#changes.set(what, (this.#changes.get(what) ?? 0) + 1);
    }
    if (canonical.problem !== undefined) {
      this.#refuse(
        `${file}:${record.line}: ${record.id || "record without an id"}: ${canonical.problem}`,
      );
      this.#plan.addRefused(canonical.residues.length);
      return [record.id, file, record.line, note, canonical.problem];
    }
    const data = canonical.residues;
    this.#plan.addItem({
      digest: itemDigest(data),
      data,
      length: data.length,
      cost: this.#options.costOf(data.length),
    });
    return [record.id, file, record.line, note, ""];
  }

  #refuse(text: string): void {
    this.#refused++;
    if (this.#shown.length < PROBLEMS_SHOWN) this.#shown.push(text);
  }

  #refusal(): RaysidueError {
    const rest = this.#refused - this.#shown.length;
    const more = rest > 0 ? `; and ${rest} more` : "";
    const advice = "mend them, or leave them out with --on-invalid skip";
    return new RaysidueError("bad-input", `${this.#shown.join("; ")}${more}; ${advice}`);
  }
}
