/**
 * What `raysidue score` costs, beside the original on the same machine.
 *
 *     npm run bench:score -- [--parts cpu,scaling,again,staging] [--poses 60] [--structure FILE.pdb.gz]
 *
 * Poses are copies of one complex whose antibody is turned about the antigen (poses.ts), so that each
 * is another graph. Prints a table for each part, and keeps it in docs/benchmarks.md and
 * docs/benchmarks/score.json. The original comes from PyPI (into .venvs/deeprank, 1.4 GB); where it
 * cannot be had, `cpu` says why and compares with the 13.8 s that were measured of it before.
 */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { say } from "./context.ts";
import { type Part, publishPart } from "./report.ts";
import { benchAgain } from "./score-again.ts";
import type { ScoreContext } from "./score-context.ts";
import { benchCpu } from "./score-cpu.ts";
import { benchScaling } from "./score-scaling.ts";
import { benchStaging } from "./score-staging.ts";

const STRUCTURE = fileURLToPath(
  new URL("../../../test/data/deeprank/4G6J.pdb.gz", import.meta.url),
);

const PARTS: Readonly<Record<string, (context: ScoreContext) => Promise<Part>>> = {
  cpu: benchCpu,
  scaling: benchScaling,
  again: benchAgain,
  staging: benchStaging,
};

const { values: flags } = parseArgs({
  options: {
    parts: { type: "string", default: Object.keys(PARTS).join(",") },
    structure: { type: "string", default: STRUCTURE },
    heavy: { type: "string", default: "H" },
    light: { type: "string", default: "L" },
    antigen: { type: "string", default: "A" },
    poses: { type: "string", default: "120" },
    "original-poses": { type: "string", default: "4" },
    rounds: { type: "string", default: "1" },
    cores: { type: "string", default: "2" },
    seed: { type: "string", default: "1" },
    document: { type: "string", default: "docs/benchmarks.md" },
    json: { type: "string", default: "docs/benchmarks/score.json" },
    "dry-run": { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  const names = flags.parts.split(",");
  for (const name of names) if (!Object.hasOwn(PARTS, name)) throw new Error(`no part ${name}`);
  const folder = await mkdtemp(join(os.tmpdir(), "raysidue-bench-"));
  const { structure, heavy, light, antigen } = flags;
  const context: ScoreContext = {
    folder,
    structure,
    chains: { heavy, light, antigen },
    poses: Number(flags.poses),
    originalPoses: Number(flags["original-poses"]),
    rounds: Number(flags.rounds),
    cores: Number(flags.cores),
    seed: Number(flags.seed),
  };
  try {
    for (const name of names) {
      say(`${name}: load ${os.loadavg()[0]!.toFixed(1)}`);
      const kept = { document: flags.document, json: flags.json, isDryRun: flags["dry-run"] };
      const own = { program: "npm run bench:score", section: `score-${name}`, part: name };
      await publishPart(own, kept, () => PARTS[name]!(context));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
