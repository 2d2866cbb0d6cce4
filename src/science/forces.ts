/**
 * Distances and pair energies of edges.
 *
 * Owns: the formulas and their cutoffs. Invariant: an edge's values do not depend on the order of
 * edges, and both directions have the same. Units: angstrom, kcal/mol. Source: DeepRank-Ab 1.0.2:
 * Coulomb with 332.0636 and no dielectric, Lennard-Jones with arithmetic sigma and geometric
 * epsilon, neighbours along the chain recognised by distance.
 */
import type { ContactGraph, Edges } from "./contacts.ts";
import { type AtomParameters, atomParameters } from "./force-field.ts";
import type { PreparedComplex } from "./prepare.ts";

const COULOMB = 332.0636;
/** Atoms of one chain closer than this are bonded or share a neighbour: no energy, angstrom. */
const CUTOFF_13 = 3.6;
/** And closer than this, three bonds apart: 1-4 parameters. */
const CUTOFF_14 = 4.2;
const COVALENT_CUTOFF = 2.1;

export interface EdgeForces {
  /** `[edges] float64`, angstrom. */
  readonly distance: Float64Array;
  /** `[edges] float64`, kcal/mol. */
  readonly electrostatic: Float64Array;
  readonly vanDerWaals: Float64Array;
  /** `[edges]` 1 if closer than 2.1 A. */
  readonly covalent: Uint8Array;
}

/** Gives a function that computes the forces of edges between nodes of this graph. */
export function forcesOf(complex: PreparedComplex, graph: ContactGraph): (e: Edges) => EdgeForces {
  const names = new Map<number, ReadonlySet<string>>();
  const parameters: AtomParameters[] = [];
  const atoms: number[] = [];
  const chains: number[] = [];
  for (const atom of graph.nodeAtoms) {
    const r = complex.atomResidues[atom]!;
    const residue = complex.residues[r]!;
    let all = names.get(r);
    if (all === undefined) {
      all = new Set(complex.atomNames.slice(residue.atomStart, residue.atomEnd));
      names.set(r, all);
    }
    const name = complex.atomNames[atom]!;
    parameters.push(atomParameters(residue.name, name, all));
    chains.push(residue.chain);
    // The original looks an atom up by name: of alternate locations the first stands for all.
    const first = firstOfName(complex, atom);
    atoms.push(first);
  }
  return (edges) => {
    const count = edges.source.length;
    const forces = {
      distance: new Float64Array(count),
      electrostatic: new Float64Array(count),
      vanDerWaals: new Float64Array(count),
      covalent: new Uint8Array(count),
    };
    for (let edge = 0; edge < count; edge++) {
      const u = edges.source[edge]!;
      const v = edges.target[edge]!;
      const d = distanceOf(complex, atoms[u]!, atoms[v]!);
      forces.distance[edge] = d;
      forces.covalent[edge] = d < COVALENT_CUTOFF ? 1 : 0;
      const isWithin = chains[u] === chains[v];
      // Two alternate locations of one atom have no distance, and no energy either.
      if (d === 0 || (isWithin && d < CUTOFF_13)) continue;
      const [p, q] = [parameters[u]!, parameters[v]!];
      forces.electrostatic[edge] = (p.charge * q.charge * COULOMB) / d;
      forces.vanDerWaals[edge] = lennardJones(p, q, d, isWithin && d < CUTOFF_14);
    }
    return forces;
  };
}

function lennardJones(p: AtomParameters, q: AtomParameters, d: number, is14: boolean): number {
  const sigma = is14 ? 0.5 * (p.sigma14 + q.sigma14) : 0.5 * (p.sigma + q.sigma);
  const epsilon = Math.sqrt(is14 ? p.epsilon14 * q.epsilon14 : p.epsilon * q.epsilon);
  const r6 = (sigma / d) ** 6;
  return 4 * epsilon * (r6 * r6 - r6);
}

function firstOfName(complex: PreparedComplex, atom: number): number {
  const { atomStart } = complex.residues[complex.atomResidues[atom]!]!;
  const name = complex.atomNames[atom]!;
  for (let other = atomStart; other < atom; other++) {
    if (complex.atomNames[other] === name) return other;
  }
  return atom;
}

function distanceOf({ x, y, z }: PreparedComplex, a: number, b: number): number {
  const dx = x[a]! - x[b]!;
  const dy = y[a]! - y[b]!;
  const dz = z[a]! - z[b]!;
  return Math.sqrt(dx * dx + dy * dy + dz * dz);
}
