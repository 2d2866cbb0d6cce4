/**
 * Graphs of poses in the HDF5 layout of DeepRank-Ab, for programs that read it.
 *
 * Owns: the layout, a group a pose. Invariant: names, shapes and dtypes are those that the original
 * writes (1.0.2, `Graph.nx2h5` and its clustering), in its order of nodes and edges; strings are
 * ASCII of a fixed size. Nothing of a pose is kept once it is written.
 *
 *     NAME/nodes S[N, 5]: chain, residue number, residue name, atom serial, atom name
 *     NAME/node_data/{chain i8, pos f8[N, 3], res_type f4[N, 20], charge f8, polarity f4[N, 4],
 *         bsa f8[N, 1], atom_type f4[N, 36], region f4[N, 9], embedding f4[N, 1]}
 *     NAME/{edges, internal_edges} S[E, 2, 5]   NAME/{edge_index, internal_edge_index} i4[E, 2]
 *     NAME/{edge_data, internal_edge_data}/{dist, voro_area, elec, vdw, covalent f8, type S,
 *         orientation f4[E, 3]}
 *     NAME/score (empty: no truth is known)   NAME/clustering/mcl/{depth_0, depth_1} i8
 */
import type { Hdf5Data, Hdf5Output } from "./hdf5-library.ts";

/** A graph as this file needs it: vocabulary columns and their names apart. */
export interface GraphTable {
  readonly nodeCount: number;
  /** `[nodes, 5]` as above. */
  readonly nodeKeys: readonly string[];
  readonly nodeData: readonly GraphColumn[];
  readonly interface: EdgeTable;
  readonly internal: EdgeTable;
  readonly clusters0: Int32Array;
  readonly clusters1: Int32Array;
}

export interface EdgeTable {
  readonly source: Int32Array;
  readonly target: Int32Array;
  readonly data: readonly GraphColumn[];
}

export interface GraphColumn {
  readonly name: string;
  /** Of one node or edge; [] for a number. */
  readonly shape: readonly number[];
  readonly data: Hdf5Data;
}

const KEY_FIELDS = 5;

/** Writes one pose's group. `name` is escaped and not taken; `id` is the pose's own. */
export function writeGraph(output: Hdf5Output, name: string, id: string, graph: GraphTable): void {
  const root = `/${name}`;
  const { nodeCount, nodeKeys } = graph;
  output.createGroup(name);
  output.setText(root, "original_id", id);
  output.write(`${root}/nodes`, [nodeCount, KEY_FIELDS], textsOf(nodeKeys));
  output.createGroup(`${name}/node_data`);
  for (const column of graph.nodeData) {
    output.write(`${root}/node_data/${column.name}`, [nodeCount, ...column.shape], column.data);
  }
  for (const [prefix, edges] of [
    ["", graph.interface],
    ["internal_", graph.internal],
  ] as const) {
    const { source, target, data } = edges;
    const ends = Array.from(source, (from, i) => [from, target[i]!]).flat();
    const keys = ends.flatMap((node) => nodeKeys.slice(node * KEY_FIELDS, (node + 1) * KEY_FIELDS));
    const index = Int32Array.from(ends);
    output.write(`${root}/${prefix}edges`, [source.length, 2, KEY_FIELDS], textsOf(keys));
    output.write(`${root}/${prefix}edge_index`, [source.length, 2], index);
    output.createGroup(`${name}/${prefix}edge_data`);
    for (const column of data) {
      const path = `${root}/${prefix}edge_data/${column.name}`;
      output.write(path, [source.length, ...column.shape], column.data);
    }
  }
  output.createGroup(`${name}/score`);
  output.createGroup(`${name}/clustering`);
  output.createGroup(`${name}/clustering/mcl`);
  for (const [depth, ids] of [graph.clusters0, graph.clusters1].entries()) {
    const wide = BigInt64Array.from(ids, BigInt);
    output.write(`${root}/clustering/mcl/depth_${depth}`, [ids.length], wide);
  }
}

function textsOf(texts: readonly string[]): Hdf5Data {
  return { texts, size: texts.reduce((longest, text) => Math.max(longest, text.length), 1) };
}
