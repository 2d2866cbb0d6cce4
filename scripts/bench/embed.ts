/**
 * How fast `raysidue embed` is, beside what people use today.
 *
 *     npm run bench:embed -- --fasta ANTIBODIES --proteins PROTEINS [--parts chains,file,...]
 *
 * Both sides run on the same sequences, cores, threads and model in one session, in turns. Prints a
 * table for each part, and keeps it in docs/benchmarks.md and docs/benchmarks/embed.json. Needs
 * Python 3.11 with pip for the peers (into .venvs/bench) and the model antiberty pulled. The inputs
 * are not part of the repository: any FASTA file of antibody chains and of proteins will do.
 */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { benchChains, benchFile } from "./antiberty.ts";
import type { Context } from "./context.ts";
import { say } from "./context.ts";
import { benchEsm2 } from "./esm2.ts";
import { benchMillion } from "./million.ts";
import { type Part, publishPart } from "./report.ts";
import { benchStart } from "./start.ts";

const PARTS: Readonly<Record<string, (context: Context) => Promise<Part>>> = {
  start: benchStart,
  chains: benchChains,
  esm2: benchEsm2,
  million: benchMillion,
  file: benchFile,
};

const { values: flags } = parseArgs({
  options: {
    /** Antibody chains, for start, chains and file. */
    fasta: { type: "string" },
    /** Proteins of all kinds, for esm2. */
    proteins: { type: "string" },
    parts: { type: "string", default: Object.keys(PARTS).join(",") },
    threads: { type: "string", default: "2" },
    rounds: { type: "string", default: "1" },
    chains: { type: "string", default: "2000" },
    /** Chunks of the whole file for the original's runner; 0 for all, which takes a quarter of an hour. */
    sample: { type: "string", default: "60" },
    "proteins-count": { type: "string", default: "500" },
    /** Below some 300,000 the driver's heap has not come to its working size. */
    millions: { type: "string", default: "300000,1000000,3000000" },
    seed: { type: "string", default: "1" },
    document: { type: "string", default: "docs/benchmarks.md" },
    json: { type: "string", default: "docs/benchmarks/embed.json" },
    /** Print only. */
    "dry-run": { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  const parts = flags.parts.split(",");
  for (const name of parts) if (!Object.hasOwn(PARTS, name)) throw new Error(`no part ${name}`);
  const folder = await mkdtemp(join(os.tmpdir(), "raysidue-bench-"));
  const context: Context = {
    folder,
    threads: Number(flags.threads),
    antibodies: flags.fasta,
    proteins: flags.proteins,
    seed: Number(flags.seed),
    rounds: Number(flags.rounds),
    chains: Number(flags.chains),
    sample: Number(flags.sample),
    proteinsCount: Number(flags["proteins-count"]),
    millions: flags.millions.split(",").map(Number),
  };
  const kept = { document: flags.document, json: flags.json, isDryRun: flags["dry-run"] };
  try {
    for (const name of parts) {
      say(`${name}: load ${os.loadavg()[0]!.toFixed(1)}`);
      const names = { program: "npm run bench:embed", section: name, part: name };
      await publishPart(names, kept, () => PARTS[name]!(context));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
