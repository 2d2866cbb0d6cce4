/**
 * Which files of a folder or repository make up a model.
 *
 * Owns: choosing configuration, vocabulary and weights among file names, and reading the index of
 * a sharded checkpoint. Invariant: names are plain names in one folder. safetensors is preferred;
 * a torch checkpoint, which is read without executing it, is the second choice. Deliberately not
 * here: where the files are or how they are fetched.
 */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { fromSystemError, RaysidueError } from "../base/errors.ts";

/** The form of the weights and the file to begin with: the weights themselves or their index. */
export interface WeightsEntry {
  readonly form: "safetensors" | "torch";
  readonly name: string;
  readonly isIndex: boolean;
}

export const CONFIG_NAME = "config.json";
export const VOCABULARY_NAME = "vocab.txt";

/** Text that other programs want beside the vocabulary; fetched, not needed here. */
const TOKENIZER_NAMES = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"];

const WEIGHTS: readonly WeightsEntry[] = [
  { form: "safetensors", name: "model.safetensors", isIndex: false },
  { form: "safetensors", name: "model.safetensors.index.json", isIndex: true },
  { form: "torch", name: "pytorch_model.bin", isIndex: false },
  { form: "torch", name: "pytorch_model.bin.index.json", isIndex: true },
];

/** The weights among `names`, the best form first; undefined where there are none. */
export function findWeights(names: Iterable<string>): WeightsEntry | undefined {
  const present = new Set(names);
  return WEIGHTS.find((entry) => present.has(entry.name));
}

/** Says what a folder or repository without usable weights lacks. */
export function noWeights(where: string): RaysidueError {
  const wanted = WEIGHTS.map((entry) => entry.name).join(", ");
  return new RaysidueError("bad-input", `${where}: no weights; one of ${wanted} is needed`);
}

/** The small text files of `names` worth fetching before any weights. */
export function textFiles(names: Iterable<string>): string[] {
  const present = new Set(names);
  return [VOCABULARY_NAME, ...TOKENIZER_NAMES].filter((name) => present.has(name));
}

const INDEX = z.object({ weight_map: z.record(z.string(), z.string()) });
const INDEX_BYTES_MAX = 50_000_000;
const SHARD_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}\.(safetensors|bin)$/;

/** The shards that an index file names, sorted. Throws RaysidueError "bad-input". */
export async function readShardNames(indexPath: string): Promise<string[]> {
  const bad = (text: string, cause?: unknown) =>
    new RaysidueError("bad-input", `${indexPath}: not an index of weights: ${text}`, { cause });
  let text: string;
  try {
    text = await readFile(indexPath, "utf8");
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot read ${indexPath}`);
  }
  if (text.length > INDEX_BYTES_MAX) throw bad("it is too long");
  let names: Set<string>;
  try {
    names = new Set(Object.values(INDEX.parse(JSON.parse(text)).weight_map));
  } catch (thrown) {
    throw bad("no weight_map of tensor names to file names", thrown);
  }
  if (names.size === 0 || names.size > 1000) throw bad(`it names ${names.size} files`);
  const unsafe = [...names].find((name) => !SHARD_NAME.test(name));
  if (unsafe !== undefined) throw bad(`the file name ${JSON.stringify(unsafe)} is not safe`);
  return [...names].sort();
}
