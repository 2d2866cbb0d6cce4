/**
 * Health checks of poses, and the cure of what can be cured.
 *
 * Owns: the findings and their limits. Invariant: a finding is no fault: the pose can be read and
 * scored; it says that the score may mean less than it seems. Only what changes nothing that the
 * network sees as a node is cured: hydrogens and terminal oxygens are left out. Deliberately not
 * here: what cannot be read (the formats' faults), and what is noted of every pose
 * (structure-notes.ts). Limits after the preflight of the DeepRank-Ab pipeline.
 */
import { picked } from "../formats/columns.ts";
import { isHydrogenSymbol } from "../formats/structure/elements.ts";
import type {
  Structure,
  StructureChain,
  StructureResidue,
} from "../formats/structure/structure.ts";
import { type ChainChoice, chooseChains } from "./chains.ts";
import { parentLetterOf } from "./residues.ts";

export const FINDINGS = {
  hydrogens: "over 2 % of atoms are hydrogens; they change buried areas only",
  "terminal-oxygens": "OXT changes the charges of its residue",
  "alternate-locations": "over 5 % of atoms have alternate locations; all become nodes",
  "missing-backbone": "over 2 % of residues lack N, CA, C or O",
  "broken-backbone": "over 10 % of residues lack N, CA, C or O",
  "far-apart": "antibody and antigen are over 12 A apart, by alpha carbons",
  "not-docked": "antibody and antigen are over 25 A apart, by alpha carbons",
  "unknown-residues": "ASX, GLX, SEC, PYL or UNK: no node",
  "modified-residues": "over 5 % of residues are none of the twenty, water aside",
  "extreme-coordinates": "a coordinate is over 10,000 A",
} as const;
export type FindingCode = keyof typeof FINDINGS;

/** Those that `cured` mends. */
export const CURABLE: readonly FindingCode[] = ["hydrogens", "terminal-oxygens"];

const HYDROGENS_MAX = 0.02;
const ALTERNATES_MAX = 0.05;
const BACKBONE_MAX = 0.02;
const BACKBONE_BROKEN = 0.1;
const MODIFIED_MAX = 0.05;
const FAR = 12;
const NOT_DOCKED = 25;
const COORDINATE_EXTREME = 10_000;
const BACKBONE = ["N", "CA", "C", "O"];
const UNSUPPORTED = new Set(["ASX", "GLX", "SEC", "PYL", "UNK"]);

interface Counts {
  atoms: number;
  hydrogens: number;
  alternates: number;
  terminalOxygens: number;
  /** Other than water. */
  residues: number;
  /** Of those, given as ATOM. */
  polymer: number;
  incomplete: number;
  unsupported: number;
  modified: number;
  extreme: number;
}

/** Findings of the chosen chains. Throws RaysidueError where a chain is not there. */
export function healthOf(structure: Structure, choice: ChainChoice): FindingCode[] {
  const { heavy, light, antigen } = chooseChains(structure, choice);
  const antibody = [heavy, ...(light === undefined ? [] : [light])];
  const counts = countAll(structure, [...antibody, ...antigen]);
  const gap = alphaGap(structure, antibody, antigen);
  const incomplete = counts.incomplete / Math.max(1, counts.polymer);
  const found: Partial<Record<FindingCode, boolean>> = {
    hydrogens: counts.hydrogens > HYDROGENS_MAX * counts.atoms,
    "terminal-oxygens": counts.terminalOxygens > 0,
    "alternate-locations": counts.alternates > ALTERNATES_MAX * counts.atoms,
    "missing-backbone": incomplete > BACKBONE_MAX && incomplete <= BACKBONE_BROKEN,
    "broken-backbone": incomplete > BACKBONE_BROKEN,
    "far-apart": gap > FAR && gap <= NOT_DOCKED,
    "not-docked": gap > NOT_DOCKED,
    "unknown-residues": counts.unsupported > 0,
    "modified-residues": counts.modified > MODIFIED_MAX * counts.residues,
    "extreme-coordinates": counts.extreme > 0,
  };
  return (Object.keys(FINDINGS) as FindingCode[]).filter((code) => found[code] === true);
}

function countAll(structure: Structure, chains: readonly StructureChain[]): Counts {
  const counts: Counts = {
    atoms: 0,
    hydrogens: 0,
    alternates: 0,
    terminalOxygens: 0,
    residues: 0,
    polymer: 0,
    incomplete: 0,
    unsupported: 0,
    modified: 0,
    extreme: 0,
  };
  for (const residue of residuesOf(structure, chains)) {
    countAtoms(structure, residue, counts);
    if (residue.name === "HOH" || residue.name === "WAT") continue;
    counts.residues++;
    if (UNSUPPORTED.has(residue.name)) counts.unsupported++;
    if (residue.isHetero || parentLetterOf(residue.name) === "X") counts.modified++;
    if (residue.isHetero) continue;
    counts.polymer++;
    const names = structure.atomNames.slice(residue.atomStart, residue.atomEnd);
    if (!BACKBONE.every((name) => names.includes(name))) counts.incomplete++;
  }
  return counts;
}

function countAtoms(structure: Structure, residue: StructureResidue, counts: Counts): void {
  const { x, y, z, elements, altLocs, atomNames } = structure;
  for (let atom = residue.atomStart; atom < residue.atomEnd; atom++) {
    counts.atoms++;
    if (isHydrogenSymbol(elements[atom]!)) counts.hydrogens++;
    if (altLocs[atom] !== 0) counts.alternates++;
    if (isTerminalOxygen(residue, atomNames[atom]!)) counts.terminalOxygens++;
    const reach = Math.max(Math.abs(x[atom]!), Math.abs(y[atom]!), Math.abs(z[atom]!));
    if (reach > COORDINATE_EXTREME) counts.extreme++;
  }
}

function isTerminalOxygen({ isHetero }: StructureResidue, name: string): boolean {
  return !isHetero && name === "OXT";
}

function residuesOf(structure: Structure, chains: readonly StructureChain[]): StructureResidue[] {
  return chains.flatMap((one) => structure.residues.slice(one.residueStart, one.residueEnd));
}

/** Smallest distance of alpha carbons between the sides; 0 where one has none. */
function alphaGap(
  structure: Structure,
  antibody: readonly StructureChain[],
  antigen: readonly StructureChain[],
): number {
  const { x, y, z } = structure;
  const [own, others] = [alphas(structure, antibody), alphas(structure, antigen)];
  if (own.length === 0 || others.length === 0) return 0;
  let least = Number.POSITIVE_INFINITY;
  for (const a of own) {
    for (const b of others) {
      const [dx, dy, dz] = [x[a]! - x[b]!, y[a]! - y[b]!, z[a]! - z[b]!];
      least = Math.min(least, dx * dx + dy * dy + dz * dz);
    }
  }
  return Math.sqrt(least);
}

function alphas(structure: Structure, chains: readonly StructureChain[]): number[] {
  return residuesOf(structure, chains).flatMap(({ isHetero, atomStart, atomEnd }) => {
    if (isHetero) return [];
    const at = structure.atomNames.indexOf("CA", atomStart);
    return at >= 0 && at < atomEnd ? [at] : [];
  });
}

/** The structure without hydrogens and terminal oxygens; itself where it has none. */
export function cured(structure: Structure): Structure {
  const { atomNames, elements, altLocs } = structure;
  const kept: number[] = [];
  const residues: StructureResidue[] = [];
  const chains = structure.chains.flatMap((chain): StructureChain[] => {
    const residueStart = residues.length;
    for (const residue of structure.residues.slice(chain.residueStart, chain.residueEnd)) {
      const atomStart = kept.length;
      for (let atom = residue.atomStart; atom < residue.atomEnd; atom++) {
        const isLeft =
          isHydrogenSymbol(elements[atom]!) || isTerminalOxygen(residue, atomNames[atom]!);
        if (!isLeft) kept.push(atom);
      }
      if (kept.length > atomStart) residues.push({ ...residue, atomStart, atomEnd: kept.length });
    }
    return residues.length === residueStart
      ? []
      : [{ id: chain.id, residueStart, residueEnd: residues.length }];
  });
  if (kept.length === structure.atomCount) return structure;
  return {
    ...structure,
    atomCount: kept.length,
    x: picked(structure.x, kept),
    y: picked(structure.y, kept),
    z: picked(structure.z, kept),
    atomNames: kept.map((atom) => atomNames[atom]!),
    elements: kept.map((atom) => elements[atom]!),
    altLocs: picked(altLocs, kept),
    residues,
    chains,
  };
}
