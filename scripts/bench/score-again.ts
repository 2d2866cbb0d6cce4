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
  const by = async (choice: ScoreContext["chains"] | "auto", name: string) => {
    const common = { poses: input, cache: join(folder, `${name}-cache`), chains: choice, cores };
    const run = async (what: string, output: string) => {
      const { seconds } = await runScore({ ...common, output, engines: cores });
      say(`${name}, ${what}: ${seconds.toFixed(2)} s`);
      return seconds;
    };
    const output = join(folder, `${name}-out`);
    const first = await run("first run", output);
    const same = await run("same folder", output);
    return { first, same, other: await run("another", join(folder, `${name}-elsewhere`)) };
  };
  const named = await by(chains, "again");
  const found = await by("auto", "auto");
  const rowsOf = (what: string, { first, same, other }: typeof named) => [
    [`${what}: first run`, first.toFixed(2), ""],
    ["again, same folder", same.toFixed(2), (first / same).toFixed(1)],
    [
      "again, another folder, through the shared cache",
      other.toFixed(2),
      (first / other).toFixed(1),
    ],
  ];
  const checksOf = (what: string, { first, same, other }: typeof named) => [
    { what: `${what}: same folder, faster by`, value: first / same, unit: "x", target: 50 },
    { what: `${what}: another folder, faster by`, value: first / other, unit: "x", target: 50 },
  ];
  return {
    title: "A second run over the same poses",
    notes: [`${poses} poses in ${poses} files; whole runs.`],
    columns: ["", "seconds", "faster by"],
    rows: [...rowsOf("chains named", named), ...rowsOf("chains found (--auto)", found)],
    checks: [...checksOf("chains named", named), ...checksOf("chains found", found)],
    figures: { poses, named, found },
  };
}
