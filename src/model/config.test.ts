import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { RaysidueError } from "../base/errors.ts";
import { parseModelConfig } from "./config.ts";

const BERT = {
  model_type: "bert",
  hidden_act: "gelu",
  hidden_size: 512,
  intermediate_size: 2048,
  layer_norm_eps: 1e-12,
  max_position_embeddings: 512,
  num_attention_heads: 8,
  num_hidden_layers: 8,
  pad_token_id: 0,
  type_vocab_size: 2,
  vocab_size: 25,
};
const ESM = {
  ...BERT,
  model_type: "esm",
  position_embedding_type: "rotary",
  token_dropout: true,
  emb_layer_norm_before: false,
  mask_token_id: 32,
  pad_token_id: 1,
};

const parse = (json: unknown) => parseModelConfig(JSON.stringify(json), "x/config.json");

test("reads BERT's fields, with the defaults that transformers gives absent ones", () => {
  const { position: _position, ...expected } = {
    position: "absolute",
    kind: "bert",
    layerCount: 8,
    hiddenSize: 512,
    headCount: 8,
    intermediateSize: 2048,
    layerNormEps: 1e-12,
    vocabularySize: 25,
    positionsMax: 512,
    padTokenId: 0,
    tokenTypeCount: 2,
  };
  assert.deepEqual(parse(BERT), expected);
  const { hidden_act: _act, layer_norm_eps: _eps, type_vocab_size: _types, ...short } = BERT;
  assert.deepEqual(parse(short), expected);
});

test("reads ESM-2's fields from a file that transformers wrote", async () => {
  const url = new URL("../../../test/data/esm2-tiny/config.json", import.meta.url);
  const config = parseModelConfig(await readFile(url, "utf8"), "config.json");
  assert.deepEqual(config, {
    kind: "esm",
    layerCount: 2,
    hiddenSize: 64,
    headCount: 4,
    intermediateSize: 256,
    layerNormEps: 1e-5,
    vocabularySize: 33,
    positionsMax: 1026,
    padTokenId: 1,
    maskTokenId: 32,
    isTokenDropout: true,
    isEmbeddingLayerNormed: false,
  });
});

test("refuses what would be computed wrongly, naming the field and what is supported", () => {
  const cases: [unknown, RegExp][] = [
    [{ ...BERT, model_type: "llama" }, /model_type "llama" is not supported; supported are/],
    [{ ...BERT, model_type: undefined }, /model_type undefined/],
    [null, /model_type undefined/],
    [{ ...BERT, position_embedding_type: "relative_key" }, /position_embedding_type/],
    [{ ...ESM, position_embedding_type: "absolute" }, /position_embedding_type/],
    [{ ...ESM, position_embedding_type: undefined }, /position_embedding_type/],
    [{ ...ESM, is_folding_model: true }, /is_folding_model/],
    [{ ...BERT, hidden_act: "relu" }, /hidden_act/],
    [{ ...BERT, hidden_size: 510 }, /hidden_size 510 is no multiple of 8 heads/],
    [{ ...ESM, num_attention_heads: 512 }, /heads of even width/],
    [{ ...BERT, num_hidden_layers: 0 }, /num_hidden_layers/],
    [{ ...BERT, hidden_size: 1e300 }, /hidden_size/],
    [{ ...BERT, vocab_size: "25" }, /vocab_size/],
  ];
  for (const [json, pattern] of cases) {
    assert.throws(
      () => parse(json),
      (thrown: unknown) => {
        assert.ok(thrown instanceof RaysidueError);
        assert.equal(thrown.code, "bad-input");
        assert.match(thrown.message, pattern);
        assert.ok(thrown.message.startsWith("x/config.json: "));
        return true;
      },
    );
  }
  assert.throws(() => parseModelConfig("{", "x"), /x: no JSON/);
});
