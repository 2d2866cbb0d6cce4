/**
 * Graphs of poses -> HDF5 files of a bounded size, and a table of what is where.
 *
 * Owns: where one file ends and the next begins, and what a pose's group is called: its name,
 * escaped as in hdf5.ts, with `%~2` where it comes again in the same file. Invariant: memory is one
 * graph and the names of one file.
 */
import { join } from "node:path";
import { commitTemporary } from "../../formats/atomic-file.ts";
import { type EdgeTable, type GraphTable, writeGraph } from "../../formats/table/graph-hdf5.ts";
import { escapeName } from "../../formats/table/hdf5.ts";
import { Hdf5Output } from "../../formats/table/hdf5-library.ts";
import { TsvWriter } from "../../formats/table/tsv.ts";
import { decodeGraph, type EdgeColumns, type NodeColumns } from "../../kind/graph-row.ts";
import {
  ATOM_NAMES,
  hydropathyOf,
  POLARITIES,
  polarityOf,
  REGIONS,
  RESIDUE_NAMES,
} from "../../science/residues.ts";

export const GRAPH_COLUMNS = ["row", "pose", "file", "group"] as const;

/** 300 to 600 KB a pose: files of 150 to 300 MB. */
const POSES_MAX = 512;

export class GraphFiles {
  readonly #folder: string;
  readonly #table: TsvWriter;
  #output: Hdf5Output | undefined;
  #file = "";
  #fileCount = 0;
  /** How often each name was given in the open file. */
  #names = new Map<string, number>();
  #poseCount = 0;

  private constructor(folder: string, table: TsvWriter) {
    this.#folder = folder;
    this.#table = table;
  }

  /** Files in `folder`, which is there and empty. */
  static async create(folder: string): Promise<GraphFiles> {
    return new GraphFiles(
      folder,
      await TsvWriter.create(join(folder, "graphs.tsv"), GRAPH_COLUMNS),
    );
  }

  /** Adds the graph of a pose, as its row has it. Throws RaysidueError. */
  async write(pose: string, row: number, bytes: Uint8Array): Promise<void> {
    if (this.#poseCount === POSES_MAX) await this.#finishFile();
    if (this.#output === undefined) {
      this.#file = `part-${String(this.#fileCount++).padStart(5, "0")}.h5`;
      const path = join(this.#folder, this.#file);
      this.#output = await Hdf5Output.create(path, `cannot write ${path}`);
    }
    const group = this.#nameOf(pose);
    writeGraph(this.#output, group, pose, tableOf(bytes));
    this.#poseCount++;
    await this.#table.write([[row, pose, this.#file, group]]);
  }

  async close(): Promise<void> {
    await this.#finishFile();
    await this.#table.close();
  }

  async abort(): Promise<void> {
    try {
      this.#output?.close();
    } catch {
      // The folder goes away; that the rest of it could not be written does not matter.
    }
    await this.#table.abort();
  }

  #nameOf(pose: string): string {
    const name = escapeName(pose);
    const count = (this.#names.get(name) ?? 0) + 1;
    this.#names.set(name, count);
    return count === 1 ? name : `${name}%~${count}`;
  }

  async #finishFile(): Promise<void> {
    if (this.#output === undefined) return;
    this.#output.close();
    this.#output = undefined;
    this.#names = new Map();
    this.#poseCount = 0;
    const path = join(this.#folder, this.#file);
    await commitTemporary(path, path);
  }
}

function tableOf(bytes: Uint8Array): GraphTable {
  const { nodes, internal, clusters0, clusters1, ...rest } = decodeGraph(bytes);
  return {
    nodeCount: nodes.count,
    nodeKeys: Array.from(nodes.number, (number, i) => [
      "AB"[nodes.chain[i]!]!,
      String(number),
      RESIDUE_NAMES[nodes.residueType[i]!]!,
      String(nodes.serial[i]!),
      ATOM_NAMES[nodes.atomType[i]!]!,
    ]).flat(),
    nodeData: nodeData(nodes),
    interface: edgeTable(rest.interface, "interface"),
    internal: edgeTable(internal, "internal"),
    clusters0,
    clusters1,
  };
}

function nodeData(nodes: NodeColumns): GraphTable["nodeData"] {
  const { residueType, atomType, region } = nodes;
  const polarity = Uint8Array.from(residueType, polarityOf);
  return [
    { name: "chain", shape: [], data: BigInt64Array.from(nodes.chain, BigInt) },
    { name: "pos", shape: [3], data: nodes.position },
    { name: "res_type", ...oneHot(residueType, RESIDUE_NAMES.length) },
    { name: "charge", shape: [], data: Float64Array.from(residueType, hydropathyOf) },
    { name: "polarity", ...oneHot(polarity, POLARITIES.length) },
    { name: "bsa", shape: [1], data: nodes.buriedArea },
    { name: "atom_type", ...oneHot(atomType, ATOM_NAMES.length) },
    { name: "region", ...oneHot(region, REGIONS.length) },
    { name: "embedding", shape: [1], data: nodes.embedding },
  ];
}

function oneHot(columns: Uint8Array, width: number): { shape: number[]; data: Float32Array } {
  const data = new Float32Array(columns.length * width);
  columns.forEach((column, i) => {
    data[i * width + column] = 1;
  });
  return { shape: [width], data };
}

function edgeTable(edges: EdgeColumns, type: "interface" | "internal"): EdgeTable {
  const { source, target } = edges;
  const texts = Array.from(source, () => type);
  return {
    source,
    target,
    data: [
      { name: "dist", shape: [], data: edges.distance },
      { name: "type", shape: [], data: { texts, size: type.length } },
      { name: "voro_area", shape: [], data: edges.contactArea },
      { name: "orientation", shape: [3], data: edges.orientation },
      { name: "elec", shape: [], data: edges.electrostatic },
      { name: "vdw", shape: [], data: edges.vanDerWaals },
      { name: "covalent", shape: [], data: Float64Array.from(edges.covalent) },
    ],
  };
}
