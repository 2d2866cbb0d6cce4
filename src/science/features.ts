/**
 * The columns that the scoring network reads.
 *
 * Owns: their order and values. Invariant: rows stand in the graph's order of nodes and edges.
 * Source: DeepRank-Ab 1.0.2, with the list of features of its checkpoint: 72 of a node, 6 of an
 * edge, none of them scaled.
 */
import type { PoseGraph } from "./graph.ts";
import { ATOM_NAMES, POLARITIES, REGIONS, RESIDUE_NAMES } from "./residues.ts";

const AT_POLARITY = ATOM_NAMES.length;
const AT_BURIED = AT_POLARITY + POLARITIES.length;
const AT_CHARGE = AT_BURIED + 1;
const AT_REGION = AT_CHARGE + 1;
const AT_EMBEDDING = AT_REGION + REGIONS.length;
const AT_RESIDUE = AT_EMBEDDING + 1;
/** Columns of a node. */
export const NODE_WIDTH = AT_RESIDUE + RESIDUE_NAMES.length;
/** Columns of an edge: contact area, covalent, van der Waals, direction (3). */
export const EDGE_WIDTH = 6;

export interface EdgeFeatures {
  /** `[edges]` node indices. */
  readonly source: Int32Array;
  readonly target: Int32Array;
  /** `[edges, 6] float32`, row-major. */
  readonly features: Float32Array;
}

/** One graph as the network reads it. */
export interface GraphFeatures {
  readonly nodeCount: number;
  /** `[nodes, 72] float32`, row-major. */
  readonly nodes: Float32Array;
  /** `[nodes, 3] float32`, row-major, angstrom. The score depends on their origin. */
  readonly positions: Float32Array;
  readonly interface: EdgeFeatures;
  readonly internal: EdgeFeatures;
  /** `[nodes]` and `[clusters of depth 0]`, consecutive from 0. */
  readonly clusters0: Int32Array;
  readonly clusters1: Int32Array;
}

/** The features of a pose's graph. */
export function featuresOf(graph: PoseGraph): GraphFeatures {
  const nodeCount = graph.nodes.length;
  const nodes = new Float32Array(nodeCount * NODE_WIDTH);
  const positions = new Float32Array(nodeCount * 3);
  graph.nodes.forEach((node, i) => {
    const row = i * NODE_WIDTH;
    nodes[row + node.atomType] = 1;
    nodes[row + AT_POLARITY + node.polarity] = 1;
    nodes[row + AT_BURIED] = node.buriedArea;
    nodes[row + AT_CHARGE] = node.hydropathy;
    nodes[row + AT_REGION + node.region] = 1;
    nodes[row + AT_EMBEDDING] = node.embedding;
    nodes[row + AT_RESIDUE + node.residueType] = 1;
    positions.set([node.x, node.y, node.z], 3 * i);
  });
  const edges = ({ source, target, ...columns }: PoseGraph["interface"]): EdgeFeatures => {
    const features = new Float32Array(source.length * EDGE_WIDTH);
    for (let edge = 0; edge < source.length; edge++) {
      const row = edge * EDGE_WIDTH;
      features[row] = columns.contactArea[edge]!;
      features[row + 1] = columns.covalent[edge]!;
      features[row + 2] = columns.vanDerWaals[edge]!;
      features.set(columns.orientation.subarray(3 * edge, 3 * edge + 3), row + 3);
    }
    return { source, target, features };
  };
  return {
    nodeCount,
    nodes,
    positions,
    interface: edges(graph.interface),
    internal: edges(graph.internal),
    clusters0: graph.clusters0.ids,
    clusters1: graph.clusters1.ids,
  };
}
