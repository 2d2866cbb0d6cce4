/**
 * Structures of the inputs -> rows of a plan.
 *
 * Owns: which reader a file gets, and what is refused. Invariant: every model of every file becomes
 * one row, in order; a model that cannot be read or lacks a chain is refused with file and line,
 * and its neighbours are read. Memory is one model and the bytes of files that are fetched ahead
 * (pose-files.ts), whatever the input. A file of which everything is known is not parsed.
 */
import { strict as assert } from "node:assert";
import { messageOf, RaysidueError } from "../../base/errors.ts";
import { readMmcif } from "../../formats/structure/mmcif.ts";
import { readPdb } from "../../formats/structure/pdb.ts";
import { readQuiver } from "../../formats/structure/quiver.ts";
import {
  indexPathOf,
  parseQuiverIndex,
  type QuiverIndex,
} from "../../formats/structure/quiver-index.ts";
import { type Structure, type StructureRecord, stemOf } from "../../formats/structure/structure.ts";
import { TsvWriter } from "../../formats/table/tsv.ts";
import { DISK, type FileSource } from "../../formats/text/file-source.ts";
import { listInputs } from "../../formats/text/input-paths.ts";
import type { TextInput } from "../../formats/text/text-source.ts";
import { encodePose } from "../../kind/pose-item.ts";
import { poseCost } from "../../kind/score.ts";
import type { ChainRoles } from "../../science/chain-roles.ts";
import { type ChainChoice, countResidues } from "../../science/chains.ts";
import { cured } from "../../science/health.ts";
import { type ContentKey, itemDigest, type SpaceDigest } from "../../store/content-key.ts";
import type { ResultStore } from "../../store/result-store.ts";
import { LISTINGS } from "../plan/listings.ts";
import type { Plan } from "../plan/plan.ts";
import { NAME_COLUMNS } from "../plan/read-sequences.ts";
import { DetectedPoses, type Detection, type PosePlace } from "./detected-poses.ts";
import { EqualNames } from "./equal-names.ts";
import {
  ENTRIES_MAX,
  PoseBook,
  type PoseBookPlace,
  type PoseEntry,
  type ReadPose,
  type RefusedPose,
} from "./pose-book.ts";
import { type CheckMode, PoseCheck } from "./pose-check.ts";
import { poseFiles } from "./pose-files.ts";

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
  const detected =
    "heavy" in chains ? undefined : new DetectedPoses(chains, `${namesPath}.detecting`);
  const reader = new PoseReader(plan, options, { names, check, ...{ detected, book } });
  const warnings: string[] = [];
  const counts = await reader.read().finally(async () => {
    detected?.close();
    warnings.push(...((await book?.close()) ?? []));
  });
  return { ...counts, warnings: [...warnings, ...reader.notices, ...check.report()] };
}

interface ReaderParts {
  readonly names: TsvWriter;
  readonly check: PoseCheck;
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
    const { names, book, detected } = this.#parts;
    const paths = await listInputs(inputs, { ...LISTINGS.poses, recursive: isRecursive });
    for await (const file of poseFiles({ paths, files, book, stores, space, signal })) {
      this.#files++;
      const { input, key, known } = file;
      detected?.beginFile(known === undefined ? key : undefined);
      if (known !== undefined && detected !== undefined) detected.addKnown(input.name, known);
      else if (known !== undefined) await this.#addKnown(input.name, known);
      else {
        const entries = await this.#readFile(input);
        if (key !== undefined && detected === undefined) await this.#note(key, entries);
      }
      this.#options.onRead(this.#records + (detected?.count ?? 0));
    }
    await detected?.end({
      add: (structure, choice, said) => this.#encode(structure, { choice, said }),
      refuse: (place, error) => this.#refuseFor(error, place),
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
  async #readFile(input: TextInput): Promise<PoseEntry[]> {
    const { detected } = this.#parts;
    const { name: file } = input;
    const entries: PoseEntry[] = [];
    let records = 0;
    const refuse = async (place: PosePlace, error: RaysidueError) => {
      if (detected !== undefined) detected.refuse(place, error);
      else entries.push(await this.#refuseFor(error, place));
    };
    try {
      for await (const record of await this.#open(input)) {
        this.#checkSignal();
        records++;
        if (record.kind === "fault") {
          const { name, line, error } = record.fault;
          await refuse({ file, name, line }, error);
        } else if (detected !== undefined) detected.add(record.structure);
        else {
          const entry = await this.#encode(record.structure);
          if (entries.length <= ENTRIES_MAX) entries.push(entry);
        }
      }
    } catch (thrown) {
      // A file that is no text is one pose less, not the end of a campaign.
      if (!(thrown instanceof RaysidueError) || thrown.code !== "bad-input") throw thrown;
      const read =
        records === 0 ? "" : `; ${records} poses of the file come before it, none is read after it`;
      const error = new RaysidueError("bad-input", messageOf(thrown) + read, { cause: thrown });
      await refuse({ file, name: stemOf(file), line: 1 }, error);
    }
    return entries;
  }

  async #open({ name, bytes }: TextInput): Promise<AsyncGenerator<StructureRecord>> {
    const bare = name.toLowerCase().replace(/\.gz$/, "");
    if (bare.endsWith(".cif") || bare.endsWith(".mmcif")) return readMmcif(bytes, name);
    if (!bare.endsWith(".qv")) return readPdb(bytes, name);
    const onStale = (text: string) => this.#notices.push(text);
    const index = await openIndex(name, this.#options.files ?? DISK).catch((thrown: unknown) => {
      onStale(`${messageOf(thrown)}; the index was not used`);
    });
    return readQuiver(bytes, name, { onStale, ...(index && { index }) });
  }

  async #encode(structure: Structure, found?: ChainRoles): Promise<PoseEntry> {
    const { name, line, source: file } = structure;
    const { chains, cures } = this.#options;
    const choice = found?.choice ?? chosen(chains);
    let pose: ReadPose;
    let data: Uint8Array;
    try {
      this.#parts.check.look(structure, choice);
      const kept = cures ? cured(structure) : structure;
      data = encodePose(kept, choice);
      const [length, cost] = [countResidues(kept, choice), poseCost(kept.atomCount)];
      pose = {
        name,
        line,
        digest: itemDigest(data),
        length,
        cost,
        ...(found && { said: found.said }),
      };
    } catch (thrown) {
      if (!(thrown instanceof RaysidueError) || thrown.code !== "bad-input") throw thrown;
      return this.#refuseFor(thrown, { file, name, line });
    }
    await this.#add(file, pose, data);
    return pose;
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

  async #refuseFor(error: RaysidueError, { file, name, line }: PosePlace): Promise<RefusedPose> {
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

function chosen(chains: ChainChoice | Detection): ChainChoice {
  assert("heavy" in chains, "chains of a pose are chosen before it is encoded");
  return chains;
}

/** The index of a quiver archive, if there is one. Throws RaysidueError where it is none. */
async function openIndex(archive: string, files: FileSource): Promise<QuiverIndex | undefined> {
  const path = indexPathOf(archive);
  // Positions in plain text are not those of a compressed archive, but its tags are the same.
  const bytes = await files.read(path).catch(() => undefined);
  return bytes && parseQuiverIndex(bytes, path);
}
