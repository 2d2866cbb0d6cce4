/** The same weights in every form in which checkpoints come give the same rows. */
import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { toFloat16 } from "../../formats/table/float16.ts";
import { dataPath, maxDifference, readSequences, tinyOpening } from "../truth.fixture.ts";
import { openEmbedder } from "./embedder.ts";

interface Tensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "checkpoint-forms-"));
});
after(() => rm(folder, { recursive: true }));

async function readTiny(): Promise<Map<string, Tensor>> {
  const file = await readFile(join(dataPath("esm2-tiny"), "model.safetensors"));
  const size = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, 8 + size)) as Record<string, never>;
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets } = entry as {
      dtype: string;
      shape: number[];
      data_offsets: [number, number];
    };
    const [start, end] = data_offsets.map((offset) => 8 + size + offset);
    tensors.set(name, { dtype, shape, bytes: file.subarray(start, end) });
  }
  return tensors;
}

function encode(tensors: Iterable<readonly [string, Tensor]>): Uint8Array {
  const header: Record<string, unknown> = {};
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { dtype, shape, bytes }] of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
    parts.push(bytes);
    offset += bytes.length;
  }
  const json = Buffer.from(JSON.stringify(header).padEnd(8 * 2048));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([size, json, ...parts]);
}

async function makeModel(name: string): Promise<string> {
  const model = join(folder, name);
  await mkdir(model);
  for (const file of ["config.json", "vocab.txt"]) {
    await copyFile(join(dataPath("esm2-tiny"), file), join(model, file));
  }
  return model;
}

const items = readSequences("esm2-tiny/ids.tsv").slice(4, 10);

async function run(model: string): Promise<Float32Array> {
  const engine = await openEmbedder({ ...tinyOpening(), model });
  const { payload, failures } = await engine.run(items);
  await engine.close();
  assert.deepEqual(failures, []);
  return new Float32Array(payload.slice().buffer);
}

test("shards behind links into different folders, TensorFlow's norm names, no prefix", async () => {
  const model = await makeModel("sharded");
  const renamed = [...(await readTiny())].map(([name, tensor]) => {
    const plain = name.replace(/^esm\./, "");
    const old = plain.replace(/LayerNorm\.weight$/, "LayerNorm.gamma");
    return [old.replace(/LayerNorm\.bias$/, "LayerNorm.beta"), tensor] as const;
  });
  const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;
  const weightMap: Record<string, string> = {};
  for (const [i, shard] of shards.entries()) {
    const part = renamed.filter((_, at) => at % 2 === i);
    for (const [name] of part) weightMap[name] = shard;
    const blobs = join(folder, `blobs-${i}`, "deeper".repeat(i));
    await mkdir(blobs, { recursive: true });
    await writeFile(join(blobs, "blob"), encode(part));
    await symlink(join(blobs, "blob"), join(model, shard));
  }
  const index = { metadata: {}, weight_map: weightMap };
  await writeFile(join(model, "model.safetensors.index.json"), JSON.stringify(index));
  assert.deepEqual(await run(model), await run(dataPath("esm2-tiny")));
});

test("weights in half precision are widened", async () => {
  const model = await makeModel("half");
  const halves = [...(await readTiny())].map(([name, { shape, bytes, dtype }]) => {
    assert.equal(dtype, "F32");
    const half = toFloat16(new Float32Array(new Uint8Array(bytes).buffer));
    return [name, { dtype: "F16", shape, bytes: new Uint8Array(half.buffer) }] as const;
  });
  await writeFile(join(model, "model.safetensors"), encode(halves));
  const difference = maxDifference(await run(model), await run(dataPath("esm2-tiny")));
  // Rounding 2 layers of weights to 11 bits: some 1e-2, where wrong bytes would give 1 and more.
  assert.ok(difference > 0 && difference < 0.05, String(difference));
});

test("a tensor that is missing or of another shape is named", async () => {
  const name = "esm.encoder.layer.1.intermediate.dense.weight";
  const without = await makeModel("missing");
  const tensors = await readTiny();
  const { bytes, dtype } = tensors.get(name)!;
  tensors.delete(name);
  await writeFile(join(without, "model.safetensors"), encode(tensors));
  await assert.rejects(run(without), { code: "bad-input", message: /no tensor .*layer\.1\.inter/ });
  const other = await makeModel("turned");
  tensors.set(name, { dtype, bytes, shape: [64, 256] });
  await writeFile(join(other, "model.safetensors"), encode(tensors));
  await assert.rejects(run(other), { code: "bad-input", message: /shape \[64,256\].*\[256,64\]/ });
});
