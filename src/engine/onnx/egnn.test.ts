import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Random } from "../../base/random.ts";
import type { CheckpointTensor } from "../../model/checkpoint.ts";
import { EDGE_WIDTH, type GraphFeatures, NODE_WIDTH } from "../../science/features.ts";
import { PlainEgnn, type PlainTensors } from "./egnn.fixture.ts";
import { buildEgnn } from "./egnn.ts";
import { egnnFeeds, SCORE } from "./egnn-feeds.ts";
import { OnnxSession } from "./session.ts";

const folder = await mkdtemp(join(tmpdir(), "raysidue-egnn-"));
after(() => rm(folder, { recursive: true }));

function shapes(): Map<string, readonly number[]> {
  const all = new Map<string, readonly number[]>();
  const linear = (name: string, input: number, output: number) => {
    all.set(`${name}.weight`, [output, input]).set(`${name}.bias`, [output]);
  };
  const norm = (name: string, size: number) => {
    all.set(`${name}.weight`, [size]).set(`${name}.bias`, [size]);
  };
  norm("s_in.0", NODE_WIDTH);
  linear("s_in.1", NODE_WIDTH, 90);
  linear("s_in.4", 90, 180);
  for (const branch of ["blocks_ext", "blocks_int"]) {
    for (let k = 0; k < 7; k++) {
      const block = `${branch}.${k}`;
      all.set(`${block}.alpha`, []).set(`${block}.rbf.centers`, [18]);
      all.set(`${block}.rbf.widths`, []);
      linear(`${block}.phi_e.0`, 384, 320);
      linear(`${block}.phi_e.3`, 320, 160);
      linear(`${block}.phi_e.6`, 160, 128);
      linear(`${block}.gate.0`, 128, 64);
      linear(`${block}.gate.2`, 64, 1);
      linear(`${block}.phi_h.0`, 128, 180);
      linear(`${block}.phi_x.0`, 128, 32);
      linear(`${block}.phi_x.2`, 32, 1);
      norm(`${block}.ln`, 180);
    }
  }
  for (const pool of ["pool_ext", "pool_int"]) {
    linear(`${pool}.gate_nn.0`, 181, 96);
    linear(`${pool}.gate_nn.3`, 96, 1);
    linear(`${pool}.nn.0`, 181, 192);
    linear(`${pool}.nn.3`, 192, 96);
  }
  for (const [name, input, output] of [
    ["fc1", 192, 128],
    ["fc_res", 192, 128],
    ["fc2", 128, 64],
    ["fc3", 64, 1],
  ] as const) {
    linear(name, input, output);
  }
  return all;
}

/** A checkpoint of random weights in one file, as the session and as the plain network see it. */
async function randomCheckpoint() {
  const random = new Random(11);
  const file = join(folder, "weights.bin");
  const plain: PlainTensors = new Map();
  const tensors = new Map<string, CheckpointTensor>();
  const parts: Float32Array[] = [];
  let at = 0;
  for (const [name, shape] of shapes()) {
    const count = shape.reduce((product, n) => product * n, 1);
    // Values that neither die out nor explode in fourteen blocks.
    const scale = shape.length === 2 ? Math.sqrt(3 / shape[1]!) : 0.3;
    const values = Float32Array.from({ length: count }, () => random.between(-scale, scale));
    if (name.endsWith("rbf.centers")) values.set(values.map((_, i) => (30 * i) / 17));
    if (name.endsWith("rbf.widths")) values.fill(30 / 18);
    plain.set(name, { shape, values });
    const entry = { dtype: "F32", shape, offsetBytes: at, sizeBytes: 4 * count, file } as const;
    tensors.set(`ema_state.ema_model.${name}`, entry);
    parts.push(values);
    at += 4 * count;
  }
  await writeFile(file, Buffer.concat(parts.map((part) => Buffer.from(part.buffer))));
  return { tensors, plain };
}

function randomGraph(
  seed: number,
  size: { nodes: number; edges: [number, number] },
): GraphFeatures {
  const random = new Random(seed);
  const pick = (count: number) => random.below(count);
  const floats = (length: number, scale: number) =>
    Float32Array.from({ length }, () => random.between(-scale, scale));
  const edges = (count: number) => ({
    source: Int32Array.from({ length: count }, () => pick(size.nodes)),
    target: Int32Array.from({ length: count }, () => pick(size.nodes)),
    features: floats(count * EDGE_WIDTH, 2),
  });
  const clusters0 = Int32Array.from({ length: size.nodes }, (_, i) => Math.floor(i / 2));
  const clusters1 = Int32Array.from({ length: Math.ceil(size.nodes / 2) }, (_, i) => i % 3);
  return {
    nodeCount: size.nodes,
    nodes: floats(size.nodes * NODE_WIDTH, 3),
    positions: floats(size.nodes * 3, 8),
    interface: edges(size.edges[0]),
    internal: edges(size.edges[1]),
    clusters0,
    clusters1,
  };
}

function openSession(tensors: ReadonlyMap<string, CheckpointTensor>, threads: number) {
  const model = buildEgnn({ tensors, folder, threads });
  return OnnxSession.open(model, folder, { threads, isPrepacked: false });
}

test("the graph computes what its formulas say, alone, in a batch, and without edges", async () => {
  const { tensors, plain } = await randomCheckpoint();
  const session = await openSession(tensors, 1);
  const graphs = [
    randomGraph(1, { nodes: 13, edges: [30, 24] }),
    randomGraph(2, { nodes: 7, edges: [12, 0] }),
    randomGraph(3, { nodes: 20, edges: [1, 60] }),
  ];
  const network = new PlainEgnn(plain);
  const wanted = graphs.map((graph) => network.score(graph));
  const near = (value: number | undefined, i: number) =>
    assert.ok(Math.abs(value! - wanted[i]!) < 2e-5, `graph ${i}: ${value}, not ${wanted[i]}`);
  assert.ok(new Set(wanted.map((score) => score.toFixed(3))).size === 3, `${wanted}`);
  for (const [i, graph] of graphs.entries()) {
    near((await session.run(egnnFeeds([graph]), SCORE))[0], i);
  }
  // Beside graphs with internal edges, one without is normalised as they are: alone it is not.
  const batch = await session.run(egnnFeeds([graphs[0]!, graphs[2]!]), SCORE);
  near(batch[0], 0);
  near(batch[1], 2);
  await session.close();
});

test("threads change no score, though most edges end at the same few nodes", async () => {
  const { tensors } = await randomCheckpoint();
  const feeds = egnnFeeds([randomGraph(4, { nodes: 6, edges: [4000, 4000] })]);
  const scores: Float32Array[] = [];
  for (const threads of [1, 4]) {
    const session = await openSession(tensors, threads);
    scores.push(await session.run(feeds, SCORE));
    await session.close();
  }
  assert.ok(Number.isFinite(scores[0]![0]));
  assert.deepEqual(scores[1], scores[0]);
});

test("a checkpoint of other weights is refused by the name of the tensor", async () => {
  const { tensors } = await randomCheckpoint();
  const name = "ema_state.ema_model.blocks_int.3.phi_h.0.weight";
  const one = tensors.get(name)!;
  const build = () => buildEgnn({ tensors, folder, threads: 1 });
  tensors.set(name, { ...one, shape: [128, 180] });
  assert.throws(build, /tensor ema_state.*phi_h\.0\.weight has shape/);
  tensors.delete(name);
  assert.throws(build, /no tensor ema_state.*phi_h\.0\.weight/);
});
