/**
 * A structure: the atoms of one model, in columns, grouped by residue and chain.
 *
 * Owns: the type that every structure reader fills. Invariant: the atoms of a residue stand
 * together, as do the residues of a chain, both in order of first appearance in the file, and
 * every coordinate is finite. Deliberately not here: what the atoms mean, and what is wrong with
 * them as chemistry (structure-notes.ts).
 */
import type { RaysidueError } from "../../base/errors.ts";

export interface StructureResidue {
  /** Three-letter (or shorter) component name, upper case as in the file. */
  readonly name: string;
  /** As the file numbers it; may be negative or repeat with another insertion code. */
  readonly number: number;
  /** Insertion code, "" for none. */
  readonly insertion: string;
  /** Whether it was given as HETATM. */
  readonly isHetero: boolean;
  /** Its atoms are `[atomStart, atomEnd)`. */
  readonly atomStart: number;
  readonly atomEnd: number;
}

export interface StructureChain {
  /** Chain id; "" where the file leaves it blank. Hostile: never a file name. */
  readonly id: string;
  /** Its residues are `[residueStart, residueEnd)`. */
  readonly residueStart: number;
  readonly residueEnd: number;
}

export interface Structure {
  /** The pose's name: from REMARK, tag or file. Hostile: never a file name. */
  readonly name: string;
  /** The file, for messages. */
  readonly source: string;
  /** 1-based line of its first record. */
  readonly line: number;
  /** As the file numbers models; 1 where it has none. */
  readonly modelNumber: number;
  readonly atomCount: number;
  /** `[atomCount] float64`, angstrom, exactly the decimal number of the file. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly z: Float64Array;
  /** `[atomCount]`, without blanks. */
  readonly atomNames: readonly string[];
  /** `[atomCount]` chemical symbols, upper case; "" where neither column nor name tells. */
  readonly elements: readonly string[];
  /** `[atomCount]` character codes of alternate locations, 0 for none. */
  readonly altLocs: Uint8Array;
  readonly residues: readonly StructureResidue[];
  readonly chains: readonly StructureChain[];
}

/** A model that could not be read; its neighbours in the file still can. */
export interface StructureFault {
  readonly name: string;
  readonly source: string;
  readonly line: number;
  readonly error: RaysidueError;
}

/** What readers yield: one a model, in file order. */
export type StructureRecord =
  | { readonly kind: "structure"; readonly structure: Structure }
  | { readonly kind: "fault"; readonly fault: StructureFault };

/** Largest pose. The largest single complex of the benchmark set has 15,134 atoms. */
export const ATOMS_MAX = 500_000;
/** Coordinates beyond are a broken file, not a molecule (PDB columns end at 9,999.999). */
export const COORDINATE_MAX = 100_000;

/** The chain with this id, or undefined. */
export function findChain(structure: Structure, id: string): StructureChain | undefined {
  return structure.chains.find((chain) => chain.id === id);
}

/** A file's name without folder and extensions: `poses/4G6J.pdb.gz` is `4G6J`. */
export function stemOf(source: string): string {
  const name = source.slice(Math.max(source.lastIndexOf("/"), source.lastIndexOf("\\")) + 1);
  return name.replace(/\.gz$/i, "").replace(/\.(pdb|ent|cif|mmcif|qv)$/i, "") || name;
}
