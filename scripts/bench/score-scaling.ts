/**
 * Part `scaling`: the same poses on one core and on all, each with an engine a core.
 *
 * Whole runs, start and end included. Nothing is known before.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { say } from "./context.ts";
import { median } from "./gemm.ts";
import { readPoseSource, writePoses } from "./poses.ts";
import type { Part } from "./report.ts";
import type { ScoreContext } from "./score-context.ts";
import { runScore } from "./score-run.ts";

export async function benchScaling(context: ScoreContext): Promise<Part> {
  const { folder, structure, chains, poses, cores, seed, rounds } = context;
  const source = await readPoseSource(structure, chains.antigen.split(","));
  const input = join(folder, "scaling-poses");
  await writePoses(source, { folder: input, count: poses, seed: seed + 1, degrees: 3 });
  const [output, cache] = [join(folder, "scaling-out"), join(folder, "scaling-cache")];
  const few = join(folder, "scaling-few");
  await writePoses(source, { folder: few, count: 2, seed: seed + 2, degrees: 3 });
  const common = { output, cache, chains };
  await runScore({ ...common, poses: few, output: `${output}-few`, engines: 1, cores });
  const seconds = new Map<number, number[]>([1, cores].map((count) => [count, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [count, kept] of seconds) {
      await rm(output, { recursive: true, force: true });
      const flags = ["--no-cache"];
      const run = await runScore({ ...common, poses: input, engines: count, cores: count, flags });
      kept.push(run.seconds);
      say(`${count} cores: ${run.seconds.toFixed(1)} s`);
    }
  }
  const [one, all] = [median(seconds.get(1)!), median(seconds.get(cores)!)];
  return {
    title: `Scoring on one core and on ${cores}`,
    notes: [`${poses} poses, whole runs, nothing known before; median of ${rounds}.`],
    columns: ["cores", "seconds", "speed-up"],
    rows: [
      ["1", one.toFixed(1), "1.00"],
      [String(cores), all.toFixed(1), (one / all).toFixed(2)],
    ],
    checks: [
      { what: `speed-up on ${cores} cores`, value: one / all, unit: "x", target: 0.95 * cores },
    ],
    figures: { poses, seconds: Object.fromEntries(seconds) },
  };
}
