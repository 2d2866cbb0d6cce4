/**
 * Poses whose chains are found by annotation.
 *
 * Owns: setting poses aside until the sequences of all their chains are annotated, each distinct
 * one once. Invariant: rows are in the order of the input; memory grows with the distinct sequences,
 * poses wait on disk.
 */
import { RaysidueError } from "../../base/errors.ts";
import type { Structure } from "../../formats/structure/structure.ts";
import { decodePose, encodePose } from "../../kind/pose-item.ts";
import { type ChainRoles, findRoles, polymers } from "../../science/chain-roles.ts";
import type { ChainChoice } from "../../science/chains.ts";
import type { Alignment } from "../../science/prepare.ts";
import { RowSpool } from "../output/row-spool.ts";
import type { SequenceAnswers } from "../run/sequence-answers.ts";

export interface Detection {
  readonly align: Alignment;
  /** Numberings (science/regions.ts) of distinct sequences. */
  numbered(sequences: ReadonlySet<string>): Promise<SequenceAnswers<string>>;
}

/** Where a pose, or what should be one, stands. */
export interface PosePlace {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** Who takes the poses in the end. */
export interface PoseTaker {
  /** `said`: which chains were found, in words. */
  add(structure: Structure, choice: ChainChoice, said: string): Promise<void>;
  refuse(place: PosePlace, error: RaysidueError): Promise<void>;
}

export class DetectedPoses {
  readonly #detection: Detection;
  readonly #waiting: RowSpool;
  readonly #sequences = new Set<string>();
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

  add(structure: Structure): void {
    const { name, source: file, line } = structure;
    const chains = polymers(structure, this.#detection.align);
    const [first, ...others] = chains.map(({ chain }) => chain.id);
    if (first === undefined || others.length === 0) {
      const count = chains.length === 0 ? "no chain" : "one chain only";
      const text = `${name} has ${count}; a pose has an antibody and an antigen`;
      const error = new RaysidueError("bad-input", `${file}:${line}: ${text}`);
      return this.refuse({ name, file, line }, error);
    }
    // Roles that mean nothing yet: all chains are kept, in the order of the file.
    const data = encodePose(structure, { heavy: first, antigen: others });
    for (const { sequence } of chains) this.#sequences.add(sequence);
    this.#append({ name, file, line }, "", Buffer.from(data).toString("base64"));
  }

  refuse(place: PosePlace, error: RaysidueError): void {
    this.#append(place, error.message, "");
  }

  /** Annotates, and hands everything on in order. */
  async end(taker: PoseTaker): Promise<void> {
    try {
      const none = { known: new Map<string, string>(), failed: new Map<string, string>() };
      const answers =
        this.#sequences.size === 0 ? none : await this.#detection.numbered(this.#sequences);
      for (let row = 0; row < this.#count; row++) {
        const [name = "", file = "", line = "", problem = "", data = ""] = this.#waiting.read(row);
        const place = { name, file, line: Number(line) };
        if (problem !== "") {
          await taker.refuse(place, new RaysidueError("bad-input", problem));
          continue;
        }
        const pose = decodePose(Buffer.from(data, "base64")).structure;
        const structure = { ...pose, name, source: file, line: place.line };
        const found = this.#rolesOf(structure, answers);
        if (found instanceof RaysidueError) await taker.refuse(place, found);
        else await taker.add(structure, found.choice, found.said);
      }
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
  ): ChainRoles | RaysidueError {
    try {
      return findRoles(structure, this.#detection.align, (sequence) => {
        const reason = failed.get(sequence);
        if (reason === undefined) return known.get(sequence) ?? "";
        const text = `${structure.source}:${structure.line}: a chain was not annotated: ${reason}`;
        throw new RaysidueError("bad-input", text);
      });
    } catch (thrown) {
      if (thrown instanceof RaysidueError && thrown.code === "bad-input") return thrown;
      throw thrown;
    }
  }

  #append({ name, file, line }: PosePlace, problem: string, data: string): void {
    this.#waiting.append([name, file, String(line), problem, data]);
    this.#count++;
  }
}
