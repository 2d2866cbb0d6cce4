/**
 * Redistribution on real processes with emulated devices: `node dist/scripts/experiments/fleets.js
 * [--ideal 30] [--fleets F1,F2,...] [--runs 1]`.
 *
 * Each fleet runs the job of the simulation (same draw, same seed) on a worker daemon a device;
 * prints achieved over bound and writes docs/experiments/fleets.{md,json}. Quote medians: the
 * machine's own load is in the figures.
 */
import { mkdir, writeFile } from "node:fs/promises";
import os from "node:os";
import { parseArgs } from "node:util";
import { deviceSpecs } from "../../src/simulate/fleet.ts";
import { shippedFleet } from "../../src/simulate/fleets.ts";
import { drawJob } from "../../src/simulate/job.ts";
import { type RealResult, runReal } from "./real-fleet.ts";

const { values } = parseArgs({
  options: {
    ideal: { type: "string", default: "30" },
    fleets: { type: "string", default: "F1,F2,F3,F4,F5,F6,F7" },
    runs: { type: "string", default: "1" },
  },
});
const idealSeconds = Number(values.ideal);

interface Row extends RealResult {
  readonly fleet: string;
  readonly run: number;
}

const rows: Row[] = [];
for (const name of values.fleets.split(",")) {
  const fleet = shippedFleet(name);
  // Work that keeps the fleet as it is at the start busy for the ideal time.
  const speed = deviceSpecs(fleet).reduce(
    (sum, each) => sum + (each.joins === 0 ? each.speed : 0),
    0,
  );
  for (let run = 1; run <= Number(values.runs); run++) {
    const job = drawJob({ seed: run, work: speed * idealSeconds, giants: fleet.job.giants });
    const result = await runReal(fleet, job, idealSeconds * 1000);
    rows.push({ fleet: name, run, ...result });
    process.stderr.write(`${tableRow(rows.at(-1)!)}\n`);
  }
}

function tableRow({ fleet, run, boundSeconds, achievedSeconds, ratio, repeatedWork }: Row): string {
  const cells = [
    fleet,
    run,
    boundSeconds.toFixed(2),
    achievedSeconds.toFixed(2),
    ratio.toFixed(3),
    `${(100 * repeatedWork).toFixed(1)} %`,
  ];
  return `| ${cells.join(" | ")} |`;
}

const text = [
  "# Redistribution on real processes, emulated devices",
  "",
  `Ideal time ${idealSeconds} s; ${os.cpus()[0]?.model ?? "unknown CPU"}, ${os.availableParallelism()} cores, ` +
    `load ${os.loadavg()[0]!.toFixed(1)} at the end; ${new Date().toISOString().slice(0, 10)}.`,
  `Made by \`node dist/scripts/experiments/fleets.js ${process.argv.slice(2).join(" ")}\`.`,
  "",
  "| fleet | run | bound (s) | achieved (s) | ratio | repeated work |",
  "|---|---|---|---|---|---|",
  ...rows.map(tableRow),
  "",
].join("\n");
await mkdir("docs/experiments", { recursive: true });
await writeFile("docs/experiments/fleets.md", text);
await writeFile(
  "docs/experiments/fleets.json",
  `${JSON.stringify({ idealSeconds, rows }, undefined, 2)}\n`,
);
process.stdout.write(text);
