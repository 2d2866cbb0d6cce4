/**
 * Part `cpu`: processor time a pose, whole path and graph stage, beside the original.
 *
 * Ours is all processes of a run from start to end, on one core with one engine, nothing known
 * before; the original without its imports. The graph stage alone is timed in this process, warm.
 */

import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../../src/base/errors.ts";
import { readPdb } from "../../src/formats/structure/pdb.ts";
import { plainText } from "../../src/formats/text/text-source.ts";
import { buildGraph } from "../../src/science/graph.ts";
import { prepareComplex } from "../../src/science/prepare.ts";
import { say } from "./context.ts";
import { median } from "./gemm.ts";
import { makeOriginal, runOriginal } from "./original.ts";
import { readPoseSource, writePoses } from "./poses.ts";
import type { Part } from "./report.ts";
import type { ScoreContext } from "./score-context.ts";
import { runScore, scoresOf } from "./score-run.ts";

/** CPU seconds a pose of the original on 21 complexes, measured once before. */
const RECORDED_SECONDS = 13.8;
const GRAPH_ROUNDS = 30;

export async function benchCpu(context: ScoreContext): Promise<Part> {
  const { folder, structure, chains, poses, originalPoses, seed, rounds } = context;
  const source = await readPoseSource(structure, chains.antigen.split(","));
  const input = join(folder, "cpu-poses");
  await writePoses(source, { folder: input, count: poses, seed, degrees: 3 });
  const ensembles = join(folder, "cpu-ensemble");
  const models = { count: originalPoses, models: originalPoses, degrees: 3 };
  await writePoses(source, { folder: ensembles, seed, ...models });
  const ensemble = join(ensembles, "pose-0000000.pdb");
  const output = join(folder, "cpu-out");
  const cache = join(folder, "cpu-cache");
  const run = { poses: input, output, cache, chains, engines: 1, cores: 1 };
  let why = "";
  try {
    makeOriginal();
  } catch (thrown) {
    why = `The original was not run: ${messageOf(thrown)}. Its ${RECORDED_SECONDS} s are of an earlier measurement.`;
    say(why);
  }
  // The first run of all makes the engines' environment where there is none.
  await runScore({ ...run, poses: ensemble, output: join(folder, "cpu-first") });
  const ours: number[] = [];
  const theirs: number[] = [];
  let difference = 0;
  for (let round = 0; round < rounds; round++) {
    await rm(output, { recursive: true, force: true });
    const { seconds, cpuSeconds } = await runScore({ ...run, flags: ["--no-cache"] });
    ours.push(cpuSeconds / poses);
    say(`raysidue: ${(cpuSeconds / poses).toFixed(3)} CPU s a pose, ${seconds.toFixed(1)} s`);
    if (why !== "") continue;
    const original = await runOriginal(ensemble, chains, folder);
    theirs.push(original.cpuSeconds / originalPoses);
    say(`original: ${theirs.at(-1)!.toFixed(2)} CPU s a pose`);
    const own = await scoresOf(output);
    for (const [name, score] of Object.entries(original.scores)) {
      // It numbers models from 1, and poses are numbered from 0.
      const number = Number(/(\d+)$/.exec(name)?.[1]) - 1;
      if (Number.isNaN(number)) continue;
      const pose = `pose-${String(number).padStart(7, "0")}`;
      difference = Math.max(difference, Math.abs(score - (own.get(pose) ?? Number.NaN)));
    }
  }
  const graph = await graphSeconds(ensemble, chains);
  const mine = median(ours);
  const theirsMedian = theirs.length > 0 ? median(theirs) : RECORDED_SECONDS;
  const label = theirs.length > 0 ? "DeepRank-Ab 1.0.2" : "DeepRank-Ab 1.0.2, recorded";
  return {
    title: "Processor time of a pose",
    notes: [
      `${poses} poses of ${source.lines.length} atoms, of which the original scored ${originalPoses}; median of ${rounds}.`,
      "No residue embedding on either side. Ours: every process, start and end included; the original without imports.",
      ...(theirs.length > 0 ? [`Scores differ by ${difference.toExponential(1)} at most.`] : [why]),
    ],
    columns: ["", "CPU s a pose", "times ours"],
    rows: [
      ["raysidue score", mine.toFixed(3), ""],
      ["of this, the graph (warm)", graph.toFixed(3), ""],
      [label, theirsMedian.toFixed(2), (theirsMedian / mine).toFixed(1)],
    ],
    checks: [
      { what: "CPU seconds a pose", value: mine, unit: " s", target: 0.9, isMaximum: true },
      { what: "less than the original", value: theirsMedian / mine, unit: "x", target: 15 },
      { what: "graph stage", value: graph, unit: " s", target: 0.3, isMaximum: true },
    ],
    figures: { poses, atoms: source.lines.length, ours, theirs, graph, difference },
  };
}

/** CPU seconds from a structure to its graph, median. */
async function graphSeconds(file: string, chains: ScoreContext["chains"]): Promise<number> {
  const bytes = plainText(() => createReadStream(file), file);
  const times: number[] = [];
  for await (const record of readPdb(bytes, file)) {
    if (record.kind !== "structure") throw record.fault.error;
    const { heavy, light, antigen } = chains;
    const choice = { heavy, antigen: antigen.split(","), ...(light !== "" && { light }) };
    for (let round = 0; round < GRAPH_ROUNDS; round++) {
      const before = process.cpuUsage();
      const complex = prepareComplex(record.structure, choice, "original");
      const known = {
        regions: complex.residues.filter(({ chain }) => chain === 0).map(() => "CONST" as const),
        antibodyScalars: new Float32Array(),
        antigenScalars: new Float32Array(),
      };
      buildGraph(complex, known, { scalarsBy: "number", centre: "file", radii: "original" });
      const { user, system } = process.cpuUsage(before);
      if (round >= GRAPH_ROUNDS / 3) times.push((user + system) / 1e6);
    }
    break;
  }
  return median(times);
}
