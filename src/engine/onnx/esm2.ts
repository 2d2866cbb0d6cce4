/**
 * ESM-2 as an ONNX graph: pre-layer-norm blocks, rotary positions, token dropout, exact GELU.
 *
 * Source: Lin et al. 2023, doi:10.1126/science.ade2574; weights' names as in Hugging Face's
 * EsmModel. Hidden state 0 is the embedding; the last one has the final layer norm applied.
 */
import {
  type EsmGraphOptions,
  feedForward,
  HIDDEN,
  INPUTS,
  MICROSOFT,
  selfAttention,
} from "./graph.ts";
import { GraphBuilder, type Value } from "./model-proto.ts";
import { Weights } from "./weights.ts";

/** Share of tokens that training masked, 15 %, of which 80 % became the mask token. */
const TRAINED_MASK_SHARE = 0.15 * 0.8;

/**
 * What token dropout multiplies the embedding of a sequence's unmasked tokens by. It acts at
 * inference as in training: sequences without masks are scaled by 0.88.
 */
export function dropoutScale(maskedTokens: number, tokens: number): number {
  return (1 - TRAINED_MASK_SHARE) / (1 - maskedTokens / tokens);
}

/** Base of the rotary frequencies (Su et al. 2021, arXiv:2104.09864). */
const ROTARY_BASE = 10_000;

/**
 * Rotary positions `0 .. tokens - 1` for heads of `headWidth` numbers: two arrays
 * `[tokens, headWidth / 2]`. Rounded to float32 where PyTorch does, so that long sequences agree.
 */
export function rotaryTables(
  tokens: number,
  headWidth: number,
): { cos: Float32Array; sin: Float32Array } {
  const half = headWidth / 2;
  const cos = new Float32Array(tokens * half);
  const sin = new Float32Array(tokens * half);
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(1 / Math.fround(ROTARY_BASE ** Math.fround((2 * i) / headWidth)));
    for (let position = 0; position < tokens; position++) {
      const angle = Math.fround(position * frequency);
      cos[position * half + i] = Math.cos(angle);
      sin[position * half + i] = Math.sin(angle);
    }
  }
  return { cos, sin };
}

/** The model's bytes; inputs and output as graph.ts says. Throws RaysidueError "bad-input". */
export function buildEsm2(options: EsmGraphOptions): Uint8Array {
  const { config, tensors, folder, layer, isAttentionTiled } = options;
  const width = config.hiddenSize;
  const headWidth = width / config.headCount;
  const builder = new GraphBuilder();
  const weights = new Weights(builder, tensors, { folder, prefix: "esm." });
  const norm = { size: width, epsilon: config.layerNormEps };

  const ids = builder.input(INPUTS.ids, "int32", ["tokens"]);
  const shape = builder.input(INPUTS.shape, "int64", [3]);
  const words = weights.get("embeddings.word_embeddings.weight", [config.vocabularySize, width]);
  let x = builder.node("Gather", [words, ids]);
  if (config.isTokenDropout) {
    x = builder.node("Mul", [x, builder.input(INPUTS.scale, "float32", ["tokens", 1])]);
  }
  if (config.isEmbeddingLayerNormed) x = weights.layerNorm(x, "embeddings.layer_norm", norm);

  // Unused inputs would be refused, so rotary tables exist only where a block reads them.
  const rotate = layer === 0 ? undefined : rotation(builder, headWidth);
  for (let block = 0; block < layer; block++) {
    const name = `encoder.layer.${block}`;
    const attention = `${name}.attention`;
    const context = selfAttention(builder, weights, {
      x: weights.layerNorm(x, `${attention}.LayerNorm`, norm),
      name: `${attention}.self`,
      options: { config, isAttentionTiled, shape, rotate: rotate! },
    });
    const mixed = weights.linear(context, `${attention}.output.dense`, {
      input: width,
      output: width,
    });
    x = builder.node("Add", [mixed, x]);
    const normed = weights.layerNorm(x, `${name}.LayerNorm`, norm);
    x = builder.node("Add", [feedForward(builder, weights, { x: normed, name, config }), x]);
  }
  if (layer === config.layerCount) x = weights.layerNorm(x, "encoder.emb_layer_norm_after", norm);
  builder.output(HIDDEN, x, "float32", ["tokens", width]);
  return builder.build("esm2");
}

function rotation(builder: GraphBuilder, headWidth: number): (x: Value) => Value {
  const cos = builder.input(INPUTS.cos, "float32", ["length", headWidth / 2]);
  const sin = builder.input(INPUTS.sin, "float32", ["length", headWidth / 2]);
  const start = builder.integers([0]);
  return (x) => builder.node("RotaryEmbedding", [x, start, cos, sin], {}, MICROSOFT);
}
