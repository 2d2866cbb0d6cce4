/**
 * The graph of one pose: everything that is known of its interface, before a network reads it.
 *
 * Owns: which parts are computed, and from what. Invariant: a graph depends on the prepared
 * complex, the annotations given and the options, and on nothing else. Source: DeepRank-Ab 1.0.2.
 */
import { RaysidueError } from "../base/errors.ts";
import { type BuriedRadii, residueAreas } from "./buried.ts";
import { type Clusters, clusterAgain, clusterByFlow } from "./clusters.ts";
import { type ContactGraph, type Edges, findContacts } from "./contacts.ts";
import { type EdgeForces, forcesOf } from "./forces.ts";
import { orientationsOf } from "./orientation.ts";
import type { PreparedComplex } from "./prepare.ts";
import {
  atomIndexOf,
  hydropathyOf,
  polarityOf,
  REGIONS,
  type Region,
  residueIndexOf,
} from "./residues.ts";
import { contactAreas } from "./voronoi.ts";

/** Raised with each change of what graphs hold: kept scores of earlier ones are computed again. */
export const GRAPH_REVISION = 2;

/** What other programs say of the residues. */
export interface Annotations {
  /** By residue of chain A, in order; missing ones are CONST. */
  readonly regions: readonly Region[];
  /** One number a residue of each sequence, `[length] float32`; empty for none, which counts as 0. */
  readonly antibodyScalars: Float32Array;
  readonly antigenScalars: Float32Array;
}

export interface GraphOptions {
  /** How a residue finds its scalar: by its number, as the original does, or by its own place. */
  readonly scalarsBy: "number" | "position";
  readonly radii: BuriedRadii;
  /** `file`: coordinates as they are; `com`: the complex's centre of mass moved to the origin. */
  readonly centre: "file" | "com";
}

export const ORIGINAL_OPTIONS: GraphOptions = {
  scalarsBy: "number",
  radii: "original",
  centre: "file",
};

export interface PoseNode {
  /** Index of the atom in the prepared complex; its serial number is one more. */
  readonly atom: number;
  readonly residue: number;
  readonly x: number;
  readonly y: number;
  readonly z: number;
  /** Columns of the vocabularies in residues.ts. */
  readonly atomType: number;
  readonly residueType: number;
  readonly polarity: number;
  readonly region: number;
  readonly hydropathy: number;
  /** Square angstrom, of the whole residue. */
  readonly buriedArea: number;
  readonly embedding: number;
}

export interface PoseEdges extends Edges, EdgeForces {
  /** `[edges] float64`, square angstrom. */
  readonly contactArea: Float64Array;
  /** `[edges, 3] float32`, row-major. */
  readonly orientation: Float32Array;
}

export interface PoseGraph {
  readonly nodes: readonly PoseNode[];
  readonly interface: PoseEdges;
  readonly internal: PoseEdges;
  readonly clusters0: Clusters;
  /** One id a cluster of `clusters0`. */
  readonly clusters1: Clusters;
  /** Fraction of interface edges with an energy rare among the poses of the training set. */
  readonly clashFraction: number;
  readonly notes: readonly string[];
}

/** Energies between which 98 % of the training set's edges lie, kcal/mol. */
const USUAL_ENERGIES = [-0.17884573325514794, 3.8368936753273264] as const;
/** Antibody and antigen atoms closer than this are one atom twice, angstrom. */
const DISTANCE_MIN = 0.01;
/** A pose with more unusual edges than this is flagged. */
export const CLASH_FRACTION_MAX = 0.05;

/** Builds the graph. Throws RaysidueError where the chains do not touch or fit no annotation. */
export function buildGraph(
  complex: PreparedComplex,
  annotations: Annotations,
  options: GraphOptions = ORIGINAL_OPTIONS,
): PoseGraph {
  checkLengths(complex, annotations, options);
  const contacts = findContacts(complex);
  const forces = forcesOf(complex, contacts);
  const orientations = orientationsOf(complex, contacts);
  const [interfaceAreas, internalAreas] = contactAreas(complex, contacts);
  const edges = (of: Edges, contactArea: Float64Array): PoseEdges => ({
    ...of,
    ...forces(of),
    contactArea,
    orientation: orientations.of(of),
  });
  const between = edges(contacts.interface, interfaceAreas);
  checkDistances(complex, contacts, between);
  const clusters0 = clusterByFlow(contacts.nodeAtoms.length, contacts.internal);
  const [low, high] = USUAL_ENERGIES;
  const unusual = between.vanDerWaals.filter((energy) => {
    // Stored as float32 by the original before it compares.
    const stored = Math.fround(energy);
    return stored < low || stored > high;
  });
  return {
    nodes: nodesOf(complex, contacts, { annotations, options }),
    interface: between,
    internal: edges(contacts.internal, internalAreas),
    clusters0,
    clusters1: clusterAgain(clusters0, contacts.internal),
    clashFraction: unusual.length / between.vanDerWaals.length,
    notes: orientations.frameless.map((r) => {
      const residue = complex.residues[r]!;
      const name = `${residue.name} ${residue.source.chain}${residue.source.number}`;
      return `residue ${name} lacks N, CA or C: its edges have no direction`;
    }),
  };
}

function checkLengths(complex: PreparedComplex, given: Annotations, options: GraphOptions): void {
  const { antibody, antigen } = complex.sequences;
  const pairs = [
    ["antibody", given.antibodyScalars.length, antibody.length],
    ["antigen", given.antigenScalars.length, antigen.length],
  ] as const;
  for (const [part, has, needs] of pairs) {
    if (has === 0 || has === needs) continue;
    const text = `${has} embedding scalars for an ${part} of ${needs} residues in ${complex.name}`;
    throw new RaysidueError("bad-input", `${complex.where}: ${text}`);
  }
  if (given.regions.length > complex.antibodyCount && options.scalarsBy === "number") {
    const text = `${given.regions.length} labels for ${complex.antibodyCount} antibody residues`;
    throw new RaysidueError("bad-input", `${complex.where}: ${text}`);
  }
}

/** Energies of atoms at one place are infinite, and so would the score be. */
function checkDistances(complex: PreparedComplex, { nodeAtoms }: ContactGraph, e: PoseEdges): void {
  const edge = e.distance.findIndex((distance) => distance < DISTANCE_MIN);
  if (edge < 0) return;
  const [a, b] = [e.source[edge]!, e.target[edge]!].map((node) => {
    const atom = nodeAtoms[node]!;
    const { source, name } = complex.residues[complex.atomResidues[atom]!]!;
    return `${complex.atomNames[atom]} of ${name} ${source.chain}${source.number}`;
  });
  const text = `${a} and ${b} of ${complex.name} are at the same place; the pose is no model`;
  throw new RaysidueError("bad-input", `${complex.where}: ${text}`);
}

function nodesOf(
  complex: PreparedComplex,
  { nodeAtoms }: ContactGraph,
  { annotations, options }: { annotations: Annotations; options: GraphOptions },
): PoseNode[] {
  const residues = [...new Set(Array.from(nodeAtoms, (atom) => complex.atomResidues[atom]!))];
  const { buried } = residueAreas(complex, residues, options.radii);
  const areas = new Map(residues.map((r, i) => [r, buried[i]!]));
  const origin = options.centre === "com" ? centreOfMass(complex) : { x: 0, y: 0, z: 0 };
  return Array.from(nodeAtoms, (atom): PoseNode => {
    const r = complex.atomResidues[atom]!;
    const residue = complex.residues[r]!;
    const residueType = residueIndexOf(residue.name);
    const scalars = residue.chain === 0 ? annotations.antibodyScalars : annotations.antigenScalars;
    const place = options.scalarsBy === "number" ? residue.number - 1 : residue.position;
    const label = residue.chain === 1 ? "AG" : (annotations.regions[residue.number - 1] ?? "CONST");
    return {
      atom,
      residue: r,
      x: complex.x[atom]! - origin.x,
      y: complex.y[atom]! - origin.y,
      z: complex.z[atom]! - origin.z,
      atomType: atomIndexOf(complex.atomNames[atom]!),
      residueType,
      polarity: polarityOf(residueType),
      region: REGIONS.indexOf(label),
      hydropathy: hydropathyOf(residueType),
      buriedArea: areas.get(r)!,
      embedding: scalars[place] ?? 0,
    };
  });
}

/** Atomic masses that matter, in units; others count as carbon. */
const MASSES: Readonly<Record<string, number>> = { H: 1.008, N: 14.007, O: 15.999, S: 32.06 };
const MASS_DEFAULT = 12.011;

/** Centre of mass of all atoms, angstrom. Scores are comparable where it is at the origin. */
export function centreOfMass(complex: PreparedComplex): { x: number; y: number; z: number } {
  const centre = { x: 0, y: 0, z: 0 };
  let total = 0;
  for (let atom = 0; atom < complex.atomCount; atom++) {
    const mass = MASSES[complex.elements[atom]!] ?? MASS_DEFAULT;
    centre.x += mass * complex.x[atom]!;
    centre.y += mass * complex.y[atom]!;
    centre.z += mass * complex.z[atom]!;
    total += mass;
  }
  return { x: centre.x / total, y: centre.y / total, z: centre.z / total };
}
