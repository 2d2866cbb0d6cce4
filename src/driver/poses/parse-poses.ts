/**
 * From the models of a file to what a plan wants of each.
 *
 * Owns: which reader a file gets, and what is made of a model. Invariant: every model becomes one
 * pose, in order, or its fault with file and line. What goes in and comes out can be copied from one
 * thread to another: files are parsed on all cores (parse-pool.ts).
 */
import { isBadInput, messageOf } from "../../base/errors.ts";
import { readMmcif } from "../../formats/structure/mmcif.ts";
import { readPdb } from "../../formats/structure/pdb.ts";
import { type Structure, type StructureRecord, stemOf } from "../../formats/structure/structure.ts";
import type { TextInput } from "../../formats/text/text-source.ts";
import { encodePose } from "../../kind/pose-item.ts";
import { poseCost } from "../../kind/score.ts";
import { polymers } from "../../science/chain-roles.ts";
import { type ChainChoice, countResidues } from "../../science/chains.ts";
import { cured, type FindingCode, healthOf } from "../../science/health.ts";
import type { Alignment } from "../../science/prepare.ts";
import { isLookedAt } from "./pose-check.ts";

/** How poses are read. */
export interface Parsing {
  /** Of every pose; or how sequences are made by which chains will be found. */
  readonly chains: ChainChoice | { readonly align: Alignment };
  /** Hydrogens and terminal oxygens are left out. */
  readonly cures: boolean;
  /** Whether a sample is looked at for its health. */
  readonly looks: boolean;
}

export interface PosePlaceInFile {
  readonly name: string;
  readonly line: number;
}

/** A pose whose chains are chosen. */
export interface ChosenPose extends PosePlaceInFile {
  readonly kind: "chosen";
  /** Of kind/pose-item.ts. */
  readonly data: Uint8Array;
  /** Residues. */
  readonly length: number;
  readonly cost: number;
  /** Of the sample: what is odd. */
  readonly findings?: readonly FindingCode[];
}

/** A pose whose chains are still to be found. */
export interface OpenPose extends PosePlaceInFile {
  readonly kind: "open";
  /** Of kind/pose-item.ts, with all chains in the order of the file and roles that mean nothing. */
  readonly data: Uint8Array;
  readonly sequences: readonly string[];
}

export interface FaultyPose extends PosePlaceInFile {
  readonly kind: "faulty";
  readonly problem: string;
}

export type ParsedPose = ChosenPose | OpenPose | FaultyPose;

/** The models of a PDB or mmCIF file, by its name. */
export function recordsOf({ name, bytes }: TextInput): AsyncGenerator<StructureRecord> {
  return isMmcif(name) ? readMmcif(bytes, name) : readPdb(bytes, name);
}

/** By the name of a file, as all that is decided of its format. */
export const isMmcif = (name: string) => /\.(mm)?cif(\.gz)?$/i.test(name);

/** Archives have an index beside them, and are read where that is. */
export const isQuiver = (name: string) => /\.qv(\.gz)?$/i.test(name);

/**
 * The poses of one file; `position` is its place among all files, by which a sample is chosen.
 * Throws RaysidueError only for a wrong choice of chains.
 */
export async function* parsePoses(
  records: AsyncIterable<StructureRecord>,
  file: string,
  options: Parsing & { readonly position: number },
): AsyncGenerator<ParsedPose> {
  const { chains, cures, looks, position } = options;
  let count = 0;
  try {
    for await (const record of records) {
      const isLooked = looks && isLookedAt(position, count);
      count++;
      if (record.kind === "fault") {
        const { name, line, error } = record.fault;
        yield { kind: "faulty", name, line, problem: messageOf(error) };
      } else if ("align" in chains) yield openPose(record.structure, chains.align);
      else yield chosenPose(record.structure, chains, { cures, isLooked });
    }
  } catch (thrown) {
    // A file that is no text is one pose less, not the end of a campaign.
    if (!isBadInput(thrown)) throw thrown;
    const read =
      count === 0 ? "" : `; ${count} poses of the file come before it, none is read after it`;
    yield { kind: "faulty", name: stemOf(file), line: 1, problem: messageOf(thrown) + read };
  }
}

/** A pose with these chains, or its fault; `isLooked`: with its health. */
export function chosenPose(
  structure: Structure,
  choice: ChainChoice,
  { cures, isLooked }: { readonly cures: boolean; readonly isLooked: boolean },
): ChosenPose | FaultyPose {
  const { name, line } = structure;
  try {
    const findings = isLooked ? healthOf(structure, choice) : undefined;
    const kept = cures ? cured(structure) : structure;
    return {
      ...{ kind: "chosen", name, line },
      data: encodePose(kept, choice),
      length: countResidues(kept, choice),
      cost: poseCost(kept.atomCount),
      ...(findings && { findings }),
    };
  } catch (thrown) {
    if (!isBadInput(thrown)) throw thrown;
    return { kind: "faulty", name, line, problem: messageOf(thrown) };
  }
}

function openPose(structure: Structure, align: Alignment): OpenPose | FaultyPose {
  const { name, source, line } = structure;
  const chains = polymers(structure, align);
  const [first, ...others] = chains.map(({ chain }) => chain.id);
  if (first === undefined || others.length === 0) {
    const count = chains.length === 0 ? "no chain" : "one chain only";
    const text = `${name} has ${count}; a pose has an antibody and an antigen`;
    return { kind: "faulty", name, line, problem: `${source}:${line}: ${text}` };
  }
  const data = encodePose(structure, { heavy: first, antigen: others });
  const sequences = chains.map(({ sequence }) => sequence);
  return { kind: "open", name, line, data, sequences };
}
