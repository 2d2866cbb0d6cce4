/**
 * From a structure to the two-chain complex that all features are computed from.
 *
 * Owns: merging and renumbering. Invariant: chain A is heavy then light, chain B the antigen
 * chains in the order chosen, both numbered 1..N; within a part, residues stand by HETATM name,
 * number and insertion code, so that hetero residues come last, whatever the file's order. Source:
 * DeepRank-Ab 1.0.2 (preparation), reproduced with its order; sequences are in file order there,
 * which `position` keeps apart from `number` (see `alignment`).
 */
import { picked } from "../formats/columns.ts";
import type {
  Structure,
  StructureChain,
  StructureResidue,
} from "../formats/structure/structure.ts";
import { type ChainChoice, chooseChains } from "./chains.ts";
import { letterOf, parentLetterOf } from "./residues.ts";

export interface PreparedResidue {
  /** 0 antibody (A), 1 antigen (B). */
  readonly chain: 0 | 1;
  /** 1..N in its chain. */
  readonly number: number;
  readonly name: string;
  readonly letter: string;
  readonly isHetero: boolean;
  /** Its place (from 0) in its chain's sequence; -1 if it is not in it. */
  readonly position: number;
  readonly source: { readonly chain: string; readonly number: number; readonly insertion: string };
  /** Its atoms are `[atomStart, atomEnd)`. */
  readonly atomStart: number;
  readonly atomEnd: number;
}

export interface PreparedComplex {
  readonly name: string;
  /** `file:line`, for messages. */
  readonly where: string;
  readonly atomCount: number;
  /** `[atomCount] float64`, angstrom. An atom's serial number is its index + 1. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly z: Float64Array;
  readonly atomNames: readonly string[];
  readonly elements: readonly string[];
  readonly altLocs: Uint8Array;
  /** `[atomCount]` index of the residue. */
  readonly atomResidues: Int32Array;
  /** Chain A, then chain B. */
  readonly residues: readonly PreparedResidue[];
  /** Number of residues of chain A. */
  readonly antibodyCount: number;
  readonly sequences: {
    readonly heavy: string;
    readonly light: string;
    /** Heavy and light without a linker: what the language model sees. */
    readonly antibody: string;
    readonly antigen: string;
  };
}

/**
 * `original`: sequences hold every residue of a chain in file order, and a residue finds its
 * label and embedding by its number, which is wrong for all residues behind an inner hetero
 * residue. `residues`: sequences hold the amino acids, modified ones as their parent, and a
 * residue finds its own place.
 */
export type Alignment = "original" | "residues";

/** The residues of one chain of the complex: as they are numbered, and as they are in sequence. */
interface Layout {
  readonly numbered: readonly Placed[];
  readonly inSequence: readonly Placed[];
}

interface Placed {
  readonly chainId: string;
  readonly residue: StructureResidue;
}

/** Prepares the chosen chains of one pose. Throws RaysidueError naming the pose and the fault. */
export function prepareComplex(
  structure: Structure,
  choice: ChainChoice,
  alignment: Alignment,
): PreparedComplex {
  const chosen = chooseChains(structure, choice);
  const heavy = placedOf(structure, chosen.heavy);
  const light = chosen.light === undefined ? [] : placedOf(structure, chosen.light);
  const antigen = chosen.antigen.map((chain) => placedOf(structure, chain));
  const antibodyLayout: Layout = {
    numbered: [...byNumber(heavy), ...byNumber(light)],
    inSequence: [...heavy, ...light],
  };
  const counts = (placed: readonly Placed[]) => inSequence(structure, placed, alignment);
  const letters = (placed: readonly Placed[]) => lettersOf(structure, placed, alignment);
  const antigenLayout = layOutAntigen(antigen);
  const atoms: number[] = [];
  const residues = [antibodyLayout, antigenLayout].flatMap((layout, chain) => {
    const positions = new Map(counts(layout.inSequence).map((one, i) => [one, i]));
    return layout.numbered.map((placed, i) => {
      const position = positions.get(placed) ?? -1;
      return prepareResidue(
        structure,
        placed,
        { chain: chain === 0 ? 0 : 1, at: i, position },
        atoms,
      );
    });
  });
  const sequences = {
    heavy: letters(heavy),
    light: letters(light),
    antibody: letters(antibodyLayout.inSequence),
    antigen: letters(antigenLayout.inSequence),
  };
  return finish(structure, { atoms, residues, sequences });
}

/** The sequence of one chain, as it would be a heavy chain's. */
export function chainSequence(
  structure: Structure,
  chain: StructureChain,
  alignment: Alignment,
): string {
  return lettersOf(structure, placedOf(structure, chain), alignment);
}

/** The sequences of a pose without preparing it: what is annotated and embedded. */
export function poseSequences(
  structure: Structure,
  choice: ChainChoice,
  alignment: Alignment,
): PreparedComplex["sequences"] {
  const { heavy, light, antigen } = chooseChains(structure, choice);
  const letters = (placed: readonly Placed[]) => lettersOf(structure, placed, alignment);
  const [h, l] = [heavy, light].map((chain) =>
    chain === undefined ? "" : letters(placedOf(structure, chain)),
  ) as [string, string];
  const placed = antigen.map((chain) => placedOf(structure, chain));
  return {
    heavy: h,
    light: l,
    antibody: h + l,
    antigen: letters(layOutAntigen(placed).inSequence),
  };
}

function inSequence(
  structure: Structure,
  placed: readonly Placed[],
  alignment: Alignment,
): readonly Placed[] {
  if (alignment === "original") return placed;
  return placed.filter((one) => isAminoAcid(structure, one.residue));
}

function lettersOf(structure: Structure, placed: readonly Placed[], alignment: Alignment): string {
  const letter = alignment === "original" ? letterOf : parentLetterOf;
  return inSequence(structure, placed, alignment)
    .map(({ residue }) => letter(residue.name))
    .join("");
}

/**
 * Several antigen chains are written as one first, each sorted, and that file is read and sorted
 * again: the hetero residues of all chains end up behind the amino acids of all chains, while the
 * sequence keeps the order of the file in between.
 */
function layOutAntigen(chains: readonly (readonly Placed[])[]): Layout {
  if (chains.length === 1) return { numbered: byNumber(chains[0]!), inSequence: chains[0]! };
  const merged = chains.flatMap(byNumber);
  return { numbered: merged.toSorted(compareHetero), inSequence: merged };
}

/** Residues of a chain in file order; of several at one place (heterogeneity), the last given. */
function placedOf(structure: Structure, chain: StructureChain): Placed[] {
  const byPlace = new Map<string, StructureResidue>();
  for (let r = chain.residueStart; r < chain.residueEnd; r++) {
    const residue = structure.residues[r]!;
    const hetero = residue.isHetero ? residue.name : "";
    byPlace.set(`${hetero}/${residue.number}/${residue.insertion}`, residue);
  }
  return [...byPlace.values()].map((residue) => ({ chainId: chain.id, residue }));
}

/** What residues are sorted by first: nothing for ATOM, W for water, H_NAME for other HETATM. */
function heteroFlag({ residue }: Placed): string {
  if (!residue.isHetero) return "";
  return residue.name === "HOH" || residue.name === "WAT" ? "W" : `H_${residue.name}`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareHetero(a: Placed, b: Placed): number {
  return compareText(heteroFlag(a), heteroFlag(b));
}

function byNumber(placed: readonly Placed[]): Placed[] {
  return placed.toSorted(
    (a, b) =>
      compareHetero(a, b) ||
      a.residue.number - b.residue.number ||
      compareText(a.residue.insertion, b.residue.insertion),
  );
}

/** Whether a residue belongs to the polymer: ATOM, or HETATM with an alpha carbon. */
function isAminoAcid(structure: Structure, residue: StructureResidue): boolean {
  if (!residue.isHetero) return true;
  for (let atom = residue.atomStart; atom < residue.atomEnd; atom++) {
    // A calcium ion is called CA as well.
    if (structure.atomNames[atom] === "CA" && structure.elements[atom] === "C") return true;
  }
  return false;
}

/** One residue of the complex; its atoms (indices into the structure) are appended to `atoms`. */
function prepareResidue(
  structure: Structure,
  placed: Placed,
  place: { chain: 0 | 1; at: number; position: number },
  atoms: number[],
): PreparedResidue {
  const { name, number, insertion, isHetero, atomStart: from, atomEnd: to } = placed.residue;
  // Atoms in file order, the alternate locations of one side by side.
  const byName = new Map<string, number[]>();
  for (let atom = from; atom < to; atom++) {
    const there = byName.get(structure.atomNames[atom]!);
    if (there === undefined) byName.set(structure.atomNames[atom]!, [atom]);
    else there.push(atom);
  }
  const atomStart = atoms.length;
  for (const same of byName.values()) atoms.push(...same);
  return {
    chain: place.chain,
    number: place.at + 1,
    name,
    letter: letterOf(name),
    isHetero,
    position: place.position,
    source: { chain: placed.chainId, number, insertion },
    atomStart,
    atomEnd: atoms.length,
  };
}

function finish(
  structure: Structure,
  parts: Pick<PreparedComplex, "residues" | "sequences"> & { atoms: readonly number[] },
): PreparedComplex {
  const { name, source, line, x, y, z } = structure;
  const { atoms, residues, sequences } = parts;
  const antibodyCount = residues.filter((residue) => residue.chain === 0).length;
  const atomResidues = new Int32Array(atoms.length);
  residues.forEach((residue, r) => {
    atomResidues.fill(r, residue.atomStart, residue.atomEnd);
  });
  return {
    name,
    where: `${source}:${line}`,
    atomCount: atoms.length,
    x: picked(x, atoms),
    y: picked(y, atoms),
    z: picked(z, atoms),
    atomNames: atoms.map((atom) => structure.atomNames[atom]!),
    elements: atoms.map((atom) => structure.elements[atom]!),
    altLocs: picked(structure.altLocs, atoms),
    atomResidues,
    residues,
    antibodyCount,
    sequences,
  };
}
