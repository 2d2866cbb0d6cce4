/**
 * Structures of the inputs -> rows of a plan.
 *
 * Owns: the order of rows, and what is refused. Invariant: every model of every file becomes one
 * row, in order; a model that cannot be read or lacks a chain is refused with file and line, and its
 * neighbours are read. Memory is one model and the poses of files that are parsed ahead
 * (pose-files.ts), whatever the input. A file of which everything is known is not parsed.
 */
import { messageOf, RaysidueError } from "../../base/errors.ts";
import { readQuiver } from "../../formats/structure/quiver.ts";
import {
  indexPathOf,
  parseQuiverIndex,
  type QuiverIndex,
} from "../../formats/structure/quiver-index.ts";
import type { Structure, StructureRecord } from "../../formats/structure/structure.ts";
import { TsvWriter } from "../../formats/table/tsv.ts";
import { DISK, type FileSource } from "../../formats/text/file-source.ts";
import { listInputs } from "../../formats/text/input-paths.ts";
import type { TextInput } from "../../formats/text/text-source.ts";
import type { ChainChoice } from "../../science/chains.ts";
import { type ContentKey, itemDigest, type SpaceDigest } from "../../store/content-key.ts";
import type { ResultStore } from "../../store/result-store.ts";
import { LISTINGS } from "../plan/listings.ts";
import type { Plan } from "../plan/plan.ts";
import { NAME_COLUMNS } from "../plan/read-sequences.ts";
import { DetectedPoses, type Detection, type PosePlace } from "./detected-poses.ts";
import { EqualNames } from "./equal-names.ts";
import { ParsePool } from "./parse-pool.ts";
import {
  type ChosenPose,
  chosenPose,
  type FaultyPose,
  isQuiver,
  type ParsedPose,
  type Parsing,
  parsePoses,
  recordsOf,
} from "./parse-poses.ts";
import {
  ENTRIES_MAX,
  PoseBook,
  type PoseBookPlace,
  type PoseEntry,
  type ReadPose,
  type RefusedPose,
} from "./pose-book.ts";
import { type CheckMode, isLookedAt, PoseCheck } from "./pose-check.ts";
import { type PoseFile, poseFiles } from "./pose-files.ts";

export interface ReadPosesOptions {
  readonly inputs: readonly string[];
  readonly isRecursive: boolean;
  /** The chains of every pose, or how they are found. */
  readonly chains: ChainChoice | Detection;
  readonly check: CheckMode;
  /** Hydrogens and terminal oxygens are left out. */
  readonly cures: boolean;
  readonly namesPath: string;
  /** Where it stands what was read of files before; absent: all are parsed. */
  readonly book?: Omit<PoseBookPlace, "choice" | "cures">;
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
  const { namesPath, chains, check: mode, cures } = options;
  const names = await TsvWriter.create(namesPath, NAME_COLUMNS);
  // A strict check looks at each run's files.
  const place = mode === "strict" ? undefined : options.book;
  const choice =
    "heavy" in chains ? chains : { foundBy: `${chains.name}, alignment ${chains.align}` };
  const book = place && (await PoseBook.open({ ...place, choice, cures }));
  const check = new PoseCheck(mode, { cures });
  const pool = new ParsePool();
  const detected =
    "heavy" in chains ? undefined : new DetectedPoses(chains, `${namesPath}.detecting`);
  const reader = new PoseReader(plan, options, { names, check, pool, ...{ detected, book } });
  const warnings: string[] = [];
  const counts = await reader.read().finally(async () => {
    detected?.close();
    await pool.close();
    warnings.push(...((await book?.close()) ?? []));
  });
  return { ...counts, warnings: [...warnings, ...reader.notices, ...check.report()] };
}

interface ReaderParts {
  readonly names: TsvWriter;
  readonly check: PoseCheck;
  readonly pool: ParsePool;
  readonly book: PoseBook | undefined;
  /** Where poses wait whose chains are not chosen yet. */
  readonly detected: DetectedPoses | undefined;
}

class PoseReader {
  readonly #plan: Plan;
  readonly #options: ReadPosesOptions;
  readonly #parts: ReaderParts;
  readonly #notices: string[] = [];
  readonly #equalNames = new EqualNames();
  #files = 0;
  #records = 0;
  #refused = 0;
  #firstProblem = "";

  constructor(plan: Plan, options: ReadPosesOptions, parts: ReaderParts) {
    this.#plan = plan;
    this.#options = options;
    this.#parts = parts;
  }

  /** What a person should hear. */
  get notices(): readonly string[] {
    return [...this.#notices, ...this.#equalNames.notices];
  }

  async read(): Promise<Omit<PoseCounts, "warnings">> {
    const { inputs, isRecursive, files = DISK, stores, space, signal } = this.#options;
    const { names, book, detected, pool } = this.#parts;
    const paths = await listInputs(inputs, { ...LISTINGS.poses, recursive: isRecursive });
    const parse = (file: string, bytes: Uint8Array, position: number) =>
      pool.parse({ ...this.#parsing, file, bytes, position });
    for await (const file of poseFiles({ paths, files, book, stores, space, parse, signal })) {
      this.#files++;
      await this.#take(file);
      this.#options.onRead(this.#records + (detected?.count ?? 0));
    }
    await detected?.end({
      add: (structure, choice, said) => this.#addFound(structure, choice, said),
      refuse: (place, problem) => this.#refuseFor(problem, place),
      addKnown: (file, entries) => this.#addKnown(file, entries),
      note: (key, entries) => this.#note(key, entries),
    });
    await names.close();
    return {
      files: this.#files,
      records: this.#records,
      refused: this.#refused,
      firstProblem: this.#firstProblem,
    };
  }

  get #parsing(): Parsing {
    const { chains, cures } = this.#options;
    const how = "heavy" in chains ? chains : { align: chains.align };
    return { chains: how, cures, looks: this.#parts.check.looks };
  }

  async #take({ name, key, position, content }: PoseFile): Promise<void> {
    const { detected } = this.#parts;
    const isKnown = "known" in content;
    detected?.beginFile(isKnown ? undefined : key);
    if (isKnown && detected !== undefined) detected.addKnown(name, content.known);
    else if (isKnown) await this.#addKnown(name, content.known);
    else {
      const poses =
        "poses" in content
          ? content.poses
          : parsePoses(await this.#open(content.input), name, { ...this.#parsing, position });
      const entries = await this.#addAll(name, poses);
      if (key !== undefined && detected === undefined) await this.#note(key, entries);
    }
  }

  async #note(key: ContentKey, entries: readonly PoseEntry[]): Promise<void> {
    if (entries.length <= ENTRIES_MAX) await this.#parts.book?.note(key, entries);
  }

  async #addKnown(file: string, entries: readonly PoseEntry[]): Promise<void> {
    this.#checkSignal();
    for (const entry of entries) {
      if ("reason" in entry) await this.#refuse(file, entry);
      else await this.#add(file, entry, new Uint8Array());
    }
  }

  /** What was read, unless chains are still to be found. */
  async #addAll(
    file: string,
    poses: Iterable<ParsedPose> | AsyncIterable<ParsedPose>,
  ): Promise<PoseEntry[]> {
    const { detected } = this.#parts;
    const entries: PoseEntry[] = [];
    for await (const pose of poses) {
      this.#checkSignal();
      if (pose.kind === "open") detected!.add(file, pose);
      else if (pose.kind === "faulty" && detected !== undefined) {
        detected.refuse({ ...pose, file }, pose.problem);
      } else {
        const entry = await this.#addParsed(file, pose);
        if (entries.length <= ENTRIES_MAX) entries.push(entry);
      }
    }
    return entries;
  }

  async #open(input: TextInput): Promise<AsyncGenerator<StructureRecord>> {
    const { name, bytes } = input;
    if (!isQuiver(name)) return recordsOf(input);
    const onStale = (text: string) => this.#notices.push(text);
    const index = await openIndex(name, this.#options.files ?? DISK).catch((thrown: unknown) => {
      onStale(`${messageOf(thrown)}; the index was not used`);
    });
    return readQuiver(bytes, name, { onStale, ...(index && { index }) });
  }

  /** A pose whose chains were found. */
  #addFound(structure: Structure, choice: ChainChoice, said: string): Promise<PoseEntry> {
    const isLooked = this.#parts.check.looks && isLookedAt(this.#records, 0);
    const pose = chosenPose(structure, choice, { cures: this.#options.cures, isLooked });
    return this.#addParsed(structure.source, pose, said);
  }

  async #addParsed(file: string, pose: ChosenPose | FaultyPose, said?: string): Promise<PoseEntry> {
    const { name, line } = pose;
    if (pose.kind === "faulty") return this.#refuseFor(pose.problem, { file, name, line });
    const { data, length, cost, findings } = pose;
    if (findings !== undefined) this.#parts.check.add(findings, `${file}:${line}`);
    const read = {
      ...{ name, line, digest: itemDigest(data), length, cost },
      ...(said !== undefined && { said }),
    };
    await this.#add(file, read, data);
    return read;
  }

  async #add(
    file: string,
    { name, line, digest, length, cost, said }: ReadPose,
    data: Uint8Array,
  ): Promise<void> {
    this.#records++;
    this.#equalNames.add(name);
    this.#plan.addItem({ digest, data, length, cost });
    const note = `${file}:${line}${said === undefined ? "" : `; ${said}`}`;
    await this.#parts.names.write([[name, file, line, note, ""]]);
  }

  async #refuseFor(problem: string, { file, name, line }: PosePlace): Promise<RefusedPose> {
    this.#firstProblem ||= problem;
    const refused = { name, ...placeOf(problem, { file, line }) };
    await this.#refuse(file, refused);
    return refused;
  }

  async #refuse(file: string, { name, line, reason }: RefusedPose): Promise<void> {
    this.#records++;
    this.#refused++;
    this.#firstProblem ||= `${file}:${line}: ${reason}`;
    this.#parts.check.refuse(`${file}:${line}: ${reason}`);
    this.#plan.addRefused(0);
    await this.#parts.names.write([[name, file, line, "", reason]]);
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

/** The index of a quiver archive, if there is one. Throws RaysidueError where it is none. */
async function openIndex(archive: string, files: FileSource): Promise<QuiverIndex | undefined> {
  const path = indexPathOf(archive);
  // Positions in plain text are not those of a compressed archive, but its tags are the same.
  const bytes = await files.read(path).catch(() => undefined);
  return bytes && parseQuiverIndex(bytes, path);
}
