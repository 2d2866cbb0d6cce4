import assert from "node:assert/strict";
import { test } from "node:test";
import { ESM2_TOKENS } from "../../model/vocabulary.ts";
import { Tokenizer } from "./tokenizer.ts";

const BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ..."ACDEFGHIKLMNPQRSTVWY"];

function encode(tokenizer: Tokenizer, text: string): number[] {
  const ids = new Int32Array(text.length + 2).fill(-9);
  tokenizer.encode(Buffer.from(text), ids, 0);
  return [...ids];
}

test("one token a residue, also where unknown letters stand side by side", () => {
  const esm = new Tokenizer("esm", ESM2_TOKENS);
  assert.deepEqual(encode(esm, "MXXBUZO_L"), [0, 20, 24, 24, 25, 26, 27, 28, 32, 4, 2]);
  const bert = new Tokenizer("bert", BERT_TOKENS);
  assert.deepEqual(encode(bert, "AXXBY_"), [2, 5, 1, 1, 1, 24, 4, 3]);
});

test("other letters are named with their place", () => {
  const bert = new Tokenizer("bert", BERT_TOKENS);
  assert.equal(bert.problemOf(Buffer.from("ACXU_")), undefined);
  assert.match(bert.problemOf(Buffer.from("ACj"))!, /"j" at 3/);
  assert.match(bert.problemOf(Buffer.from("A<mask>"))!, /"<" at 2/);
  assert.match(bert.problemOf(Buffer.from(""))!, /without residues/);
});

test("a vocabulary without the special tokens is refused", () => {
  assert.throws(() => new Tokenizer("esm", BERT_TOKENS), { code: "bad-input", message: /<cls>/ });
});
