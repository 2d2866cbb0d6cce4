/**
 * Structures of the inputs -> rows of a plan.
 *
 * Owns: which reader a file gets, and what is refused. Invariant: every model of every file becomes
 * one row, in order; a model that cannot be read or lacks a chain is refused with file and line,
 * and its neighbours are read. Memory is one model, whatever the input.
 */
import { messageOf, RaysidueError } from "../base/errors.ts";
import { readMmcif } from "../formats/mmcif.ts";
import { readPdb } from "../formats/pdb.ts";
import { readQuiver } from "../formats/quiver.ts";
import { type Structure, type StructureRecord, stemOf } from "../formats/structure.ts";
import { openInputs, type TextInput } from "../formats/text-source.ts";
import { TsvWriter } from "../formats/tsv.ts";
import { encodePose } from "../kind/pose-item.ts";
import { poseCost } from "../kind/score.ts";
import { type ChainChoice, countResidues } from "../science/chains.ts";
import { itemDigest } from "../store/content-key.ts";
import type { Plan } from "./plan.ts";
import { NAME_COLUMNS } from "./read-sequences.ts";

/** Extensions under which folders are searched; each also with `.gz`. */
export const STRUCTURE_EXTENSIONS = [".pdb", ".ent", ".cif", ".mmcif", ".qv"] as const;

export interface ReadPosesOptions {
  readonly inputs: readonly string[];
  readonly isRecursive: boolean;
  readonly choice: ChainChoice;
  readonly namesPath: string;
  readonly signal: AbortSignal;
  readonly onRead: (poses: number) => void;
}

export interface PoseCounts {
  readonly files: number;
  readonly records: number;
  readonly refused: number;
  /** The first refusal, for a message where nothing is left. */
  readonly firstProblem: string;
}

/** Reads everything. Throws RaysidueError where no file is there or the user interrupts. */
export async function readPoses(plan: Plan, options: ReadPosesOptions): Promise<PoseCounts> {
  const names = await TsvWriter.create(options.namesPath, NAME_COLUMNS);
  return new PoseReader(plan, options, names).read();
}

class PoseReader {
  readonly #plan: Plan;
  readonly #options: ReadPosesOptions;
  readonly #names: TsvWriter;
  #files = 0;
  #records = 0;
  #refused = 0;
  #firstProblem = "";

  constructor(plan: Plan, options: ReadPosesOptions, names: TsvWriter) {
    this.#plan = plan;
    this.#options = options;
    this.#names = names;
  }

  async read(): Promise<PoseCounts> {
    const { inputs, isRecursive, signal, onRead } = this.#options;
    const extensions = STRUCTURE_EXTENSIONS;
    const opening = { recursive: isRecursive, extensions, kind: "structures", signal };
    for await (const input of openInputs(inputs, opening)) {
      this.#files++;
      await this.#readFile(input);
      onRead(this.#records);
    }
    await this.#names.close();
    return {
      files: this.#files,
      records: this.#records,
      refused: this.#refused,
      firstProblem: this.#firstProblem,
    };
  }

  async #readFile(input: TextInput): Promise<void> {
    try {
      for await (const record of readerOf(input)) {
        if (this.#options.signal.aborted) {
          throw new RaysidueError("cancelled", "interrupted while reading");
        }
        if (record.kind === "structure") await this.#add(record.structure);
        else {
          const { name, line, error } = record.fault;
          await this.#refuse(name, { file: input.name, line }, error);
        }
      }
    } catch (thrown) {
      // A file that is no text is one pose less, not the end of a campaign.
      if (!(thrown instanceof RaysidueError) || thrown.code !== "bad-input") throw thrown;
      await this.#refuse(stemOf(input.name), { file: input.name, line: 1 }, thrown);
    }
  }

  async #add(structure: Structure): Promise<void> {
    const { name, source: file, line } = structure;
    let data: Uint8Array;
    try {
      data = encodePose(structure, this.#options.choice);
    } catch (thrown) {
      if (!(thrown instanceof RaysidueError) || thrown.code !== "bad-input") throw thrown;
      return this.#refuse(name, { file, line }, thrown);
    }
    this.#records++;
    const cost = poseCost(structure.atomCount);
    const length = countResidues(structure, this.#options.choice);
    this.#plan.addItem({ digest: itemDigest(data), data, length, cost });
    await this.#names.write([[name, file, line, `${file}:${line}`, ""]]);
  }

  async #refuse(
    pose: string,
    place: { readonly file: string; readonly line: number },
    error: RaysidueError,
  ): Promise<void> {
    const message = messageOf(error);
    this.#records++;
    this.#refused++;
    this.#firstProblem ||= message;
    const { line, reason } = placeOf(message, place);
    this.#plan.addRefused(0);
    await this.#names.write([[pose, place.file, line, "", reason]]);
  }
}

/** The line that a message names, which is nearer to the fault than its model's first. */
function placeOf(
  message: string,
  { file, line }: { readonly file: string; readonly line: number },
): { line: number; reason: string } {
  if (!message.startsWith(`${file}:`)) return { line, reason: message };
  const match = /^:(\d+): (.*)$/s.exec(message.slice(file.length));
  return match === null ? { line, reason: message } : { line: Number(match[1]), reason: match[2]! };
}

function readerOf({ name, bytes }: TextInput): AsyncGenerator<StructureRecord> {
  const bare = name.toLowerCase().replace(/\.gz$/, "");
  if (bare.endsWith(".cif") || bare.endsWith(".mmcif")) return readMmcif(bytes, name);
  if (bare.endsWith(".qv")) return readQuiver(bytes, name);
  return readPdb(bytes, name);
}
