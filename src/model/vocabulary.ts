/**
 * A model's tokens.
 *
 * Owns: reading vocab.txt, ESM-2's own list, and which letters a model knows as residues.
 * Invariant: a token's id is its place in the list. Deliberately not here: turning sequences into
 * tokens (engine/onnx).
 */
import { readFile } from "node:fs/promises";
import { fromSystemError, RaysidueError } from "../base/errors.ts";

/** ESM-2's tokens in order of their ids: `<cls>` 0, `L` 4, `<mask>` 32. All six sizes share it. */
export const ESM2_TOKENS: readonly string[] = [
  ...["<cls>", "<pad>", "<eos>", "<unk>"],
  ..."LAGVSERTIDPKQNFYMHWCXBUZO.-",
  ...["<null_1>", "<mask>"],
];

const FILE_BYTES_MAX = 10_000_000;

/** Reads a vocab.txt: one token a line. Throws RaysidueError "bad-input" naming the path. */
export async function readVocabulary(path: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot read ${path}`);
  }
  const tokens = text.length > FILE_BYTES_MAX ? [] : text.split(/\r?\n/);
  while (tokens.at(-1) === "") tokens.pop();
  if (tokens.length === 0 || new Set(tokens).size !== tokens.length) {
    throw new RaysidueError("bad-input", `${path}: no list of distinct tokens, one a line`);
  }
  return tokens;
}

/** The capital letters that are tokens of their own, in alphabetical order. */
export function residueAlphabet(tokens: readonly string[]): string {
  return tokens
    .filter((token) => /^[A-Z]$/.test(token))
    .sort()
    .join("");
}
