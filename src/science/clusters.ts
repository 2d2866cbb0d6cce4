/**
 * Clusters of a graph by Markov clustering (MCL).
 *
 * Owns: the algorithm with the parameters of the original. Invariant: the same graph gives the
 * same ids; ids are consecutive, in order of each cluster's smallest node. Source: van Dongen,
 * Graph Clustering by Flow Simulation (2000); expansion 2, inflation 2, self-loops of weight 1,
 * values below 0.001 dropped (never a column's largest), at most 100 rounds.
 */
import type { Edges } from "./contacts.ts";

const ROUNDS_MAX = 100;
const PRUNING_THRESHOLD = 0.001;
const RELATIVE_TOLERANCE = 1e-5;
const ABSOLUTE_TOLERANCE = 1e-8;

/** A column of a sparse matrix: rows in ascending order and their values. */
interface Column {
  readonly rows: Int32Array;
  readonly values: Float64Array;
}

export interface Clusters {
  /** `[nodes]` id of each node's cluster. */
  readonly ids: Int32Array;
  readonly count: number;
}

/** Clusters the nodes `0..nodeCount-1` of an undirected graph without weights. */
export function clusterByFlow(nodeCount: number, edges: Edges): Clusters {
  let columns = initialColumns(nodeCount, edges);
  const sums = new Float64Array(nodeCount);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const next = columns.map((column) => advance(columns, column, sums));
    const isStable = next.every((column, j) => isClose(column, columns[j]!));
    columns = next;
    if (isStable) break;
  }
  return consecutive(idsOf(columns));
}

/** Clusters of clusters: two are neighbours if any of their nodes are. */
export function clusterAgain(clusters: Clusters, edges: Edges): Clusters {
  const source: number[] = [];
  const target: number[] = [];
  for (let edge = 0; edge < edges.source.length; edge++) {
    const a = clusters.ids[edges.source[edge]!]!;
    const b = clusters.ids[edges.target[edge]!]!;
    if (a === b) continue;
    source.push(a);
    target.push(b);
  }
  const between = { source: Int32Array.from(source), target: Int32Array.from(target) };
  return clusterByFlow(clusters.count, between);
}

function initialColumns(nodeCount: number, edges: Edges): Column[] {
  const neighbours = Array.from({ length: nodeCount }, (_, node) => new Set([node]));
  for (let edge = 0; edge < edges.source.length; edge++) {
    const [a, b] = [edges.source[edge]!, edges.target[edge]!];
    neighbours[a]!.add(b);
    neighbours[b]!.add(a);
  }
  return neighbours.map((nodes) => {
    const rows = Int32Array.from(nodes).sort();
    return { rows, values: new Float64Array(rows.length).fill(1 / rows.length) };
  });
}

/** One round for one column: multiplied by the matrix, squared, normalised, pruned. */
function advance(columns: readonly Column[], column: Column, sums: Float64Array): Column {
  const touched: number[] = [];
  for (let k = 0; k < column.rows.length; k++) {
    const weight = column.values[k]!;
    const other = columns[column.rows[k]!]!;
    for (let i = 0; i < other.rows.length; i++) {
      const row = other.rows[i]!;
      // Values are positive: zero means untouched.
      if (sums[row] === 0) touched.push(row);
      sums[row]! += weight * other.values[i]!;
    }
  }
  touched.sort((a, b) => a - b);
  let total = 0;
  for (const row of touched) total += sums[row]! * sums[row]!;
  const values = touched.map((row) => (sums[row]! * sums[row]!) / total);
  for (const row of touched) sums[row] = 0;
  const largest = values.indexOf(Math.max(...values));
  const kept = values.flatMap((value, i) =>
    value >= PRUNING_THRESHOLD || i === largest ? [i] : [],
  );
  return {
    rows: Int32Array.from(kept, (i) => touched[i]!),
    values: Float64Array.from(kept, (i) => values[i]!),
  };
}

function isClose(a: Column, b: Column): boolean {
  let i = 0;
  let j = 0;
  while (i < a.rows.length || j < b.rows.length) {
    const rowA = a.rows[i] ?? Number.POSITIVE_INFINITY;
    const rowB = b.rows[j] ?? Number.POSITIVE_INFINITY;
    const valueA = rowA <= rowB ? a.values[i++]! : 0;
    const valueB = rowB <= rowA ? b.values[j++]! : 0;
    const excess = Math.abs(valueA - valueB) - RELATIVE_TOLERANCE * Math.abs(valueB);
    if (excess > ABSOLUTE_TOLERANCE) return false;
  }
  return true;
}

/** A node with a diagonal value attracts its row's nodes; of two clusters, the later id wins. */
function idsOf(columns: readonly Column[]): Int32Array {
  const rows = new Map<number, number[]>();
  columns.forEach((column, j) => {
    if (column.rows.includes(j)) rows.set(j, []);
  });
  columns.forEach((column, j) => {
    for (const row of column.rows) rows.get(row)?.push(j);
  });
  const distinct = new Map([...rows.values()].map((nodes) => [nodes.join(), nodes]));
  const clusters = [...distinct.values()].sort(compareNodes);
  const ids = new Int32Array(columns.length);
  clusters.forEach((nodes, id) => {
    for (const node of nodes) ids[node] = id;
  });
  return ids;
}

/** The order of tuples: first difference, then length. */
function compareNodes(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}

function consecutive(ids: Int32Array): Clusters {
  const used = [...new Set(ids)].sort((a, b) => a - b);
  const rank = new Map(used.map((id, i) => [id, i]));
  return { ids: ids.map((id) => rank.get(id)!), count: used.length };
}
