/**
 * A model's weights as byte ranges of real files.
 *
 * Owns: one view of all checkpoint forms: safetensors or torch zip, single or sharded. Invariant:
 * each tensor's name occurs once and its range lies inside its file. The ONNX engine uses the
 * ranges as external data, which must not lie behind links: paths here are real ones.
 * Deliberately not here: what the tensors mean, and reading their values.
 */
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { RaysidueError } from "../base/errors.ts";
import { readSafetensors } from "../formats/checkpoint/safetensors.ts";
import type { TensorEntry } from "../formats/checkpoint/tensor-entry.ts";
import { readTorchCheckpoint } from "../formats/checkpoint/torch-checkpoint.ts";
import { type ModelConfig, readModelConfig } from "./config.ts";
import { listModelFolder, type SnapshotFile } from "./hub-cache.ts";
import { CONFIG_NAME, findWeights, noWeights, readShardNames } from "./model-files.ts";

export interface CheckpointTensor extends TensorEntry {
  /** Absolute path without links. */
  readonly file: string;
}

export interface Checkpoint {
  readonly config: ModelConfig;
  /** By the name the checkpoint gives it, prefixes such as `bert.` or `esm.` included. */
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
}

/**
 * Opens the checkpoint in `folder` (config.json beside the weights), reading headers only.
 * Throws RaysidueError "bad-input" naming the file that is missing, truncated or malformed.
 */
export async function openCheckpoint(model: string | { folder: string }): Promise<Checkpoint> {
  const folder = typeof model === "string" ? model : model.folder;
  const files = new Map((await listModelFolder(folder)).map((file) => [file.name, file]));
  const configFile = files.get(CONFIG_NAME);
  if (configFile === undefined) throw await noConfig(folder);
  const config = await readModelConfig(configFile.path);
  const tensors = new Map<string, CheckpointTensor>();
  for (const { form, file } of await weightFiles(folder, files)) {
    const read = form === "safetensors" ? readSafetensors : readTorchCheckpoint;
    for (const [name, entry] of await read(file.path)) {
      if (tensors.has(name)) {
        const said = `${file.path}: tensor ${JSON.stringify(name)} occurs in two files`;
        throw new RaysidueError("bad-input", said);
      }
      const { dtype, shape, offsetBytes, sizeBytes } = entry;
      tensors.set(name, { file: file.path, dtype, shape, offsetBytes, sizeBytes });
    }
  }
  return { config, tensors };
}

/** The files that hold the weights, shards in order of their names. */
export async function weightFiles(
  folder: string,
  files: ReadonlyMap<string, SnapshotFile>,
): Promise<{ form: "safetensors" | "torch"; file: SnapshotFile }[]> {
  const weights = findWeights(files.keys());
  if (weights === undefined) throw noWeights(folder);
  const { form, name, isIndex } = weights;
  const first = files.get(name)!;
  if (!isIndex) return [{ form, file: first }];
  return (await readShardNames(first.path)).map((shard) => {
    const file = files.get(shard);
    if (file !== undefined) return { form, file };
    const said = `${dirname(first.path)}: ${shard} is missing, which ${name} names`;
    throw new RaysidueError("bad-input", `${said}; pull or copy the model again`);
  });
}

async function noConfig(folder: string): Promise<RaysidueError> {
  const isFolder = await stat(folder).then(
    (status) => status.isDirectory(),
    () => false,
  );
  const what = isFolder ? "no config.json in this folder" : "no such folder";
  const form = "a model's folder holds config.json and model.safetensors";
  return new RaysidueError("bad-input", `${folder}: ${what}; ${form}`);
}
