/**
 * From atoms in file order to a Structure.
 *
 * Owns: grouping by chain and residue, and the checks that hold for every format. Invariant: a
 * residue is known by chain, HETATM flag, number and insertion code; atoms of one that is
 * interrupted by others are brought together. Errors name file and line.
 */
import { RaysidueError } from "../../base/errors.ts";
import { filled } from "../columns.ts";
import {
  ATOMS_MAX,
  COORDINATE_MAX,
  type Structure,
  type StructureChain,
  type StructureResidue,
} from "./structure.ts";

export interface AtomFields {
  readonly atomName: string;
  readonly element: string;
  /** Character code, 0 for none. */
  readonly altLoc: number;
  readonly residueName: string;
  readonly residueNumber: number;
  readonly insertion: string;
  readonly isHetero: boolean;
  readonly chain: string;
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

interface OpenResidue {
  readonly name: string;
  readonly number: number;
  readonly insertion: string;
  readonly isHetero: boolean;
  readonly chain: OpenChain;
  readonly atoms: number[];
  readonly keys: Set<string>;
}

interface OpenChain {
  readonly id: string;
  readonly residues: OpenResidue[];
  /** By HETATM flag, number and insertion code: several names only at alternate locations. */
  readonly byKey: Map<string, OpenResidue[]>;
}

export class StructureBuilder {
  readonly source: string;
  readonly #chains = new Map<string, OpenChain>();
  readonly #coordinates: number[] = [];
  readonly #names: string[] = [];
  readonly #elements: string[] = [];
  readonly #altLocs: number[] = [];
  #last: OpenResidue | undefined;

  constructor(source: string) {
    this.source = source;
  }

  get atomCount(): number {
    return this.#names.length;
  }

  /** Adds one atom. Throws RaysidueError naming file and line. */
  add(atom: AtomFields, line: number): void {
    if (this.atomCount >= ATOMS_MAX) {
      throw this.fault(line, `more than ${ATOMS_MAX} atoms in one model; split the structure`);
    }
    for (const value of [atom.x, atom.y, atom.z]) {
      if (!(Math.abs(value) <= COORDINATE_MAX)) {
        throw this.fault(line, `coordinate ${value} is not within ${COORDINATE_MAX} angstrom`);
      }
    }
    const residue = this.#residueOf(atom, line);
    // One place an atom: the same name may come again only at another alternate location.
    const key = atom.altLoc === 0 ? atom.atomName : `${atom.atomName}\n${atom.altLoc}`;
    if (residue.keys.has(key)) {
      throw this.fault(line, `atom ${atom.atomName} of ${describe(atom)} is given twice`);
    }
    residue.keys.add(key);
    residue.atoms.push(this.atomCount);
    this.#coordinates.push(atom.x, atom.y, atom.z);
    this.#names.push(atom.atomName);
    this.#elements.push(atom.element);
    this.#altLocs.push(atom.altLoc);
  }

  #residueOf(atom: AtomFields, line: number): OpenResidue {
    const last = this.#last;
    if (
      last !== undefined &&
      last.number === atom.residueNumber &&
      last.name === atom.residueName &&
      last.insertion === atom.insertion &&
      last.isHetero === atom.isHetero &&
      last.chain.id === atom.chain
    ) {
      return last;
    }
    let chain = this.#chains.get(atom.chain);
    if (chain === undefined) {
      chain = { id: atom.chain, residues: [], byKey: new Map() };
      this.#chains.set(atom.chain, chain);
    }
    const key = `${atom.isHetero ? atom.residueName : ""}/${atom.residueNumber}${atom.insertion}`;
    const there = chain.byKey.get(key) ?? [];
    let residue = there.find((candidate) => candidate.name === atom.residueName);
    if (residue === undefined) {
      if (there.length > 0 && atom.altLoc === 0) {
        const text = `${describe(atom)} has the number of ${there[0]!.name}; number residues once`;
        throw this.fault(line, text);
      }
      const { residueName: name, residueNumber: number, insertion, isHetero } = atom;
      residue = { name, number, insertion, isHetero, chain, atoms: [], keys: new Set() };
      chain.byKey.set(key, [...there, residue]);
      chain.residues.push(residue);
    }
    this.#last = residue;
    return residue;
  }

  /** The structure of all atoms added. At least one atom must have been. */
  finish(identity: { name: string; line: number; modelNumber: number }): Structure {
    const count = this.atomCount;
    const order = new Int32Array(count);
    const residues: StructureResidue[] = [];
    const chains: StructureChain[] = [];
    let at = 0;
    for (const chain of this.#chains.values()) {
      const residueStart = residues.length;
      for (const { name, number, insertion, isHetero, atoms } of chain.residues) {
        const atomStart = at;
        for (const atom of atoms) order[at++] = atom;
        residues.push({ name, number, insertion, isHetero, atomStart, atomEnd: at });
      }
      chains.push({ id: chain.id, residueStart, residueEnd: residues.length });
    }
    const axis = (k: number) =>
      filled(new Float64Array(count), (i) => this.#coordinates[3 * order[i]! + k]!);
    const ordered = (texts: readonly string[]) => {
      const result: string[] = [];
      for (const atom of order) result.push(texts[atom]!);
      return result;
    };
    return {
      ...identity,
      source: this.source,
      atomCount: count,
      x: axis(0),
      y: axis(1),
      z: axis(2),
      atomNames: ordered(this.#names),
      elements: ordered(this.#elements),
      altLocs: filled(new Uint8Array(count), (i) => this.#altLocs[order[i]!]!),
      residues,
      chains,
    };
  }

  fault(line: number, text: string): RaysidueError {
    return new RaysidueError("bad-input", `${this.source}:${line}: ${text}`);
  }
}

function describe(atom: AtomFields): string {
  return `residue ${atom.residueName} ${atom.chain}${atom.residueNumber}${atom.insertion}`;
}
