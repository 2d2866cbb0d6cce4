/**
 * BERT as an ONNX graph: post-layer-norm blocks, learned positions, token type 0, exact GELU.
 *
 * Source: Devlin et al. 2019, arXiv:1810.04805; weights' names as in Hugging Face's BertModel.
 * AntiBERTy (Ruffolo et al. 2021, arXiv:2112.07782) is one, with a residue a token.
 */
import { type BertGraphOptions, feedForward, HIDDEN, INPUTS, selfAttention } from "./graph.ts";
import { GraphBuilder } from "./model-proto.ts";
import { Weights } from "./weights.ts";

/** The model's bytes; inputs and output as graph.ts says. Throws RaysidueError "bad-input". */
export function buildBert(options: BertGraphOptions): Uint8Array {
  const { config, tensors, folder, layer, isAttentionTiled } = options;
  const width = config.hiddenSize;
  const builder = new GraphBuilder();
  const weights = new Weights(builder, tensors, { folder, prefix: "bert." });
  const norm = { size: width, epsilon: config.layerNormEps };

  const ids = builder.input(INPUTS.ids, "int32", ["tokens"]);
  const positions = builder.input(INPUTS.positions, "int32", ["tokens"]);
  const shape = builder.input(INPUTS.shape, "int64", [3]);

  const lookUp = (name: string, rows: number, index: typeof ids) =>
    builder.node("Gather", [weights.get(`embeddings.${name}.weight`, [rows, width]), index]);
  const words = lookUp("word_embeddings", config.vocabularySize, ids);
  const types = lookUp("token_type_embeddings", config.tokenTypeCount, builder.integers([0]));
  const places = lookUp("position_embeddings", config.positionsMax, positions);
  const embedded = builder.node("Add", [builder.node("Add", [words, types]), places]);
  let x = weights.layerNorm(embedded, "embeddings.LayerNorm", norm);

  for (let block = 0; block < layer; block++) {
    const name = `encoder.layer.${block}`;
    const attention = `${name}.attention`;
    const context = selfAttention(builder, weights, {
      x,
      name: `${attention}.self`,
      options: { config, isAttentionTiled, shape },
    });
    const mixed = weights.linear(context, `${attention}.output.dense`, {
      input: width,
      output: width,
    });
    x = weights.layerNorm(builder.node("Add", [mixed, x]), `${attention}.output.LayerNorm`, norm);
    const refined = feedForward(builder, weights, { x, name, config });
    x = weights.layerNorm(builder.node("Add", [refined, x]), `${name}.output.LayerNorm`, norm);
  }
  builder.output(HIDDEN, x, "float32", ["tokens", width]);
  return builder.build("bert");
}
