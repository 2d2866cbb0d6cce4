/**
 * Structures of the inputs -> rows of a plan.
 *
 * Owns: which reader a file gets, and what is refused. Invariant: every model of every file becomes
 * one row, in order; a model that cannot be read or lacks a chain is refused with file and line,
 * and its neighbours are read. Memory is one model and the bytes of files that are fetched ahead
 * (pose-files.ts), whatever the input. A file of which everything is known is not parsed.
 */
import { messageOf, RaysidueError } from "../base/errors.ts";
import { DISK, type FileSource } from "../formats/file-source.ts";
import { readMmcif } from "../formats/mmcif.ts";
import { readPdb } from "../formats/pdb.ts";
import { readQuiver } from "../formats/quiver.ts";
import { type Structure, type StructureRecord, stemOf } from "../formats/structure.ts";
import { listInputs, type TextInput } from "../formats/text-source.ts";
import { TsvWriter } from "../formats/tsv.ts";
import { encodePose } from "../kind/pose-item.ts";
import { poseCost } from "../kind/score.ts";
import { type ChainChoice, countResidues } from "../science/chains.ts";
import { itemDigest, type SpaceDigest } from "../store/content-key.ts";
import type { ResultStore } from "../store/result-store.ts";
import type { Plan } from "./plan.ts";
import {
  PoseBook,
  type PoseBookPlace,
  type PoseEntry,
  type ReadPose,
  type RefusedPose,
} from "./pose-book.ts";
import { poseFiles } from "./pose-files.ts";
import { NAME_COLUMNS } from "./read-sequences.ts";

/** Extensions under which folders are searched; each also with `.gz`. */
export const STRUCTURE_EXTENSIONS = [".pdb", ".ent", ".cif", ".mmcif", ".qv"] as const;

/** Poses of a file that the book remembers; an archive of more is parsed again. */
const ENTRIES_MAX = 1 << 17;

export interface ReadPosesOptions {
  readonly inputs: readonly string[];
  readonly isRecursive: boolean;
  readonly choice: ChainChoice;
  readonly namesPath: string;
  /** Where it stands what was read of files before; absent: all are parsed. */
  readonly book?: Omit<PoseBookPlace, "choice">;
  /** Where results may be known, and how they are named. */
  readonly stores: readonly ResultStore[];
  readonly space: SpaceDigest;
  /** Default: the machine's own files. */
  readonly files?: FileSource;
  readonly signal: AbortSignal;
  readonly onRead: (poses: number) => void;
}

export interface PoseCounts {
  readonly files: number;
  readonly records: number;
  readonly refused: number;
  /** The first refusal, for a message where nothing is left. */
  readonly firstProblem: string;
  /** What a person should hear. */
  readonly warnings: readonly string[];
}

/** Reads everything. Throws RaysidueError where no file is there or the user interrupts. */
export async function readPoses(plan: Plan, options: ReadPosesOptions): Promise<PoseCounts> {
  const { namesPath, choice } = options;
  const names = await TsvWriter.create(namesPath, NAME_COLUMNS);
  const book = options.book && (await PoseBook.open({ ...options.book, choice }));
  const reader = new PoseReader(plan, options, { names, book });
  let warnings: readonly string[] = [];
  const counts = await reader.read().finally(async () => {
    warnings = (await book?.close()) ?? [];
  });
  return { ...counts, warnings };
}

class PoseReader {
  readonly #plan: Plan;
  readonly #options: ReadPosesOptions;
  readonly #names: TsvWriter;
  readonly #book: PoseBook | undefined;
  #files = 0;
  #records = 0;
  #refused = 0;
  #firstProblem = "";

  constructor(
    plan: Plan,
    options: ReadPosesOptions,
    parts: { readonly names: TsvWriter; readonly book: PoseBook | undefined },
  ) {
    this.#plan = plan;
    this.#options = options;
    this.#names = parts.names;
    this.#book = parts.book;
  }

  async read(): Promise<Omit<PoseCounts, "warnings">> {
    const { inputs, isRecursive, files = DISK, stores, space, signal } = this.#options;
    const book = this.#book;
    const extensions = STRUCTURE_EXTENSIONS;
    const listing = { recursive: isRecursive, extensions, kind: "structures" };
    const paths = await listInputs(inputs, listing);
    for await (const file of poseFiles({ paths, files, book, stores, space, signal })) {
      this.#files++;
      if (file.known !== undefined) await this.#addKnown(file.input.name, file.known);
      else {
        const entries = await this.#readFile(file.input);
        const { key } = file;
        if (key !== undefined && entries.length <= ENTRIES_MAX) await book?.note(key, entries);
      }
      this.#options.onRead(this.#records);
    }
    await this.#names.close();
    return {
      files: this.#files,
      records: this.#records,
      refused: this.#refused,
      firstProblem: this.#firstProblem,
    };
  }

  async #addKnown(file: string, entries: readonly PoseEntry[]): Promise<void> {
    this.#checkSignal();
    for (const entry of entries) {
      if ("reason" in entry) await this.#refuse(file, entry);
      else await this.#add(file, entry, new Uint8Array());
    }
  }

  async #readFile(input: TextInput): Promise<PoseEntry[]> {
    const entries: PoseEntry[] = [];
    try {
      for await (const record of readerOf(input)) {
        this.#checkSignal();
        if (record.kind === "structure") {
          const entry = await this.#encode(input.name, record.structure);
          if (entries.length <= ENTRIES_MAX) entries.push(entry);
        } else {
          const { name, line, error } = record.fault;
          entries.push(await this.#refuseFor(error, { file: input.name, name, line }));
        }
      }
    } catch (thrown) {
      // A file that is no text is one pose less, not the end of a campaign.
      if (!(thrown instanceof RaysidueError) || thrown.code !== "bad-input") throw thrown;
      const place = { file: input.name, name: stemOf(input.name), line: 1 };
      entries.push(await this.#refuseFor(thrown, place));
    }
    return entries;
  }

  async #encode(file: string, structure: Structure): Promise<PoseEntry> {
    const { name, line, atomCount } = structure;
    const { choice } = this.#options;
    let data: Uint8Array;
    try {
      data = encodePose(structure, choice);
    } catch (thrown) {
      if (!(thrown instanceof RaysidueError) || thrown.code !== "bad-input") throw thrown;
      return this.#refuseFor(thrown, { file, name, line });
    }
    const [length, cost] = [countResidues(structure, choice), poseCost(atomCount)];
    const pose = { name, line, digest: itemDigest(data), length, cost };
    await this.#add(file, pose, data);
    return pose;
  }

  async #add(file: string, pose: ReadPose, data: Uint8Array): Promise<void> {
    const { name, line, digest, length, cost } = pose;
    this.#records++;
    this.#plan.addItem({ digest, data, length, cost });
    await this.#names.write([[name, file, line, `${file}:${line}`, ""]]);
  }

  async #refuseFor(
    error: RaysidueError,
    { file, name, line }: { readonly file: string; readonly name: string; readonly line: number },
  ): Promise<RefusedPose> {
    const message = messageOf(error);
    this.#firstProblem ||= message;
    const refused = { name, ...placeOf(message, { file, line }) };
    await this.#refuse(file, refused);
    return refused;
  }

  async #refuse(file: string, { name, line, reason }: RefusedPose): Promise<void> {
    this.#records++;
    this.#refused++;
    this.#firstProblem ||= `${file}:${line}: ${reason}`;
    this.#plan.addRefused(0);
    await this.#names.write([[name, file, line, "", reason]]);
  }

  #checkSignal(): void {
    if (!this.#options.signal.aborted) return;
    throw new RaysidueError("cancelled", "interrupted while reading");
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
