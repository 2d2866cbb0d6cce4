/**
 * Parts `chains` and `file`: AntiBERTy end to end on antibody chains.
 *
 * `chains`: distinct ones, against the machine's matrix product, the original's runner and a PyTorch
 * loop that sorts by length. Peers run in halves, one before and one after each run of ours, so that
 * a machine that speeds up or slows down favours nobody. `file`: a whole file with its duplicates,
 * which the runner computes again and again.
 */
import { join } from "node:path";
import { formatBytes } from "../../src/base/units.ts";
import { weightsPerToken } from "../../src/engine/onnx/transformer.ts";
import { type LocatedTransformer, locateModel } from "../../src/model/locate.ts";
import { type FinishedRun, runEmbed, vectorsOf } from "./cli-run.ts";
import { type Context, largestDifference, need, say } from "./context.ts";
import { median } from "./gemm.ts";
import { gemmNow, mean } from "./gemm-windows.ts";
import { Peer } from "./peer.ts";
import type { Part } from "./report.ts";
import {
  chunksOf,
  distinctOf,
  fits,
  readSequences,
  sample,
  tokensOf,
  writeFasta,
} from "./sequences.ts";

const CHUNK = 16;
const fixed = (value: number, digits = 1) => value.toFixed(digits);

async function antiberty(): Promise<LocatedTransformer> {
  const model = await locateModel("antiberty");
  if (model.kind === "emulate") throw new Error("antiberty is not a trained model here");
  return model;
}

/** Even and odd chunks: both halves hold all lengths. */
function halves<T>(chunks: readonly (readonly T[])[]): [T[], T[]] {
  return [chunks.filter((_, i) => i % 2 === 0).flat(), chunks.filter((_, i) => i % 2 === 1).flat()];
}

interface Round {
  readonly ours: FinishedRun;
  readonly gemm: readonly number[];
  /** Of the run of ours: tokens x weights x 2 over seconds over the product's rate. */
  readonly ofGemm: number;
  readonly runnerSeconds: number;
  readonly sortedSeconds: number;
}

/** Part `chains`. */
export async function benchChains(context: Context): Promise<Part> {
  const { threads, folder, rounds } = context;
  const path = need(context.antibodies, "--fasta", "antibody chains");
  const model = await antiberty();
  const limits = { letters: model.alphabet, residuesMax: model.maxResidues! };
  const sequences = distinctOf(await readSequences(path), limits).slice(0, context.chains);
  const fasta = join(folder, "chains.fa");
  await writeFasta(fasta, sequences);
  const flop = 2 * weightsPerToken(model.config, model.config.layerCount);
  const work = (flop * tokensOf(sequences)) / 1e9;
  const parts = halves(chunksOf(sequences, CHUNK));
  const runner = await Peer.start("antiberty_runner.py", { threads, folder });
  const sorted = await Peer.start("antiberty_sorted.py", { threads, folder });
  const found: Round[] = [];
  let difference = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      say(`chains: round ${round + 1} of ${rounds}`);
      const gemm = [await gemmNow(threads)];
      const r1 = await runner.embed(parts[0]);
      const s1 = await sorted.embed(parts[0]);
      gemm.push(await gemmNow(threads));
      const output = join(folder, `chains-${round}`);
      const cache = join(folder, "chains-cache");
      const ours = await runEmbed({ fasta, output, cache, cores: threads });
      gemm.push(await gemmNow(threads));
      const s2 = await sorted.embed(parts[1]);
      const r2 = await runner.embed(parts[1]);
      gemm.push(await gemmNow(threads));
      const ofGemm = work / ours.seconds / mean(gemm.slice(1, 3));
      const [runnerSeconds, sortedSeconds] = [r1.seconds + r2.seconds, s1.seconds + s2.seconds];
      found.push({ ours, gemm, ofGemm, runnerSeconds, sortedSeconds });
      say(
        `chains: ours ${fixed(ours.seconds)} s, ${fixed(100 * ofGemm)} % of GEMM ` +
          `(${gemm.map((rate) => fixed(rate)).join(", ")}), busy ${fixed(100 * ours.busyShare)} %; ` +
          `runner ${fixed(runnerSeconds)} s, sorted ${fixed(sortedSeconds)} s`,
      );
      difference = largestDifference(
        ordered(sequences, parts, [r1.vectors, r2.vectors]),
        await vectorsOf(output),
      );
    }
  } finally {
    await runner.close();
    await sorted.close();
  }
  const peers = { runner, sorted };
  return chainsPart({ sequences, work, found, difference, peers, threads });
}

/** The vectors of both halves in the order of `sequences`. */
function ordered(
  sequences: readonly string[],
  parts: readonly (readonly string[])[],
  vectors: readonly Float32Array[],
): Float32Array {
  const dim = vectors[0]!.length / parts[0]!.length;
  const places = new Map<string, Float32Array>();
  parts.forEach((part, p) => {
    part.forEach((text, i) => {
      places.set(text, vectors[p]!.subarray(i * dim, (i + 1) * dim));
    });
  });
  const all = new Float32Array(sequences.length * dim);
  sequences.forEach((text, i) => {
    all.set(places.get(text)!, i * dim);
  });
  return all;
}

function chainsPart(measured: {
  sequences: readonly string[];
  work: number;
  found: readonly Round[];
  difference: number;
  peers: { runner: Peer; sorted: Peer };
  threads: number;
}): Part {
  const { sequences, work, found, difference, peers, threads } = measured;
  const tokens = tokensOf(sequences);
  const middle = (of: (round: Round) => number) => median(found.map(of));
  const gemm = middle((round) => mean(round.gemm));
  const ofGemm = middle((round) => round.ofGemm);
  const { runner, sorted } = peers;
  const bare = middle((round) => round.runnerSeconds / round.ours.seconds);
  const overRunner = middle(
    (round) => (runner.loadSeconds + round.runnerSeconds) / round.ours.seconds,
  );
  const overSorted = middle((round) => round.sortedSeconds / round.ours.seconds);
  const ours = middle((round) => round.ours.seconds);
  const elsewhere = middle(
    ({ ours: run }) => run.otherCpuSeconds / (run.otherCpuSeconds + run.engineCpuSeconds),
  );
  const ourPeak = Math.max(...found.map((round) => round.ours.treeBytes));
  const padding = middle(({ ours: run }) => 1 - run.tokens / run.paddedTokens);
  const row = (what: string, seconds: number, ratio: number, bytes: number) => [
    what,
    fixed(seconds),
    fixed(tokens / seconds, 0),
    `${fixed((100 * work) / seconds / gemm)} %`,
    ratio === 0 ? "" : fixed(ratio, 2),
    formatBytes(bytes),
  ];
  const runnerRow = [middle((round) => round.runnerSeconds), bare] as const;
  const sortedRow = [middle((round) => round.sortedSeconds), overSorted] as const;
  return {
    title: "AntiBERTy, distinct chains, end to end",
    notes: [
      `${sequences.length} distinct chains, ${tokens} tokens, ${threads} threads each,`,
      `median of ${found.length}.`,
      `The machine's fp32 matrix product reached ${fixed(gemm)} GFLOP/s in the same minutes.`,
      "Ours from the start of the process to its end, reading and writing included, without any",
      "cached result. The peers' seconds leave their start-up out: it took the runner",
      `${fixed(runner.loadSeconds)} s to import and load the model, and process against process`,
      `we are ${fixed(overRunner, 2)} times faster.`,
      `Vectors differ by ${difference.toExponential(1)} at most;`,
      `${fixed(100 * padding)} % of our tokens were padding;`,
      `engines were busy ${fixed(100 * middle((round) => round.ours.busyShare))} % of the time,`,
      `and ${fixed(100 * elsewhere)} % of our processor time was not theirs.`,
    ],
    columns: ["", "seconds", "tokens/s", "of GEMM", "ours is faster by", "peak memory"],
    rows: [
      row("raysidue embed", ours, 0, ourPeak),
      row("AntiBERTyRunner, 16 in file order", ...runnerRow, runner.use().treeBytes),
      row("PyTorch, sorted, 2,048 tokens", ...sortedRow, sorted.use().treeBytes),
    ],
    checks: [
      { what: "share of the GEMM rate", value: 100 * ofGemm, unit: " %", target: 85 },
      {
        what: "over the original's runner, whole processes",
        value: overRunner,
        unit: "x",
        target: 1.4,
      },
      { what: "over a sorted PyTorch loop", value: overSorted, unit: "x", target: 1 },
      { what: "padding", value: 100 * padding, unit: " %", target: 5, isMaximum: true },
    ],
    figures: { sequences: sequences.length, tokens, difference, rounds: found },
  };
}

/** Part `file`. */
export async function benchFile(context: Context): Promise<Part> {
  const { threads, folder, seed } = context;
  const path = need(context.antibodies, "--fasta", "antibody chains");
  const model = await antiberty();
  const limits = { letters: model.alphabet, residuesMax: model.maxResidues! };
  const all = await readSequences(path);
  const sequences = all.filter((text) => fits(text, limits));
  const fasta = join(folder, "file.fa");
  await writeFasta(fasta, sequences);
  const chunks = chunksOf(sequences, CHUNK);
  const padded = (part: readonly string[][]) =>
    part.reduce(
      (sum, chunk) => sum + chunk.length * (Math.max(...chunk.map((s) => s.length)) + 2),
      0,
    );
  const chosen = context.sample > 0 ? sample(chunks, context.sample, seed) : chunks;
  const [before, after] = halves(chosen);
  const runner = await Peer.start("antiberty_runner.py", { threads, folder });
  try {
    say(`file: the runner's ${chosen.length} of ${chunks.length} chunks, first half`);
    const r1 = await runner.embed(before);
    say(`file: ours, ${sequences.length} records`);
    const output = join(folder, "file");
    const cache = join(folder, "file-cache");
    const ours = await runEmbed({ fasta, output, cache, cores: threads });
    say(`file: ours ${fixed(ours.seconds)} s; the runner's second half`);
    const r2 = await runner.embed(after);
    const sampled = r1.seconds + r2.seconds;
    const share = padded(chosen) / padded(chunks);
    const seconds = sampled / share;
    const distinct = new Set(sequences).size;
    const ratio = seconds / ours.seconds;
    const isSampled = chosen.length < chunks.length;
    return {
      title: "AntiBERTy, a whole file with duplicates",
      notes: [
        `${sequences.length} records, ${distinct} distinct; ${all.length - sequences.length}`,
        "that the original cannot embed were left out.",
        isSampled
          ? `The runner got ${chosen.length} of ${chunks.length} chunks of 16, chosen at random ` +
            `(seed ${seed}), ${fixed(100 * share)} % of the padded tokens; its time for the whole ` +
            "file is extrapolated from them."
          : "The runner got the whole file.",
      ],
      columns: ["", "seconds", "records/s", "ours is faster by", "peak memory"],
      rows: [
        [
          "raysidue embed",
          fixed(ours.seconds),
          fixed(sequences.length / ours.seconds),
          "",
          formatBytes(ours.treeBytes),
        ],
        [
          `AntiBERTyRunner, 16 in file order${isSampled ? ", extrapolated" : ""}`,
          fixed(seconds),
          fixed(sequences.length / seconds),
          fixed(ratio, 2),
          formatBytes(runner.use().treeBytes),
        ],
      ],
      checks: [{ what: "over the original's runner", value: ratio, unit: "x", target: 3.5 }],
      figures: { ours, runner: { seconds, sampled, share }, records: sequences.length, distinct },
    };
  } finally {
    await runner.close();
  }
}
