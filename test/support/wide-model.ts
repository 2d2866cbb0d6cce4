/**
 * A wide and shallow ESM-2 with random weights: a long sequence takes it much memory and some time.
 *
 * Owns: making it from the tiny checkpoint of the test data, by widening every tensor.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type FloatTensor, seededFloats, writeSafetensors } from "./checkpoint-writers.ts";
import { TINY_MODEL } from "./sandbox.ts";

/** Width and inner width of the tiny model, and what they become. */
const WIDTHS = new Map([
  [64, 1280],
  [256, 1280],
]);

/** Writes the model into `folder`, 42 MB, and returns the folder. */
export function writeWideModel(folder: string): string {
  mkdirSync(folder);
  const checkpoint = readFileSync(join(TINY_MODEL, "model.safetensors"));
  const header = checkpoint.subarray(8, 8 + Number(checkpoint.readBigUInt64LE()));
  const known = JSON.parse(header.toString()) as Record<string, { shape: number[] }>;
  const tensors: Record<string, FloatTensor> = {};
  for (const [name, { shape }] of Object.entries(known)) {
    if (name === "__metadata__" || /layer\.[1-9]/.test(name) || /inv_freq/.test(name)) continue;
    const wide = shape.map((size) => WIDTHS.get(size) ?? size);
    const count = wide.reduce((product, size) => product * size, 1);
    tensors[name] = { shape: wide, values: seededFloats(count, count).map((value) => value / 50) };
  }
  writeFileSync(join(folder, "model.safetensors"), writeSafetensors(tensors));
  const config = JSON.parse(readFileSync(join(TINY_MODEL, "config.json"), "utf8")) as object;
  const sizes = { hidden_size: 1280, intermediate_size: 1280, num_hidden_layers: 1 };
  const wider = { ...config, ...sizes, num_attention_heads: 20 };
  writeFileSync(join(folder, "config.json"), JSON.stringify(wider));
  return folder;
}
