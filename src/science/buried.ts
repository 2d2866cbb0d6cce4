/**
 * Buried areas of residues: what the other chain takes from them.
 *
 * Owns: which atoms and radii enter. Invariant: areas of the residues asked for only, whatever the
 * size of the chains. Source: DeepRank-Ab 1.0.2, whose lone chains are rebuilt with atoms named by
 * their first letter and with hydrogens, while the complex has full names and none: so buried
 * areas can be negative there. `consistent` uses the complex's atoms for both.
 */
import { isHydrogenSymbol } from "../formats/structure/elements.ts";
import type { PreparedComplex } from "./prepare.ts";
import { type Spheres, solventAreas } from "./solvent.ts";
import { solventRadius } from "./solvent-radii.ts";

export type BuriedRadii = "original" | "consistent";

export interface ResidueAreas {
  /** `[residues] float64`, square angstrom. */
  readonly inComplex: Float64Array;
  readonly alone: Float64Array;
  /** `alone - inComplex`. */
  readonly buried: Float64Array;
}

/** Areas of the residues at `residues` (indices into `complex.residues`). */
export function residueAreas(
  complex: PreparedComplex,
  residues: readonly number[],
  radii: BuriedRadii,
): ResidueAreas {
  const whole = spheresOf(complex, { name: "full", chain: undefined });
  const inComplex = areasOf(complex, whole, residues);
  const alone = new Float64Array(residues.length);
  for (const chain of [0, 1] as const) {
    const places = residues.flatMap((r, i) => (complex.residues[r]!.chain === chain ? [i] : []));
    const name = radii === "original" ? "initial" : "full";
    const spheres = spheresOf(complex, { name, chain });
    const areas = areasOf(
      complex,
      spheres,
      places.map((i) => residues[i]!),
    );
    places.forEach((i, k) => {
      alone[i] = areas[k]!;
    });
  }
  return { inComplex, alone, buried: alone.map((area, i) => area - inComplex[i]!) };
}

/** Atoms of ATOM records and their radii. */
function spheresOf(
  complex: PreparedComplex,
  which: { readonly name: "full" | "initial"; readonly chain: 0 | 1 | undefined },
): Spheres {
  const members: number[] = [];
  const radii = new Float64Array(complex.atomCount);
  // Of alternate locations, the first met stands for all until an atom without one comes.
  let altLoc = 0;
  for (const residue of complex.residues) {
    if (residue.isHetero || (which.chain !== undefined && residue.chain !== which.chain)) continue;
    for (let atom = residue.atomStart; atom < residue.atomEnd; atom++) {
      const name = complex.atomNames[atom]!;
      const element = complex.elements[atom]!;
      if (which.name === "full") {
        if (isHydrogenSymbol(element)) continue;
        const own = complex.altLocs[atom]!;
        if (own === 0 || altLoc === 0) altLoc = own;
        else if (own !== altLoc) continue;
        radii[atom] = solventRadius(residue.name, name, element);
      } else {
        const initial = name.charAt(0);
        radii[atom] = solventRadius(residue.name, initial, initial);
      }
      members.push(atom);
    }
  }
  return { points: complex, members: Int32Array.from(members), radii };
}

function areasOf(
  complex: PreparedComplex,
  spheres: Spheres,
  residues: readonly number[],
): Float64Array {
  const isMember = new Set(spheres.members);
  const atoms: number[] = [];
  const ends: number[] = [];
  for (const r of residues) {
    const { atomStart, atomEnd } = complex.residues[r]!;
    for (let atom = atomStart; atom < atomEnd; atom++) if (isMember.has(atom)) atoms.push(atom);
    ends.push(atoms.length);
  }
  const areas = solventAreas(spheres, atoms);
  return Float64Array.from(ends, (end, i) => {
    let sum = 0;
    for (let k = i === 0 ? 0 : ends[i - 1]!; k < end; k++) sum += areas[k]!;
    return sum;
  });
}
