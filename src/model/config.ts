/**
 * A model's config.json, checked.
 *
 * Owns: which architectures are supported and the fields an engine needs, in plain types.
 * Invariant: a config that parses describes a network that the engine's graphs compute exactly;
 * whatever would silently change results is refused. Deliberately not here: tensors (checkpoint.ts).
 */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { fromSystemError, RaysidueError } from "../base/errors.ts";

interface TransformerConfig {
  /** Transformer blocks. */
  readonly layerCount: number;
  /** Width of the residual stream; the dimension of every embedding. */
  readonly hiddenSize: number;
  readonly headCount: number;
  /** Width inside the feed-forward part. */
  readonly intermediateSize: number;
  readonly layerNormEps: number;
  /** Rows of the word embedding. */
  readonly vocabularySize: number;
  /** Rows of the position embedding; for rotary models the length of training. */
  readonly positionsMax: number;
  readonly padTokenId: number;
}

/** Post-layer-norm, learned absolute positions, exact (erf) GELU. */
export interface BertConfig extends TransformerConfig {
  readonly kind: "bert";
  readonly tokenTypeCount: number;
}

/** Pre-layer-norm, rotary positions, exact (erf) GELU. */
export interface EsmConfig extends TransformerConfig {
  readonly kind: "esm";
  readonly maskTokenId: number;
  /** Embeddings are scaled by 0.88 / (1 - share of mask tokens), at inference as well. */
  readonly isTokenDropout: boolean;
  readonly isEmbeddingLayerNormed: boolean;
}

export type ModelConfig = BertConfig | EsmConfig;

const SUPPORTED =
  "supported are model_type bert (absolute positions) and esm (rotary positions, ESM-2), both with hidden_act gelu";

// Far beyond any real model (ESM-2 15B: 5120 wide, 48 layers); keeps products of two exact.
const extent = z.number().int().min(1).max(1_000_000);
const tokenId = z.number().int().min(0).max(1_000_000);

const COMMON = {
  num_hidden_layers: extent.max(1000),
  hidden_size: extent,
  num_attention_heads: extent,
  intermediate_size: extent,
  layer_norm_eps: z.number().positive().max(1),
  vocab_size: extent,
  max_position_embeddings: extent,
  hidden_act: z.literal("gelu"),
};

const BERT_JSON = z.object({
  ...COMMON,
  layer_norm_eps: COMMON.layer_norm_eps.default(1e-12),
  hidden_act: COMMON.hidden_act.default("gelu"),
  pad_token_id: tokenId.nullish().transform((id) => id ?? 0),
  type_vocab_size: extent.default(2),
  position_embedding_type: z.literal("absolute").default("absolute"),
});

const ESM_JSON = z.object({
  ...COMMON,
  layer_norm_eps: COMMON.layer_norm_eps.default(1e-12),
  hidden_act: COMMON.hidden_act.default("gelu"),
  pad_token_id: tokenId.nullish().transform((id) => id ?? 1),
  mask_token_id: tokenId.nullish().transform((id) => id ?? 32),
  // transformers' own default is absolute (ESM-1b); a file that says nothing means that.
  position_embedding_type: z.literal("rotary"),
  token_dropout: z
    .boolean()
    .nullish()
    .transform((is) => is ?? false),
  emb_layer_norm_before: z
    .boolean()
    .nullish()
    .transform((is) => is ?? false),
  is_folding_model: z.literal(false).nullish(),
});

/** A config.json of 1 MB is no config. */
const CONFIG_BYTES_MAX = 1_000_000;

/**
 * Reads and checks `path` (a config.json). Throws RaysidueError "bad-input" naming the path, the
 * field, and what is supported.
 */
export async function readModelConfig(path: string): Promise<ModelConfig> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot read ${path}`);
  }
  return parseModelConfig(text, path);
}

/** As readModelConfig, for text that was read from `where`. */
export function parseModelConfig(text: string, where: string): ModelConfig {
  let json: unknown;
  try {
    if (text.length > CONFIG_BYTES_MAX) throw new Error("too long");
    json = JSON.parse(text);
  } catch (thrown) {
    throw new RaysidueError("bad-input", `${where}: no JSON of a model's configuration`, {
      cause: thrown,
    });
  }
  const type = (json as { model_type?: unknown } | null)?.model_type;
  const config =
    type === "bert"
      ? bertOf(parseWith(BERT_JSON, json, where))
      : type === "esm"
        ? esmOf(parseWith(ESM_JSON, json, where))
        : undefined;
  if (config === undefined) {
    const said = `${where}: model_type ${JSON.stringify(type)} is not supported`;
    throw new RaysidueError("bad-input", `${said}; ${SUPPORTED}`);
  }
  checkExtents(config, where);
  return config;
}

function parseWith<T>(schema: z.ZodType<T>, json: unknown, where: string): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const field = issue.path.join(".");
  throw new RaysidueError("bad-input", `${where}: ${field}: ${issue.message}; ${SUPPORTED}`, {
    cause: parsed.error,
  });
}

function commonOf(json: z.infer<typeof BERT_JSON> | z.infer<typeof ESM_JSON>): TransformerConfig {
  return {
    layerCount: json.num_hidden_layers,
    hiddenSize: json.hidden_size,
    headCount: json.num_attention_heads,
    intermediateSize: json.intermediate_size,
    layerNormEps: json.layer_norm_eps,
    vocabularySize: json.vocab_size,
    positionsMax: json.max_position_embeddings,
    padTokenId: json.pad_token_id,
  };
}

function bertOf(json: z.infer<typeof BERT_JSON>): BertConfig {
  return { kind: "bert", ...commonOf(json), tokenTypeCount: json.type_vocab_size };
}

function esmOf(json: z.infer<typeof ESM_JSON>): EsmConfig {
  return {
    kind: "esm",
    ...commonOf(json),
    maskTokenId: json.mask_token_id,
    isTokenDropout: json.token_dropout,
    isEmbeddingLayerNormed: json.emb_layer_norm_before,
  };
}

function checkExtents(config: ModelConfig, where: string): void {
  const refuse = (text: string) => new RaysidueError("bad-input", `${where}: ${text}`);
  if (config.hiddenSize % config.headCount !== 0) {
    throw refuse(`hidden_size ${config.hiddenSize} is no multiple of ${config.headCount} heads`);
  }
  if (config.kind === "esm" && (config.hiddenSize / config.headCount) % 2 !== 0) {
    throw refuse("rotary positions need heads of even width");
  }
  if (config.positionsMax < 5) throw refuse("max_position_embeddings leaves no room for a residue");
}
