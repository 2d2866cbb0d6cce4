/**
 * The `score` kind: a docking pose to its predicted quality (DockQ).
 *
 * Owns: its parameters and their canonical form, what is added to a pose on its way to an engine,
 * what it costs, and the bytes of a row. Invariant: a row depends on the pose, the network and the
 * parameters. Annotations are no part of an item: they follow from its sequences, and parameters
 * name what made them; so a known score needs no annotation. Deliberately not here: a pose's bytes
 * (pose-item.ts) and any computation (engine/).
 */
import { z } from "zod";
import { RaysidueError } from "../base/errors.ts";
import { GRAPH_REVISION, type GraphOptions } from "../science/graph.ts";
import type { PairingFlag } from "../science/pairing.ts";

/** What a user may say. The defaults are the original's. */
export const SCORE_PARAMETERS = z.strictObject({
  /** `original`: residues behind an inner hetero residue get wrong labels; `residues` mends it. */
  align: z.enum(["original", "residues"]).default("original"),
  /** `com`: the centre of mass is moved to the origin, on which scores depend. */
  centre: z.enum(["file", "com"]).default("file"),
  /** `original`: lone chains' areas with elements' radii only; `consistent`: one set of radii. */
  radii: z.enum(["original", "consistent"]).default("original"),
});
export type ScoreInput = z.input<typeof SCORE_PARAMETERS>;

const CANONICAL = z.strictObject({
  align: z.enum(["original", "residues"]),
  centre: z.enum(["file", "com"]),
  /** What made the residues' scalars: "none", or model and fingerprint. */
  embedding: z.string(),
  /** How graphs are computed. */
  revision: z.literal(GRAPH_REVISION),
  /** Rows hold the graph too; absent from runs that keep none. */
  graph: z.literal("kept").optional(),
  radii: z.enum(["original", "consistent"]),
  /** What made the region labels, with its version. */
  regions: z.string(),
});
export type ScoreParameters = Readonly<z.infer<typeof CANONICAL>>;

/** Checks a user's parameters. Throws RaysidueError "usage". */
export function resolveScore(
  input: ScoreInput,
  sources: Pick<ScoreParameters, "embedding" | "regions">,
): ScoreParameters {
  const parsed = SCORE_PARAMETERS.safeParse(input);
  if (parsed.success) return { ...parsed.data, ...sources, revision: GRAPH_REVISION };
  const issue = parsed.error.issues[0]!;
  const text = `parameters of score: ${issue.path.join(".")}: ${issue.message}`;
  throw new RaysidueError("usage", text);
}

/** The parameters as they enter content keys: JSON with sorted keys. */
export function canonicalScoreJson(parameters: ScoreParameters): string {
  const { align, centre, embedding, graph, radii, regions, revision } = parameters;
  const kept = graph && { graph };
  return JSON.stringify({ align, centre, embedding, ...kept, radii, regions, revision });
}

/** Reads what `canonicalScoreJson` wrote. Throws RaysidueError "bad-input". */
export function parseScoreParameters(text: string): ScoreParameters {
  try {
    return CANONICAL.parse(JSON.parse(text));
  } catch (thrown) {
    const said =
      "parameters of score are not in canonical form; do driver and worker have one version?";
    throw new RaysidueError("bad-input", said, { cause: thrown });
  }
}

export function graphOptionsOf({ align, centre, radii }: ScoreParameters): GraphOptions {
  return { scalarsBy: align === "original" ? "number" : "position", centre, radii };
}

/** Atoms that weigh as much as a token: so a pose of 4,000 atoms weighs as a long sequence. */
const ATOMS_A_TOKEN = 8;

/** What the scheduler weighs of a pose of so many atoms. */
export function poseCost(atomCount: number): number {
  return Math.max(1, Math.ceil(atomCount / ATOMS_A_TOKEN));
}

/** What is known of a pose's sequences; see `antibodySequences` for what their residues are. */
export interface PoseAnnotations {
  /** A character a residue (science/regions.ts); "" where nothing is known. */
  readonly heavy: string;
  readonly light: string;
  /** `[residues] float32` of heavy and light together, and of the antigen; empty for zeros. */
  readonly antibodyScalars: Float32Array;
  readonly antigenScalars: Float32Array;
  /** Why a sequence could not be annotated or embedded, so that no score means anything; or "". */
  readonly problem: string;
}

/** Sizes, u32: pose, heavy, light, antibody's and antigen's scalars, problem; then each. */
const DRESS_NUMBERS = 6;

/** A pose and its annotations as an engine gets them. */
export function dressPose(pose: Uint8Array, annotations: PoseAnnotations): Uint8Array {
  const { heavy, light, antibodyScalars, antigenScalars } = annotations;
  const problem = Buffer.from(annotations.problem);
  const sizes = [
    pose.length,
    heavy.length,
    light.length,
    antibodyScalars.length,
    antigenScalars.length,
    problem.length,
  ];
  return Buffer.concat([
    new Uint8Array(Uint32Array.from(sizes).buffer),
    pose,
    Buffer.from(heavy, "latin1"),
    Buffer.from(light, "latin1"),
    new Uint8Array(Float32Array.from(antibodyScalars).buffer),
    new Uint8Array(Float32Array.from(antigenScalars).buffer),
    problem,
  ]);
}

/** Reads what `dressPose` wrote. Throws RaysidueError "bad-input". */
export function undressPose(data: Uint8Array): { pose: Uint8Array; annotations: PoseAnnotations } {
  const headBytes = 4 * DRESS_NUMBERS;
  const [pose = 0, heavy = 0, light = 0, antibody = 0, antigen = 0, problem = 0] =
    data.length < headBytes
      ? []
      : new Uint32Array(Uint8Array.from(data.subarray(0, headBytes)).buffer);
  const sizes = [pose, heavy, light, 4 * antibody, 4 * antigen, problem];
  if (sizes.reduce((sum, size) => sum + size, headBytes) !== data.length) {
    const said = "an item is no annotated pose; do driver and worker have one version?";
    throw new RaysidueError("bad-input", said);
  }
  let at = headBytes;
  const parts = sizes.map((size) => {
    at += size;
    return data.subarray(at - size, at);
  });
  const text = (part: Uint8Array) => Buffer.from(part).toString("latin1");
  const floats = (part: Uint8Array) => new Float32Array(Uint8Array.from(part).buffer);
  return {
    pose: parts[0]!,
    annotations: {
      heavy: text(parts[1]!),
      light: text(parts[2]!),
      antibodyScalars: floats(parts[3]!),
      antigenScalars: floats(parts[4]!),
      problem: Buffer.from(parts[5]!).toString(),
    },
  };
}

/** A pose's result. */
export interface PoseScore {
  /** The network's prediction of DockQ, float32, neither scaled nor cut: it can exceed 1. */
  readonly score: number;
  readonly pairing: PairingFlag;
  /** Share of interface edges with an unusual energy. */
  readonly clashFraction: number;
  /** From the centre of mass to the origin of the file's coordinates, angstrom. */
  readonly offCentre: number;
  readonly nodeCount: number;
  readonly edgeCount: number;
  /** What a reader of scores should know of the structure. */
  readonly notes: readonly string[];
}

const PAIRINGS: readonly PairingFlag[] = ["ok", "low_HL_contacts", "not_applicable"];

/** score f32 | clash fraction f32 | off centre f32 | nodes u32 | edges u32 | pairing u8 | notes */
const ROW_HEAD_BYTES = 21;
const NOTES = z.array(z.string());

/** The bytes of a row; notes are JSON. */
export function encodeScore(row: PoseScore): Uint8Array {
  const head = Buffer.alloc(ROW_HEAD_BYTES);
  head.writeFloatLE(row.score, 0);
  head.writeFloatLE(row.clashFraction, 4);
  head.writeFloatLE(row.offCentre, 8);
  head.writeUInt32LE(row.nodeCount, 12);
  head.writeUInt32LE(row.edgeCount, 16);
  head.writeUInt8(PAIRINGS.indexOf(row.pairing), 20);
  return Buffer.concat([head, Buffer.from(JSON.stringify(row.notes))]);
}

/** Reads a row. Throws RaysidueError "bad-input" where it is none. */
export function decodeScore(payload: Uint8Array): PoseScore {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  try {
    const pairing = PAIRINGS[bytes.readUInt8(20)];
    if (pairing === undefined) throw new RangeError("pairing");
    return {
      score: bytes.readFloatLE(0),
      clashFraction: bytes.readFloatLE(4),
      offCentre: bytes.readFloatLE(8),
      nodeCount: bytes.readUInt32LE(12),
      edgeCount: bytes.readUInt32LE(16),
      pairing,
      notes: NOTES.parse(JSON.parse(bytes.toString("utf8", ROW_HEAD_BYTES))),
    };
  } catch (thrown) {
    const said = "a row of score is malformed; verify the cache with `raysidue cache verify`";
    throw new RaysidueError("bad-input", said, { cause: thrown });
  }
}

/** The bytes of a row that holds the graph too: size of the score's u32 | score | graph. */
export function joinRow(score: Uint8Array, graph: Uint8Array): Uint8Array {
  return Buffer.concat([new Uint8Array(Uint32Array.of(score.length).buffer), score, graph]);
}

/** The parts of a row of a run with these parameters; without graphs, all of it is the score's. */
export function splitRow(
  payload: Uint8Array,
  { graph }: Pick<ScoreParameters, "graph">,
): { readonly score: PoseScore; readonly graph: Uint8Array | undefined } {
  if (graph === undefined) return { score: decodeScore(payload), graph: undefined };
  const size = payload.length < 4 ? 0 : Buffer.from(payload.subarray(0, 4)).readUInt32LE();
  return { score: decodeScore(payload.subarray(4, 4 + size)), graph: payload.subarray(4 + size) };
}
