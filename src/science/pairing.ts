/**
 * Whether heavy and light chain of a model sit on each other as in an antibody.
 *
 * Owns: the count. Invariant: from the chains as the file has them, before preparation. Source:
 * DeepRank-Ab 1.0.2 (its flag `HL_contact_flag`).
 */
import { findChain, type Structure } from "../formats/structure/structure.ts";
import type { ChainChoice } from "./chains.ts";

/** Alpha carbons of the variable domains: the first of each chain, so many. */
const HEAVY_COUNT = 126;
const LIGHT_COUNT = 116;
/** Pairs of alpha carbons closer than this count, angstrom. */
const CUTOFF = 8;
/** A model with fewer pairs is flagged. */
const PAIRS_MIN = 15;

export type PairingFlag = "ok" | "low_HL_contacts" | "not_applicable";

/** `not_applicable` without a light chain; `ok` if a chain has no alpha carbon at all. */
export function pairingOf(structure: Structure, choice: ChainChoice): PairingFlag {
  if (choice.light === undefined) return "not_applicable";
  const count = countPairs(structure, choice.heavy, choice.light);
  return count !== undefined && count < PAIRS_MIN ? "low_HL_contacts" : "ok";
}

/** Close pairs of the two chains' alpha carbons; undefined if a chain has none at all. */
export function countPairs(
  structure: Structure,
  heavyId: string,
  lightId: string,
): number | undefined {
  const heavy = alphaCarbons(structure, heavyId, HEAVY_COUNT);
  const light = alphaCarbons(structure, lightId, LIGHT_COUNT);
  if (heavy.length === 0 || light.length === 0) return undefined;
  const { x, y, z } = structure;
  let count = 0;
  for (const h of heavy) {
    for (const l of light) {
      const [dx, dy, dz] = [x[h]! - x[l]!, y[h]! - y[l]!, z[h]! - z[l]!];
      if (Math.sqrt(dx * dx + dy * dy + dz * dz) < CUTOFF) count++;
    }
  }
  return count;
}

function alphaCarbons(structure: Structure, id: string, countMax: number): number[] {
  const chain = findChain(structure, id);
  const atoms: number[] = [];
  for (let r = chain?.residueStart ?? 0; r < (chain?.residueEnd ?? 0); r++) {
    const residue = structure.residues[r]!;
    if (residue.isHetero) continue;
    for (let atom = residue.atomStart; atom < residue.atomEnd; atom++) {
      if (structure.atomNames[atom] === "CA" && atoms.length < countMax) atoms.push(atom);
    }
  }
  return atoms;
}
