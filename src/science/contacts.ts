/**
 * Which atoms of the interface touch: the nodes and edges of the scoring graph.
 *
 * Owns: the edges' rules and their order. Invariant: nodes and edges stand in the order in which
 * the original's graph library would give them, so that tables compare row by row: nodes as they
 * first occur, edges by source node, targets as they were added. Source: DeepRank-Ab 1.0.2.
 */
import { RaysidueError } from "../base/errors.ts";
import { CellList } from "./cells.ts";
import type { PreparedComplex } from "./prepare.ts";
import { atomIndexOf, residueIndexOf } from "./residues.ts";

/** Antibody and antigen atoms at most this far apart are joined, angstrom. */
export const INTERFACE_CUTOFF = 5;
/** Nodes of one chain closer than this are joined, angstrom. */
export const INTERNAL_CUTOFF = 3;
/** Edges of a pose: dense packing at 5 angstrom gives some 10 a node. A clash of two whole chains
 * on top of each other would give millions. */
export const EDGES_MAX = 400_000;

/** Directed edges, both directions present; columns of node indices. */
export interface Edges {
  readonly source: Int32Array;
  readonly target: Int32Array;
}

export interface ContactGraph {
  /** `[nodes]` atom index of each node. */
  readonly nodeAtoms: Int32Array;
  readonly interface: Edges;
  readonly internal: Edges;
}

/** Builds the graph. Throws RaysidueError where there is no contact, or far too many. */
export function findContacts(complex: PreparedComplex): ContactGraph {
  const [antibody, antigen] = eligibleAtoms(complex);
  checkAminoAcids(complex, antibody, "antibody");
  checkAminoAcids(complex, antigen, "antigen");
  const graph = new GraphBuilder();
  const cells = new CellList(complex, antigen, INTERFACE_CUTOFF);
  const found: number[] = [];
  let pairCount = 0;
  for (const atom of antibody) {
    const { x, y, z } = complex;
    // A hair more, then the original's own test: a square root, compared with the cutoff.
    const reach = INTERFACE_CUTOFF + 1e-6;
    found.length = cells.within(x[atom]!, y[atom]!, z[atom]!, reach, found);
    found.sort((a, b) => a - b);
    for (const partner of found) {
      if (distanceOf(complex, atom, partner) > INTERFACE_CUTOFF) continue;
      graph.join(atom, partner);
      pairCount++;
    }
    if (2 * pairCount > EDGES_MAX) {
      const text = `more than ${EDGES_MAX} contacts in ${complex.name}; the chains overlap`;
      throw new RaysidueError("bad-input", `${complex.where}: ${text}`);
    }
  }
  if (pairCount === 0) {
    const text = `no atom of the antibody of ${complex.name} is within 5 A of the antigen`;
    throw new RaysidueError("bad-input", `${complex.where}: ${text}`);
  }
  joinWithinChains(complex, graph);
  return graph.finish();
}

/** Atoms that may be nodes, by chain: known heavy atoms of the twenty amino acids. */
function eligibleAtoms(complex: PreparedComplex): [number[], number[]] {
  const chains: [number[], number[]] = [[], []];
  for (const residue of complex.residues) {
    if (residue.isHetero || residueIndexOf(residue.name) < 0) continue;
    for (let atom = residue.atomStart; atom < residue.atomEnd; atom++) {
      if (atomIndexOf(complex.atomNames[atom]!) >= 0) chains[residue.chain].push(atom);
    }
  }
  return chains;
}

/** Throws for a part that no atom can be a node of: nothing is too far from it, it is not there. */
function checkAminoAcids(complex: PreparedComplex, atoms: readonly number[], part: string): void {
  if (atoms.length > 0) return;
  const own = complex.residues.filter(({ chain }) => chain === (part === "antibody" ? 0 : 1));
  const isHetero = own.length > 0 && own.every((residue) => residue.isHetero);
  const text = isHetero
    ? `the ${part} of ${complex.name} has HETATM residues only, which are no part of the graph; ` +
      "write its amino acids as ATOM, or name other chains"
    : `the ${part} of ${complex.name} has none of the twenty amino acids; name other chains`;
  throw new RaysidueError("bad-input", `${complex.where}: ${text}`);
}

function distanceOf({ x, y, z }: PreparedComplex, a: number, b: number): number {
  const dx = x[b]! - x[a]!;
  const dy = y[b]! - y[a]!;
  const dz = z[b]! - z[a]!;
  return Math.sqrt(dx * dx + dy * dy + dz * dz);
}

/** Edges within chain A, then chain B; for each node in order, to the nodes behind it. */
function joinWithinChains(complex: PreparedComplex, graph: GraphBuilder): void {
  const { x, y, z } = complex;
  const nodes = [...graph.atoms];
  for (const chain of [0, 1]) {
    const members = nodes.filter((atom) => {
      return complex.residues[complex.atomResidues[atom]!]!.chain === chain;
    });
    const cells = new CellList(
      complex,
      members.toSorted((a, b) => a - b),
      INTERNAL_CUTOFF,
    );
    const rank = new Map(members.map((atom, i) => [atom, i]));
    const found: number[] = [];
    members.forEach((atom, i) => {
      found.length = cells.within(x[atom]!, y[atom]!, z[atom]!, INTERNAL_CUTOFF + 1e-6, found);
      const behind = found.filter((other) => rank.get(other)! > i);
      behind.sort((a, b) => rank.get(a)! - rank.get(b)!);
      for (const other of behind) {
        if (expandedSquare(complex, atom, other) < INTERNAL_CUTOFF ** 2) {
          graph.join(atom, other);
        }
      }
    });
  }
}

/** The square of a distance as the original computes it, by the expanded product. */
function expandedSquare({ x, y, z }: PreparedComplex, a: number, b: number): number {
  const product = x[a]! * x[b]! + y[a]! * y[b]! + z[a]! * z[b]!;
  const squareA = x[a]! * x[a]! + y[a]! * y[a]! + z[a]! * z[a]!;
  const squareB = x[b]! * x[b]! + y[b]! * y[b]! + z[b]! * z[b]!;
  return -2 * product + squareA + squareB;
}

class GraphBuilder {
  readonly #nodes = new Map<number, number>();
  readonly #neighbours: number[][] = [];
  #interfaceEnds: number[] | undefined;

  /** Atoms of the nodes so far, in order. From the first look on, edges are internal. */
  get atoms(): IterableIterator<number> {
    this.#interfaceEnds ??= this.#neighbours.map((targets) => targets.length);
    return this.#nodes.keys();
  }

  join(a: number, b: number): void {
    const source = this.#nodeOf(a);
    const target = this.#nodeOf(b);
    this.#neighbours[source]!.push(target);
    this.#neighbours[target]!.push(source);
  }

  #nodeOf(atom: number): number {
    let node = this.#nodes.get(atom);
    if (node === undefined) {
      node = this.#nodes.size;
      this.#nodes.set(atom, node);
      this.#neighbours.push([]);
    }
    return node;
  }

  finish(): ContactGraph {
    const ends = this.#interfaceEnds ?? this.#neighbours.map((targets) => targets.length);
    return {
      nodeAtoms: Int32Array.from(this.#nodes.keys()),
      interface: flatten(this.#neighbours.map((targets, node) => targets.slice(0, ends[node]))),
      internal: flatten(this.#neighbours.map((targets, node) => targets.slice(ends[node]))),
    };
  }
}

function flatten(neighbours: readonly (readonly number[])[]): Edges {
  return {
    source: Int32Array.from(neighbours.flatMap((targets, node) => targets.map(() => node))),
    target: Int32Array.from(neighbours.flat()),
  };
}
