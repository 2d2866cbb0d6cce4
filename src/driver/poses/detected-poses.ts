/**
 * Poses whose chains are found by annotation.
 *
 * Owns: setting poses aside until the sequences of all their chains are annotated, each distinct
 * one once; poses of which all is known wait among them. Invariant: rows are in the order of the
 * input; memory grows with the distinct sequences, poses wait on disk.
 */
import { isBadInput, messageOf, RaysidueError } from "../../base/errors.ts";
import type { Structure } from "../../formats/structure/structure.ts";
import { decodePose } from "../../kind/pose-item.ts";
import { type ChainRoles, findRoles } from "../../science/chain-roles.ts";
import type { ChainChoice } from "../../science/chains.ts";
import type { Alignment } from "../../science/prepare.ts";
import type { ContentKey } from "../../store/content-key.ts";
import { RowSpool } from "../output/row-spool.ts";
import type { SequenceAnswers } from "../run/sequence-answers.ts";
import type { OpenPose, PosePlaceInFile } from "./parse-poses.ts";
import { decodeEntries, ENTRIES_MAX, encodeEntries, type PoseEntry } from "./pose-book.ts";

export interface Detection {
  readonly align: Alignment;
  /** Who numbers, with its version. */
  readonly name: string;
  /** Numberings (science/regions.ts) of distinct sequences. */
  numbered(sequences: ReadonlySet<string>): Promise<SequenceAnswers<string>>;
}

/** Where a pose, or what should be one, stands. */
export interface PosePlace extends PosePlaceInFile {
  readonly file: string;
}

/** Who takes the poses in the end. */
export interface PoseTaker {
  /** Each returns what is known now. `said`: which chains were found, in words. */
  add(structure: Structure, choice: ChainChoice, said: string): Promise<PoseEntry>;
  refuse(place: PosePlace, problem: string): Promise<PoseEntry>;
  addKnown(file: string, entries: readonly PoseEntry[]): Promise<void>;
  /** What was read of a file, where that is sure to be read again. */
  note(key: ContentKey, entries: readonly PoseEntry[]): Promise<void>;
}

/** Of a file that has no key: it changed too recently, or everything is known of it. */
const UNKNOWN_FILE = "-";

export class DetectedPoses {
  readonly #detection: Detection;
  readonly #waiting: RowSpool;
  readonly #sequences = new Set<string>();
  #mark = "";
  #count = 0;

  /** `scratchPath` must not exist. */
  constructor(detection: Detection, scratchPath: string) {
    this.#detection = detection;
    this.#waiting = RowSpool.create(scratchPath);
  }

  /** Poses that wait. */
  get count(): number {
    return this.#count;
  }

  /** What is added from here on is of another file, with its key in the book. */
  beginFile(key: ContentKey | undefined): void {
    this.#mark = key === undefined ? UNKNOWN_FILE : key.toString("hex");
  }

  add(file: string, { name, line, data, sequences }: OpenPose): void {
    for (const sequence of sequences) this.#sequences.add(sequence);
    const waiting = { problem: "", known: "", data: Buffer.from(data).toString("base64") };
    this.#append({ name, file, line }, waiting);
  }

  refuse(place: PosePlace, problem: string): void {
    this.#append(place, { problem, known: "", data: "" });
  }

  addKnown(file: string, entries: readonly PoseEntry[]): void {
    for (const entry of entries) {
      const { name, line } = entry;
      const known = Buffer.from(encodeEntries([entry])).toString("base64");
      this.#append({ name, file, line }, { problem: "", known, data: "" });
    }
  }

  /** Annotates, and hands everything on in order. */
  async end(taker: PoseTaker): Promise<void> {
    try {
      const none = { known: new Map<string, string>(), failed: new Map<string, string>() };
      const answers =
        this.#sequences.size === 0 ? none : await this.#detection.numbered(this.#sequences);
      const files = new NotedFiles(taker);
      for (let row = 0; row < this.#count; row++) {
        const [mark = "", name = "", file = "", line = "", problem = "", known = "", data = ""] =
          this.#waiting.read(row);
        if (mark !== "") await files.begin(mark);
        const place = { name, file, line: Number(line) };
        if (known !== "") {
          await taker.addKnown(file, decodeEntries(Buffer.from(known, "base64")) ?? []);
        } else if (problem !== "") {
          files.add(await taker.refuse(place, problem));
        } else {
          const pose = decodePose(Buffer.from(data, "base64")).structure;
          const structure = { ...pose, name, source: file, line: place.line };
          const found = this.#rolesOf(structure, answers, () => files.forget());
          const isRefused = found instanceof RaysidueError;
          files.add(
            isRefused
              ? await taker.refuse(place, messageOf(found))
              : await taker.add(structure, found.choice, found.said),
          );
        }
      }
      await files.end();
    } finally {
      this.close();
    }
  }

  /** Repeated calls do nothing. */
  close(): void {
    this.#waiting.close();
  }

  #rolesOf(
    structure: Structure,
    { known, failed }: SequenceAnswers<string>,
    onFailed: () => void,
  ): ChainRoles | RaysidueError {
    try {
      return findRoles(structure, this.#detection.align, (sequence) => {
        const reason = failed.get(sequence);
        if (reason === undefined) return known.get(sequence) ?? "";
        onFailed();
        const text = `${structure.source}:${structure.line}: a chain was not annotated: ${reason}`;
        throw new RaysidueError("bad-input", text);
      });
    } catch (thrown) {
      if (isBadInput(thrown)) return thrown;
      throw thrown;
    }
  }

  #append(
    { name, file, line }: PosePlace,
    { problem, known, data }: { problem: string; known: string; data: string },
  ): void {
    this.#waiting.append([this.#mark, name, file, String(line), problem, known, data]);
    this.#mark = "";
    this.#count++;
  }
}

/** What becomes known of the files whose poses are handed on, one after the other. */
class NotedFiles {
  readonly #taker: PoseTaker;
  #key: ContentKey | undefined;
  #entries: PoseEntry[] = [];

  constructor(taker: PoseTaker) {
    this.#taker = taker;
  }

  async begin(mark: string): Promise<void> {
    await this.end();
    this.#key = mark === UNKNOWN_FILE ? undefined : (Buffer.from(mark, "hex") as ContentKey);
    this.#entries = [];
  }

  add(entry: PoseEntry): void {
    if (this.#key !== undefined && this.#entries.push(entry) > ENTRIES_MAX) this.forget();
  }

  /** What is said of a pose of it may be said otherwise the next time. */
  forget(): void {
    this.#key = undefined;
    this.#entries = [];
  }

  async end(): Promise<void> {
    if (this.#key !== undefined) await this.#taker.note(this.#key, this.#entries);
    this.#key = undefined;
  }
}
