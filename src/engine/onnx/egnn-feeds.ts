/**
 * Graphs of poses as inputs of the scoring network.
 *
 * Owns: the names of inputs and the joining of graphs. Invariant: nodes, clusters and graphs of a
 * batch are numbered on from those before, so that graphs never touch.
 */
import { EDGE_WIDTH, type GraphFeatures, NODE_WIDTH } from "../../science/features.ts";
import type { Feeds } from "./session.ts";

export const EGNN_INPUTS = {
  /** `[nodes, 72]` float32. */
  nodes: "nodes",
  /** `[nodes, 3]` float32, angstrom. */
  positions: "positions",
  /** `[edges]` int32 node indices, and `[edges, 6]` float32. */
  interface: {
    source: "interface_source",
    target: "interface_target",
    features: "interface_features",
  },
  internal: {
    source: "internal_source",
    target: "internal_target",
    features: "internal_features",
  },
  /** `[nodes]` int32: cluster of each node. */
  clusters0: "clusters0",
  /** `[clusters0]` int32: cluster of each cluster. */
  clusters1: "clusters1",
  /** `[clusters1]` int32: graph of each of those, 0..batch-1. */
  graphs: "graphs",
} as const;

/** Name of the one output: `[batch, 1]` float32, the predicted DockQ, neither scaled nor cut. */
export const SCORE = "score";

/** Joins graphs to one call. At least one graph. */
export function egnnFeeds(graphs: readonly GraphFeatures[]): Feeds {
  const offsets = { nodes: [0], clusters0: [0], clusters1: [0] };
  for (const graph of graphs) {
    offsets.nodes.push(offsets.nodes.at(-1)! + graph.nodeCount);
    offsets.clusters0.push(offsets.clusters0.at(-1)! + graph.clusters1.length);
    offsets.clusters1.push(offsets.clusters1.at(-1)! + countOf(graph.clusters1));
  }
  const shifted = (by: readonly number[], column: (graph: GraphFeatures) => Int32Array) => {
    const data = joinIntegers(graphs.map((graph, g) => column(graph).map((id) => id + by[g]!)));
    return { data, dims: [data.length] };
  };
  const rows = (width: number, column: (graph: GraphFeatures) => Float32Array) => {
    const data = joinFloats(graphs.map(column));
    return { data, dims: [data.length / width, width] };
  };
  const feeds: Record<string, Feeds[string]> = {
    [EGNN_INPUTS.nodes]: rows(NODE_WIDTH, (graph) => graph.nodes),
    [EGNN_INPUTS.positions]: rows(3, (graph) => graph.positions),
    [EGNN_INPUTS.clusters0]: shifted(offsets.clusters0, (graph) => graph.clusters0),
    [EGNN_INPUTS.clusters1]: shifted(offsets.clusters1, (graph) => graph.clusters1),
  };
  for (const kind of ["interface", "internal"] as const) {
    const names = EGNN_INPUTS[kind];
    feeds[names.source] = shifted(offsets.nodes, (graph) => graph[kind].source);
    feeds[names.target] = shifted(offsets.nodes, (graph) => graph[kind].target);
    feeds[names.features] = rows(EDGE_WIDTH, (graph) => graph[kind].features);
  }
  const owners = graphs.map((graph, g) => new Int32Array(countOf(graph.clusters1)).fill(g));
  const data = joinIntegers(owners);
  feeds[EGNN_INPUTS.graphs] = { data, dims: [data.length] };
  return feeds;
}

function countOf(ids: Int32Array): number {
  return ids.reduce((most, id) => Math.max(most, id + 1), 0);
}

function joinIntegers(parts: readonly Int32Array[]): Int32Array {
  const joined = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function joinFloats(parts: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
