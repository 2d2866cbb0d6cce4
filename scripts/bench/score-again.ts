/**
 * Part `again`: a second run over the same poses, in the same folder and in another one.
 *
 * Whole runs, start and end included. The files are some seconds old when the first run reads them:
 * younger ones are not remembered (pose-book.ts).
 */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { say } from "./context.ts";
import { readPoseSource, writePoses } from "./poses.ts";
import type { Part } from "./report.ts";
import type { ScoreContext } from "./score-context.ts";
import { runScore } from "./score-run.ts";

/** A second run is mostly the start of a process: few poses would measure that. */
const POSES_FACTOR = 5;
const SETTLE_MS = 3000;

export async function benchAgain(context: ScoreContext): Promise<Part> {
  const { folder, structure, chains, cores, seed } = context;
  const poses = POSES_FACTOR * context.poses;
  const source = await readPoseSource(structure, chains.antigen.split(","));
  const input = join(folder, "again-poses");
  await writePoses(source, { folder: input, count: poses, seed: seed + 3, degrees: 3 });
  await delay(SETTLE_MS);
  const common = { poses: input, cache: join(folder, "again-cache"), chains, cores };
  const run = async (what: string, output: string) => {
    const { seconds } = await runScore({ ...common, output, engines: cores });
    say(`${what}: ${seconds.toFixed(2)} s`);
    return seconds;
  };
  const output = join(folder, "again-out");
  const first = await run("first run", output);
  const same = await run("again", output);
  const other = await run("elsewhere", join(folder, "again-elsewhere"));
  const row = (what: string, seconds: number) => [
    what,
    seconds.toFixed(2),
    (first / seconds).toFixed(1),
  ];
  return {
    title: "A second run over the same poses",
    notes: [`${poses} poses in ${poses} files; whole runs.`],
    columns: ["", "seconds", "faster by"],
    rows: [
      row("first run", first),
      row("again, same folder", same),
      row("again, another folder, through the shared cache", other),
    ],
    checks: [
      { what: "same folder, faster by", value: first / same, unit: "x", target: 50 },
      { what: "another folder, faster by", value: first / other, unit: "x", target: 50 },
    ],
    figures: { poses, first, same, other },
  };
}
