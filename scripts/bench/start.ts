/**
 * Part `start`: from the start of the process to the first result on 100 sequences.
 *
 * The bare engine's own first call is taken off: starting as many engine processes, opening the
 * model and computing as many sequences as the first batch had. Measured on a machine that has never
 * run the model (the number of engines is still to be found) and on one that has.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { startEngine } from "../../src/engine/host/engine-host.ts";
import { canonicalJson, embedModelOf, resolveEmbed } from "../../src/kind/embed.ts";
import { locateModel } from "../../src/model/locate.ts";
import { type FinishedRun, runEmbed } from "./cli-run.ts";
import { type Context, need, say } from "./context.ts";
import { median } from "./gemm.ts";
import type { Part } from "./report.ts";
import { distinctOf, readSequences, writeFasta } from "./sequences.ts";

const SEQUENCES = 100;
const ROUNDS = 3;

export async function benchStart(context: Context): Promise<Part> {
  const { folder, threads } = context;
  const path = need(context.antibodies, "--fasta", "antibody chains");
  const model = await locateModel("antiberty");
  if (model.kind === "emulate") throw new Error("antiberty is not a trained model here");
  const limits = { letters: model.alphabet, residuesMax: model.maxResidues! };
  const sequences = distinctOf(await readSequences(path), limits).slice(0, SEQUENCES);
  const fasta = join(folder, "start.fa");
  await writeFasta(fasta, sequences);
  const { parameters } = resolveEmbed({}, embedModelOf(model));
  const opening = { kind: "embed", engine: "onnx", model: "antiberty", fingerprint: "" };
  const spec = { ...opening, parameters: canonicalJson(parameters) };
  const longest = [...sequences].sort((a, b) => b.length - a.length);

  const bare = async ({ devices, firstTasks }: FinishedRun) => {
    const options = JSON.stringify({ threads: Math.max(1, Math.floor(threads / devices)) });
    const items = longest.slice(0, firstTasks).map((text) => Buffer.from(text));
    const startedAt = performance.now();
    const engines = await Promise.all(
      Array.from({ length: devices }, () => startEngine({ ...spec, options })),
    );
    await Promise.all(engines.map((engine) => engine.run(items)));
    const seconds = (performance.now() - startedAt) / 1000;
    await Promise.all(engines.map((engine) => engine.close()));
    return seconds;
  };

  const output = join(folder, "start");
  const cache = join(folder, "start-cache");
  const run = () => runEmbed({ fasta, output, cache, cores: threads, isWatched: true });
  const cold: number[][] = [];
  const warm: number[][] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await rm(cache, { recursive: true, force: true });
    for (const kept of [cold, warm]) {
      const ours = await run();
      const engine = await bare(ours);
      kept.push([ours.firstRowSeconds, engine, ours.firstRowSeconds - engine, ours.seconds]);
      say(
        `start: first row after ${ours.firstRowSeconds.toFixed(2)} s, engine ${engine.toFixed(2)} s`,
      );
    }
  }
  const medians = (kept: readonly number[][]) =>
    [0, 1, 2, 3].map((column) => median(kept.map((row) => row[column]!)));
  const [coldMedians, warmMedians] = [medians(cold), medians(warm)];
  const row = (what: string, values: readonly number[]) => [
    what,
    ...values.map((value) => value.toFixed(2)),
  ];
  const check = { unit: " s", target: 3, isMaximum: true };
  return {
    title: "Start to first result, AntiBERTy, 100 sequences",
    notes: [
      `Seconds, median of ${ROUNDS}; a result counts when its row is on disk.`,
      "The first run on a machine also measures how many engine processes are fastest.",
    ],
    columns: ["", "first result", "bare engine", "difference", "whole run"],
    rows: [row("first run on a machine", coldMedians), row("every other run", warmMedians)],
    checks: [
      { what: "first run, over the bare engine", value: coldMedians[2]!, ...check },
      { what: "other runs, over the bare engine", value: warmMedians[2]!, ...check },
    ],
    figures: { cold, warm },
  };
}
