/**
 * Which chains of a structure are antibody and which antigen.
 *
 * Owns: the user's choice and whether the structure can satisfy it. Invariant: every chain named
 * is there, none is named twice. Finding chains by annotation is not done here.
 */
import { RaysidueError } from "../base/errors.ts";
import { findChain, type Structure, type StructureChain } from "../formats/structure/structure.ts";

export interface ChainChoice {
  readonly heavy: string;
  /** Absent for nanobodies. */
  readonly light?: string;
  /** One or more, in the order in which they are merged. */
  readonly antigen: readonly string[];
}

export interface ChosenChains {
  readonly heavy: StructureChain;
  readonly light: StructureChain | undefined;
  readonly antigen: readonly StructureChain[];
}

/** The chains chosen. Throws RaysidueError "bad-input" naming the structure and what it has. */
export function chooseChains(structure: Structure, choice: ChainChoice): ChosenChains {
  const light = choice.light === undefined ? [] : [choice.light];
  const ids = [choice.heavy, ...light, ...choice.antigen];
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined) {
    const text = `chain ${quote(twice)} is named for two parts; heavy, light and antigen differ`;
    throw new RaysidueError("usage", text);
  }
  if (choice.antigen.length === 0) throw new RaysidueError("usage", "no antigen chain is named");
  const find = (part: string, id: string): StructureChain => {
    const chain = findChain(structure, id);
    if (chain !== undefined) return chain;
    const there = structure.chains.map((one) => quote(one.id)).join(", ");
    const where = `${structure.source}:${structure.line}`;
    const text = `${where}: no ${part} chain ${quote(id)} in ${structure.name}; it has ${there}`;
    throw new RaysidueError("bad-input", text);
  };
  return {
    heavy: find("heavy", choice.heavy),
    light: choice.light === undefined ? undefined : find("light", choice.light),
    antigen: choice.antigen.map((id) => find("antigen", id)),
  };
}

function quote(id: string): string {
  return JSON.stringify(id);
}

/** Residues of the chosen chains, hetero residues included. Errors as `chooseChains`. */
export function countResidues(structure: Structure, choice: ChainChoice): number {
  const { heavy, light, antigen } = chooseChains(structure, choice);
  const chains = [heavy, ...(light === undefined ? [] : [light]), ...antigen];
  return chains.reduce((sum, { residueStart, residueEnd }) => sum + residueEnd - residueStart, 0);
}
