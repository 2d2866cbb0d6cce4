/**
 * The `embed` kind: a protein sequence to vectors of a language model.
 *
 * Owns: its parameters and their canonical form, what an item costs, and the bytes of a row.
 * Invariant: equal canonical parameters and equal items mean equal rows; what cannot change a row
 * (a length limit that only refuses) is not in the canonical form. Deliberately not here: what a
 * canonical sequence is (sequence.ts) and any inference (engine/).
 */
import { strict as assert } from "node:assert";
import { endianness } from "node:os";
import { z } from "zod";
import { RaysidueError } from "../base/errors.ts";
import { toFloat16 } from "../formats/table/float16.ts";
import type { LocatedModel } from "../model/locate.ts";
import type { RowLayout, VectorColumn } from "./kind.ts";

// Rows are little-endian typed arrays as they stand in memory.
assert(endianness() === "LE", "raysidue needs a little-endian machine");

/** In the order of a row's columns. All are over residues only, but for `bos`. */
export const POOLS = ["mean", "max", "bos"] as const;
export type Pool = (typeof POOLS)[number];

/** First and last token of a sequence: `[CLS]`/`[SEP]` or `<cls>`/`<eos>`. */
export const SPECIAL_TOKENS = 2;

const LENGTH_MAX = 1_000_000;

/** What a user may say; everything has a default. */
export const EMBED_PARAMETERS = z
  .strictObject({
    /** `mean`, `max`: over residues; `bos`: the vector of the first special token. */
    pools: z.array(z.enum(POOLS)).max(POOLS.length).default(["mean"]),
    /** One number a residue: the mean of its vector's numbers, in float32. */
    scalar: z.boolean().default(false),
    /** The vector of each residue. */
    perResidue: z.boolean().default(false),
    /** Hidden state: 0 the embedding, N the output of block N; -1 the last. */
    layer: z.number().int().min(-LENGTH_MAX).max(LENGTH_MAX).default(-1),
    dtype: z.enum(["float32", "float16"]).default("float32"),
    /** What a sequence over `maxLength` gets. Truncation happens before the engine sees it. */
    onLong: z.enum(["error", "truncate", "window"]).default("error"),
    /** In residues; absent: what the model was made for. */
    maxLength: z.number().int().min(1).max(LENGTH_MAX).optional(),
    /** Residues that neighbouring windows share. */
    windowOverlap: z.number().int().min(0).max(LENGTH_MAX).optional(),
  })
  .refine((value) => !(value.scalar && value.perResidue), {
    message: "scalar and perResidue exclude one another: a row has one per-residue column",
  })
  .refine((value) => value.pools.length > 0 || value.scalar || value.perResidue, {
    message: "nothing to compute: no pool, and neither scalar nor perResidue",
  });
export type EmbedInput = z.input<typeof EMBED_PARAMETERS>;

/** What the canonical form and with it the content key hold. */
const CANONICAL = z.strictObject({
  dtype: z.enum(["float32", "float16"]),
  /** 0 .. the model's layer count. */
  layer: z.number().int().min(0),
  perResidue: z.enum(["none", "scalar", "vector"]),
  /** Distinct, in the order of POOLS. */
  pools: z.array(z.enum(POOLS)),
  /** Longer sequences are run in windows of `length` residues. */
  window: z
    .strictObject({ length: z.number().int().min(1), overlap: z.number().int().min(0) })
    .nullable(),
});
export type EmbedParameters = Readonly<z.infer<typeof CANONICAL>>;

/** What the kind must know of a model. */
export interface EmbedModel {
  /** Blocks; the emulated engine has 0. */
  readonly layerCount: number;
  /** Residues the model was made for, or null for no limit. */
  readonly maxResidues: number | null;
  /** Whether a longer sequence cannot be run at all: learned positions. */
  readonly isLimitHard: boolean;
}

export function embedModelOf(model: LocatedModel): EmbedModel {
  const layerCount = model.config?.layerCount ?? 0;
  return { layerCount, maxResidues: model.maxResidues, isLimitHard: model.kind === "bert" };
}

export interface ResolvedEmbed {
  readonly parameters: EmbedParameters;
  readonly onLong: "error" | "truncate" | "window";
  /** Longest sequence in residues that is run whole, or null for no limit. */
  readonly maxLength: number | null;
}

const usage = (text: string) => new RaysidueError("usage", text);

/** Checks a user's parameters against a model. Throws RaysidueError "usage" that says what to change. */
export function resolveEmbed(input: EmbedInput, model: EmbedModel): ResolvedEmbed {
  const parsed = EMBED_PARAMETERS.safeParse(input);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const where = issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
    throw usage(`parameters of embed: ${where}${issue.message}`);
  }
  const { pools, scalar, perResidue, layer, dtype, onLong, windowOverlap } = parsed.data;
  const maxLength = parsed.data.maxLength ?? model.maxResidues;
  if (model.isLimitHard && maxLength !== null && maxLength > (model.maxResidues ?? maxLength)) {
    throw usage(
      `maximum length ${maxLength}: the model has positions for ${model.maxResidues} residues`,
    );
  }
  const parameters: EmbedParameters = {
    dtype,
    layer: resolveLayer(layer, model.layerCount),
    perResidue: scalar ? "scalar" : perResidue ? "vector" : "none",
    pools: POOLS.filter((pool) => pools.includes(pool)),
    window: onLong === "window" ? windowOf(maxLength, windowOverlap) : null,
  };
  return { parameters, onLong, maxLength };
}

function resolveLayer(layer: number, layerCount: number): number {
  const resolved = layer < 0 ? layerCount + 1 + layer : layer;
  if (resolved >= 0 && resolved <= layerCount) return resolved;
  throw usage(
    `layer ${layer}: the model has layers 0 (embedding) to ${layerCount}, or -1 to ${-layerCount - 1} from the end`,
  );
}

/** An eighth: enough context at the seams, at 14 % more work. */
const OVERLAP_SHARE = 8;

function windowOf(
  maxLength: number | null,
  overlap: number | undefined,
): EmbedParameters["window"] {
  if (maxLength === null) throw usage("windows need a maximum length; say how many residues");
  const shared = overlap ?? Math.floor(maxLength / OVERLAP_SHARE);
  if (shared >= maxLength) {
    throw usage(`window overlap ${shared} must be less than the window's ${maxLength} residues`);
  }
  return { length: maxLength, overlap: shared };
}

/** The parameters as they enter content keys: JSON with sorted keys and no optional parts. */
export function canonicalJson(parameters: EmbedParameters): string {
  const { dtype, layer, perResidue, pools, window } = parameters;
  const spans = window && { length: window.length, overlap: window.overlap };
  return JSON.stringify({ dtype, layer, perResidue, pools, window: spans });
}

/** Reads what `canonicalJson` wrote. Throws RaysidueError "bad-input". */
export function parseCanonical(text: string): EmbedParameters {
  try {
    return CANONICAL.parse(JSON.parse(text));
  } catch (thrown) {
    const said =
      "parameters of embed are not in canonical form; do driver and worker have one version?";
    throw new RaysidueError("bad-input", said, { cause: thrown });
  }
}

/**
 * The windows of a sequence of `length` residues, `[start, end)`. All windows of one sequence are
 * equally long; the last one ends with the sequence and so may overlap more than asked.
 */
export function windowsOf(length: number, parameters: EmbedParameters): [number, number][] {
  const { window } = parameters;
  if (window === null || length <= window.length) return [[0, length]];
  const stride = window.length - window.overlap;
  const windows: [number, number][] = [];
  for (let start = 0; ; start += stride) {
    if (start + window.length >= length) {
      windows.push([length - window.length, length]);
      return windows;
    }
    windows.push([start, start + window.length]);
  }
}

/** What the scheduler weighs: tokens that the model sees of a sequence of `length` residues. */
export function costOf(length: number, parameters: EmbedParameters): number {
  const { window } = parameters;
  if (window === null || length <= window.length) return length + SPECIAL_TOKENS;
  const stride = window.length - window.overlap;
  const count = Math.ceil((length - window.length) / stride) + 1;
  return count * (window.length + SPECIAL_TOKENS);
}

/** The columns of a row of a model whose vectors have `dim` numbers. */
export function rowLayout(parameters: EmbedParameters, dim: number): RowLayout {
  const { dtype, pools, perResidue } = parameters;
  const column = (name: string, width: number): VectorColumn => ({ name, dtype, dim: width });
  const pooled = pools.map((pool) => column(pool, dim));
  if (perResidue === "none") return { pooled };
  const residues = perResidue === "scalar" ? column("scalar", 1) : column("residues", dim);
  return { pooled, perResidue: residues };
}

const widthBytes = (column: VectorColumn) => column.dim * (column.dtype === "float32" ? 4 : 2);

/** Bytes of a row's payload for a sequence of `length` residues. */
export function rowBytes(layout: RowLayout, length: number): number {
  const pooled = layout.pooled.reduce((sum, column) => sum + widthBytes(column), 0);
  return pooled + (layout.perResidue === undefined ? 0 : widthBytes(layout.perResidue) * length);
}

/** float32, or the raw bits of float16; the layout's dtype says which. */
export type RowValues = Float32Array | Uint16Array;

export interface Row {
  /** As `layout.pooled`, each `[dim]`. */
  readonly pooled: readonly RowValues[];
  /** `[length, dim]`, row-major. */
  readonly perResidue?: RowValues;
}

/** Writes float32 `values` as the dtype of `column` at `offset`; returns the offset behind them. */
export function writeColumn(
  target: Uint8Array,
  offset: number,
  column: Pick<VectorColumn, "dtype">,
  values: Float32Array,
): number {
  const typed = column.dtype === "float32" ? values : toFloat16(values);
  target.set(new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength), offset);
  return offset + typed.byteLength;
}

/**
 * A row's columns as typed arrays; views into `payload` where its alignment allows it.
 * Throws RaysidueError "bad-input" where the payload has another size than layout and length say.
 */
export function decodeRow(layout: RowLayout, length: number, payload: Uint8Array): Row {
  const expected = rowBytes(layout, length);
  if (payload.byteLength !== expected) {
    const said = `a row of ${payload.byteLength} bytes, expected ${expected} for ${length} residues`;
    throw new RaysidueError(
      "bad-input",
      `${said}; verify the cache with \`raysidue cache verify\``,
    );
  }
  let offset = 0;
  const take = (column: VectorColumn, rows: number): RowValues => {
    const bytes = payload.subarray(offset, offset + widthBytes(column) * rows);
    offset += bytes.byteLength;
    const Values = column.dtype === "float32" ? Float32Array : Uint16Array;
    const aligned = bytes.byteOffset % Values.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
    return new Values(aligned.buffer as ArrayBuffer, aligned.byteOffset, column.dim * rows);
  };
  const pooled = layout.pooled.map((column) => take(column, 1));
  if (layout.perResidue === undefined) return { pooled };
  return { pooled, perResidue: take(layout.perResidue, length) };
}
