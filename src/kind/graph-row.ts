/**
 * A pose's graph as bytes: what a row of the `score` kind holds besides where graphs are kept.
 *
 * Owns: the layout (below). Invariant: every number comes back as it was; what follows from a
 * residue's or atom's type is not stored. Deliberately not here: files for other programs
 * (formats/table/graph-hdf5.ts).
 *
 *     nodes, interface edges, internal edges, clusters (u32 each) | a column a field of the nodes |
 *     of the interface edges | of the internal edges | cluster ids i32 of nodes | of clusters
 */
import { RaysidueError } from "../base/errors.ts";
import { ColumnReader, joinColumns } from "../formats/columns.ts";
import type { PoseEdges, PoseGraph } from "../science/graph.ts";
import type { PreparedComplex } from "../science/prepare.ts";

export interface NodeColumns {
  readonly count: number;
  /** 0 antibody, 1 antigen. */
  readonly chain: Uint8Array;
  /** Of the residue in its chain, from 1. */
  readonly number: Int32Array;
  /** Of the atom in the prepared complex, from 1. */
  readonly serial: Int32Array;
  /** Columns of the vocabularies in science/residues.ts. */
  readonly atomType: Uint8Array;
  readonly residueType: Uint8Array;
  readonly region: Uint8Array;
  /** `[count, 3] float64`, row-major, angstrom. */
  readonly position: Float64Array;
  /** Square angstrom. */
  readonly buriedArea: Float64Array;
  readonly embedding: Float32Array;
}

/** `[edges]` each; see PoseEdges. */
export type EdgeColumns = PoseEdges;

export interface GraphColumns {
  readonly nodes: NodeColumns;
  readonly interface: EdgeColumns;
  readonly internal: EdgeColumns;
  readonly clusters0: Int32Array;
  readonly clusters1: Int32Array;
}

/** The graph of a prepared complex, in columns. */
export function graphColumns(graph: PoseGraph, complex: PreparedComplex): GraphColumns {
  const { nodes } = graph;
  const residue = (r: number) => complex.residues[r]!;
  return {
    nodes: {
      count: nodes.length,
      chain: Uint8Array.from(nodes, (node) => residue(node.residue).chain),
      number: Int32Array.from(nodes, (node) => residue(node.residue).number),
      serial: Int32Array.from(nodes, ({ atom }) => atom + 1),
      atomType: Uint8Array.from(nodes, ({ atomType }) => atomType),
      residueType: Uint8Array.from(nodes, ({ residueType }) => residueType),
      region: Uint8Array.from(nodes, ({ region }) => region),
      position: Float64Array.from(nodes.flatMap(({ x, y, z }) => [x, y, z])),
      buriedArea: Float64Array.from(nodes, ({ buriedArea }) => buriedArea),
      embedding: Float32Array.from(nodes, ({ embedding }) => embedding),
    },
    interface: graph.interface,
    internal: graph.internal,
    clusters0: graph.clusters0.ids,
    clusters1: graph.clusters1.ids,
  };
}

export function encodeGraph(columns: GraphColumns): Uint8Array {
  const { nodes, internal, clusters0, clusters1 } = columns;
  const between = columns.interface;
  const counts = [nodes.count, between.source.length, internal.source.length, clusters1.length];
  const edges = (of: EdgeColumns) => [
    of.source,
    of.target,
    of.distance,
    of.electrostatic,
    of.vanDerWaals,
    of.covalent,
    of.contactArea,
    of.orientation,
  ];
  const { chain, number, serial, atomType, residueType, region, position } = nodes;
  return joinColumns([
    Uint32Array.from(counts),
    ...[chain, number, serial, atomType, residueType, region, position],
    ...[nodes.buriedArea, nodes.embedding],
    ...edges(between),
    ...edges(internal),
    ...[clusters0, clusters1],
  ]);
}

/** Reads what `encodeGraph` wrote. Throws RaysidueError "bad-input" for anything else. */
export function decodeGraph(bytes: Uint8Array): GraphColumns {
  const reader = new ColumnReader(bytes, broken);
  const [count = 0, betweenCount = 0, internalCount = 0, clusterCount = 0] = reader.take(
    Uint32Array,
    4,
  );
  const nodes: NodeColumns = {
    count,
    chain: reader.take(Uint8Array, count),
    number: reader.take(Int32Array, count),
    serial: reader.take(Int32Array, count),
    atomType: reader.take(Uint8Array, count),
    residueType: reader.take(Uint8Array, count),
    region: reader.take(Uint8Array, count),
    position: reader.take(Float64Array, 3 * count),
    buriedArea: reader.take(Float64Array, count),
    embedding: reader.take(Float32Array, count),
  };
  const edges = (length: number): EdgeColumns => ({
    source: reader.take(Int32Array, length),
    target: reader.take(Int32Array, length),
    distance: reader.take(Float64Array, length),
    electrostatic: reader.take(Float64Array, length),
    vanDerWaals: reader.take(Float64Array, length),
    covalent: reader.take(Uint8Array, length),
    contactArea: reader.take(Float64Array, length),
    orientation: reader.take(Float32Array, 3 * length),
  });
  const graph: GraphColumns = {
    nodes,
    interface: edges(betweenCount),
    internal: edges(internalCount),
    clusters0: reader.take(Int32Array, count),
    clusters1: reader.take(Int32Array, clusterCount),
  };
  reader.end();
  return graph;
}

function broken(): RaysidueError {
  const said = "a row holds no graph; verify the cache with `raysidue cache verify`";
  return new RaysidueError("bad-input", said);
}
