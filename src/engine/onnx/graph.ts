/**
 * What all graphs of protein language models here share: their inputs, outputs, and attention.
 *
 * A call runs sequences that are all equally long. So there is no padding and no attention mask,
 * a token's numbers do not depend on who shares its call, and ONNX Runtime takes its tiled
 * attention, which never holds a `[length, length]` matrix. Measured on AntiBERTy, one thread, with
 * packed weights, tokens/s relative to a GEMM: plain MatMul and Softmax 0.99, this operator 1.02,
 * this operator with a padding mask 0.99, linear layers over packed and attention over padded
 * tokens 1.01. On GPUs attention is plain: on a device with subgroups of 4 lanes (no other could be
 * tried) ONNX Runtime 1.30's kernel for WebGPU gave states off by 0.25 in 6.5, without a word.
 * Linear layers see `[tokens, width]`: Gemm takes `[output, input]` weights unchanged.
 */
import type { CheckpointTensor } from "../../model/checkpoint.ts";
import type { BertConfig, EsmConfig, ModelConfig } from "../../model/config.ts";
import type { GraphBuilder, Value } from "./model-proto.ts";
import type { Weights } from "./weights.ts";

/** Operators that ONNX Runtime adds to the standard. */
export const MICROSOFT = { domain: "com.microsoft" } as const;

/** Names and meanings of the models' inputs; `bert` has no `scale`, `cos`, `sin`, `esm` no `positions`. */
export const INPUTS = {
  /** `[tokens]` int32: token ids of all sequences, one after another. */
  ids: "ids",
  /** `[tokens]` int32: place of each token in its sequence. */
  positions: "positions",
  /** `[3]` int64: sequences, tokens of each, width of the model. */
  shape: "shape",
  /** `[tokens, 1]` float32: what token dropout multiplies each embedding by. */
  scale: "scale",
  /** `[tokens of a sequence, head width / 2]` float32: rotary positions. */
  cos: "cos",
  sin: "sin",
} as const;

/** Name of the one output: `[tokens, width]` float32, the hidden state that was asked for. */
export const HIDDEN = "hidden";

export interface GraphOptions<Config extends ModelConfig = ModelConfig> {
  readonly config: Config;
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** Ancestor of all checkpoint files, to which the session resolves their locations. */
  readonly folder: string;
  /** Hidden state to give: 0 the embedding .. config.layerCount. Later blocks are not built. */
  readonly layer: number;
  /** One operator that never holds a `[length, length]` matrix; otherwise MatMul and Softmax. */
  readonly isAttentionTiled: boolean;
}
export type BertGraphOptions = GraphOptions<BertConfig>;
export type EsmGraphOptions = GraphOptions<EsmConfig>;

/** Applies `rotate` to queries and keys, `[sequences, tokens, width]`, if the model needs that. */
export interface AttentionOptions {
  readonly config: ModelConfig;
  readonly isAttentionTiled: boolean;
  readonly shape: Value;
  readonly rotate?: (x: Value) => Value;
}

/** Multi-head self-attention of `x [tokens, width]`, scaled by head width^-0.5, without the output layer. */
export function selfAttention(
  builder: GraphBuilder,
  weights: Weights,
  { x, name, options }: { x: Value; name: string; options: AttentionOptions },
): Value {
  const { hiddenSize } = options.config;
  const size = { input: hiddenSize, output: hiddenSize };
  const [query, key, value] = ["query", "key", "value"].map((part) => {
    const flat = weights.linear(x, `${name}.${part}`, size);
    const folded = builder.node("Reshape", [flat, options.shape]);
    return part === "value" || options.rotate === undefined ? folded : options.rotate(folded);
  });
  const parts = { query: query!, key: key!, value: value! };
  const context = options.isAttentionTiled
    ? tiledAttention(builder, parts, options.config)
    : plainAttention(builder, parts, options.config);
  return builder.node("Reshape", [context, builder.integers([-1, hiddenSize])]);
}

interface AttentionParts {
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
}

/** `[sequences, tokens, width]` each -> the same. */
function tiledAttention(
  builder: GraphBuilder,
  { query, key, value }: AttentionParts,
  { headCount }: ModelConfig,
): Value {
  const heads = { num_heads: { int: headCount } };
  return builder.node("MultiHeadAttention", [query, key, value], heads, MICROSOFT);
}

/** `[sequences, tokens, width]` each -> `[sequences, tokens, heads, head width]`. */
function plainAttention(
  builder: GraphBuilder,
  { query, key, value }: AttentionParts,
  { hiddenSize, headCount }: ModelConfig,
): Value {
  const width = hiddenSize / headCount;
  const apart = builder.integers([0, 0, headCount, width]);
  const heads = (x: Value, order: readonly number[]) =>
    builder.node("Transpose", [builder.node("Reshape", [x, apart])], { perm: { ints: order } });
  const products = builder.node("MatMul", [heads(query, [0, 2, 1, 3]), heads(key, [0, 2, 3, 1])]);
  const scaled = builder.node("Mul", [products, builder.floats([1 / Math.sqrt(width)], [])]);
  const shares = builder.node("Softmax", [scaled], { axis: { int: -1 } });
  const mixed = builder.node("MatMul", [shares, heads(value, [0, 2, 1, 3])]);
  return builder.node("Transpose", [mixed], { perm: { ints: [0, 2, 1, 3] } });
}

/** The feed-forward part: up, exact (erf) GELU, down. */
export function feedForward(
  builder: GraphBuilder,
  weights: Weights,
  { x, name, config }: { x: Value; name: string; config: ModelConfig },
): Value {
  const { hiddenSize, intermediateSize } = config;
  const wide = { input: hiddenSize, output: intermediateSize };
  const narrow = { input: intermediateSize, output: hiddenSize };
  const up = weights.linear(x, `${name}.intermediate.dense`, wide);
  return weights.linear(builder.node("Gelu", [up]), `${name}.output.dense`, narrow);
}
