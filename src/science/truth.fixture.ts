/** The original's results for nine poses (test/data/deeprank), and how to prepare each pose. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { readPdb } from "../formats/structure/pdb.ts";
import type { Structure } from "../formats/structure/structure.ts";
import type { ChainChoice } from "./chains.ts";
import type { Annotations } from "./graph.ts";
import { type PreparedComplex, prepareComplex } from "./prepare.ts";
import type { Region } from "./residues.ts";

const DATA = new URL("../../../test/data/deeprank/", import.meta.url);

export const TRUTH_NAMES = [
  "1VFB",
  "3MJ9",
  "3RVW",
  "4G6J",
  "4G6M_models",
  "5C7X",
  "5E5M",
  "6EY6",
  "test",
] as const;

type Residue = [number, string, string, string, number, string, string, number];
/** Source, target, dist, elec, vdw, covalent, area, direction. */
type Edge = [number, number, number, number, number, number, number, number, number, number];
type Node = [
  string,
  number,
  string,
  number,
  string,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

export interface Truth {
  readonly source: {
    readonly heavy: string;
    readonly light: string | null;
    readonly antigen_chains_input: readonly string[];
  };
  readonly sequences: {
    readonly H: string;
    readonly L: string;
    readonly antibody_esm: string;
    readonly antigen_esm: string;
  };
  readonly residues: { readonly A: readonly Residue[]; readonly B: readonly Residue[] };
  readonly cdr: readonly [number, string, Region][];
  readonly fake_scalars: { readonly A: readonly number[]; readonly B: readonly number[] };
  readonly nodes: readonly Node[];
  readonly interface_edges: readonly Edge[];
  readonly internal_edges: readonly Edge[];
  /** Chain, number, name, in complex, alone, buried, alone and buried with consistent radii. */
  readonly contact_residue_sasa: readonly [
    string,
    number,
    string,
    number,
    number,
    number,
    number,
    number,
  ][];
  readonly clusters: { readonly depth_0: readonly number[]; readonly depth_1: readonly number[] };
  readonly vdw_clash: { readonly outlier_fraction: number };
  readonly output: { readonly dockq: number; readonly variant_embedding_zero: number };
}

export interface TruthCase {
  readonly truth: Truth;
  readonly structure: Structure;
  readonly complex: PreparedComplex;
  readonly annotations: Annotations;
}

function unpack(name: string): Buffer {
  return gunzipSync(readFileSync(new URL(name, DATA)));
}

/** The first structure of a file, its truth, and the pose prepared as the original does. */
export async function loadTruth(name: string): Promise<TruthCase> {
  const truth = JSON.parse(unpack(`${name}.json.gz`).toString()) as Truth;
  const { heavy, light, antigen_chains_input: antigen } = truth.source;
  const choice: ChainChoice = { heavy, antigen, ...(light === null ? {} : { light }) };
  const structure = await firstStructure(`${name}.pdb.gz`);
  const complex = prepareComplex(structure, choice, "original");
  const annotations = {
    regions: truth.cdr.map(([, , region]) => region),
    antibodyScalars: Float32Array.from(truth.fake_scalars.A),
    antigenScalars: Float32Array.from(truth.fake_scalars.B),
  };
  return { truth, structure, complex, annotations };
}

async function firstStructure(file: string): Promise<Structure> {
  async function* bytes() {
    yield unpack(file);
  }
  for await (const record of readPdb(bytes(), file)) {
    if (record.kind === "fault") throw record.fault.error;
    return record.structure;
  }
  throw new Error(`${file} is empty`);
}
