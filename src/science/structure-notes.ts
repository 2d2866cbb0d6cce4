/**
 * What a structure has that a reader of scores should know of.
 *
 * Owns: the counting. Invariant: a note is no fault: the structure is scored all the same, and each
 * note says how. Deliberately not here: what cannot be read (the formats' faults), and health checks
 * of a sample of files.
 */
import { isHydrogenSymbol } from "../formats/structure/elements.ts";
import type {
  Structure,
  StructureChain,
  StructureResidue,
} from "../formats/structure/structure.ts";
import { heavyAtomsOf } from "./force-field.ts";

export const NOTE_CODES = [
  "alternate-locations", // atoms at several places: all are kept, areas use the first
  "several-residues", // two residues at one place: the last given is used
  "insertion-codes", // residues between numbers: kept, numbered on
  "hetero-residues", // HETATM other than water: numbered, but no nodes
  "water", // numbered as hetero residues
  "hydrogens", // no nodes; they count in lone chains' areas, as in the original
  "terminal-oxygens", // OXT: no node, changes its residue's charges
  "chain-breaks", // neighbours in number that are too far apart to be bonded
  "missing-backbone", // N, CA, C or O missing: edges may have no direction
  "missing-side-chain", // fewer heavy atoms than the residue has
] as const;
export type NoteCode = (typeof NOTE_CODES)[number];

export interface StructureNote {
  readonly code: NoteCode;
  /** Atoms or residues concerned. */
  readonly count: number;
  /** The first of them, as `SER H52A`. */
  readonly first: string;
}

/** A peptide bond is 1.33 A long; docking and refinement stretch some. */
const BOND_MAX = 2.5;

/** The notes of a structure, in the order of `NOTE_CODES`; none for a clean one. */
export function notesOf(structure: Structure): StructureNote[] {
  const notes = new Map<NoteCode, { count: number; first: string }>();
  const add = (code: NoteCode, count: number, first: string) => {
    if (count === 0) return;
    const note = notes.get(code);
    if (note === undefined) notes.set(code, { count, first });
    else note.count += count;
  };
  for (const chain of structure.chains) {
    let before: StructureResidue | undefined;
    for (let r = chain.residueStart; r < chain.residueEnd; r++) {
      const residue = structure.residues[r]!;
      noteResidue(structure, residue, (code, count) => add(code, count, nameOf(chain, residue)));
      if (before !== undefined) {
        const isSamePlace =
          before.number === residue.number &&
          before.insertion === residue.insertion &&
          before.isHetero === residue.isHetero;
        if (isSamePlace) add("several-residues", 1, nameOf(chain, residue));
        else if (isBroken(structure, before, residue)) {
          add("chain-breaks", 1, nameOf(chain, residue));
        }
      }
      before = residue;
    }
  }
  return NOTE_CODES.flatMap((code) => {
    const note = notes.get(code);
    return note === undefined ? [] : [{ code, ...note }];
  });
}

function nameOf(chain: StructureChain, residue: StructureResidue): string {
  return `${residue.name} ${chain.id}${residue.number}${residue.insertion}`;
}

function noteResidue(
  structure: Structure,
  residue: StructureResidue,
  add: (code: NoteCode, count: number) => void,
): void {
  const names = new Set<string>();
  let hydrogenCount = 0;
  let alternateCount = 0;
  for (let atom = residue.atomStart; atom < residue.atomEnd; atom++) {
    names.add(structure.atomNames[atom]!);
    if (isHydrogenSymbol(structure.elements[atom]!)) hydrogenCount++;
    if (structure.altLocs[atom] !== 0) alternateCount++;
  }
  add("hydrogens", hydrogenCount);
  add("alternate-locations", alternateCount);
  if (residue.insertion !== "") add("insertion-codes", 1);
  if (residue.isHetero) {
    add(residue.name === "HOH" || residue.name === "WAT" ? "water" : "hetero-residues", 1);
    return;
  }
  if (names.has("OXT")) add("terminal-oxygens", 1);
  const expected = heavyAtomsOf(residue.name);
  if (expected === undefined) return;
  const missing = [...expected].filter((name) => !names.has(name));
  const isBackbone = (name: string) => ["N", "CA", "C", "O"].includes(name);
  if (missing.some(isBackbone)) add("missing-backbone", 1);
  if (missing.some((name) => !isBackbone(name))) add("missing-side-chain", 1);
}

function isBroken(structure: Structure, a: StructureResidue, b: StructureResidue): boolean {
  if (a.isHetero || b.isHetero) return false;
  const carbon = find(structure, a, "C");
  const nitrogen = find(structure, b, "N");
  if (carbon < 0 || nitrogen < 0) return false;
  const { x, y, z } = structure;
  const [dx, dy, dz] = [
    x[carbon]! - x[nitrogen]!,
    y[carbon]! - y[nitrogen]!,
    z[carbon]! - z[nitrogen]!,
  ];
  return dx * dx + dy * dy + dz * dz > BOND_MAX * BOND_MAX;
}

function find(structure: Structure, residue: StructureResidue, name: string): number {
  for (let atom = residue.atomStart; atom < residue.atomEnd; atom++) {
    if (structure.atomNames[atom] === name) return atom;
  }
  return -1;
}
