/**
 * Part `esm2`: ESM-2 of the two smallest shapes with random weights, on proteins of all lengths.
 *
 * Both sides read one checkpoint that transformers made, so the vectors can be compared.
 */
import { join } from "node:path";
import { formatBytes } from "../../src/base/units.ts";
import { type FinishedRun, runEmbed, vectorsOf } from "./cli-run.ts";
import { type Context, largestDifference, need, say } from "./context.ts";
import { median } from "./gemm.ts";
import { Peer, runScript } from "./peer.ts";
import type { Check, Part } from "./report.ts";
import { chunksOf, distinctOf, readSequences, sample, tokensOf, writeFasta } from "./sequences.ts";

const SHAPES = [
  { name: "8M", layers: 6, width: 320, share: 1 },
  { name: "35M", layers: 12, width: 480, share: 0.4 },
] as const;
const BATCH = 8;
const LIMITS = { letters: "ACDEFGHIKLMNPQRSTVWYXBZUO", residuesMax: 1022 };

interface Shape {
  readonly name: string;
  readonly tokens: number;
  readonly sequences: number;
  readonly ours: readonly FinishedRun[];
  readonly peerSeconds: readonly number[];
  readonly peerPadding: number;
  readonly peerBytes: number;
  readonly difference: number;
}

export async function benchEsm2(context: Context): Promise<Part> {
  const path = need(context.proteins, "--proteins", "proteins such as Swiss-Prot's");
  const usable = distinctOf(await readSequences(path), LIMITS);
  const shapes: Shape[] = [];
  for (const shape of SHAPES) {
    const count = Math.round(context.proteinsCount * shape.share);
    const sequences = sample(usable, count, context.seed);
    shapes.push(await benchShape(context, shape, sequences));
  }
  const rows = shapes.flatMap((shape) => {
    const [ours, theirs] = [
      median(shape.ours.map((run) => run.seconds)),
      median(shape.peerSeconds),
    ];
    const row = (what: string, seconds: number, ratio: string, bytes: number) => [
      what,
      seconds.toFixed(1),
      (shape.tokens / seconds).toFixed(0),
      ratio,
      formatBytes(bytes),
    ];
    const peak = Math.max(...shape.ours.map((run) => run.treeBytes));
    const ratio = ratioOf(shape).toFixed(2);
    return [
      row(`${shape.name}: raysidue embed`, ours, "", peak),
      row(`${shape.name}: EsmModel, batches of ${BATCH}`, theirs, ratio, shape.peerBytes),
    ];
  });
  const checks: Check[] = shapes.map((shape) => ({
    what: `${shape.name} over transformers`,
    value: ratioOf(shape),
    unit: "x",
    target: 1.2,
  }));
  const what = shapes
    .map((s) => `${s.name}: ${s.sequences} proteins, ${s.tokens} tokens, vectors differ by`)
    .map((text, i) => `${text} ${shapes[i]!.difference.toExponential(1)} at most.`);
  return {
    title: "ESM-2, random weights",
    notes: [
      `${context.threads} threads each, median of ${context.rounds};`,
      "ours end to end with start-up, the peer without its own and in file order.",
      ...what,
    ],
    columns: ["", "seconds", "tokens/s", "ours is faster by", "peak memory"],
    rows,
    checks,
    figures: { shapes },
  };
}

const ratioOf = (shape: Shape) =>
  median(shape.ours.map((run, i) => shape.peerSeconds[i]! / run.seconds));

async function benchShape(
  context: Context,
  shape: (typeof SHAPES)[number],
  sequences: readonly string[],
): Promise<Shape> {
  const { folder, threads } = context;
  const model = join(folder, `esm2-${shape.name}`);
  runScript("esm_checkpoint.py", [model, String(shape.layers), String(shape.width)]);
  const fasta = join(folder, `proteins-${shape.name}.fa`);
  await writeFasta(fasta, sequences);
  const chunks = chunksOf(sequences, BATCH);
  const middle = Math.floor(chunks.length / 2);
  const [before, after] = [chunks.slice(0, middle).flat(), chunks.slice(middle).flat()];
  const peer = await Peer.start("esm_transformers.py", {
    args: ["--model", model],
    threads,
    folder,
  });
  const ours: FinishedRun[] = [];
  const peerSeconds: number[] = [];
  let difference = 0;
  let padding = 0;
  try {
    for (let round = 0; round < context.rounds; round++) {
      const p1 = await peer.embed(before);
      const output = join(folder, `esm2-out-${shape.name}-${round}`);
      const cache = join(folder, "esm2-cache");
      const run = await runEmbed({ fasta, output, cache, cores: threads, flags: ["-m", model] });
      const p2 = await peer.embed(after);
      ours.push(run);
      peerSeconds.push(p1.seconds + p2.seconds);
      padding = 1 - tokensOf(sequences) / (p1.paddedTokens + p2.paddedTokens);
      say(
        `esm2 ${shape.name}: ours ${run.seconds.toFixed(1)} s (busy ${(100 * run.busyShare).toFixed(1)} %), ` +
          `transformers ${(p1.seconds + p2.seconds).toFixed(1)} s`,
      );
      const theirs = new Float32Array([...p1.vectors, ...p2.vectors]);
      difference = largestDifference(theirs, await vectorsOf(output));
    }
  } finally {
    await peer.close();
  }
  const peerBytes = peer.use().treeBytes;
  const tokens = tokensOf(sequences);
  const counts = { tokens, sequences: sequences.length };
  return {
    name: shape.name,
    ...counts,
    ours,
    peerSeconds,
    peerPadding: padding,
    peerBytes,
    difference,
  };
}
