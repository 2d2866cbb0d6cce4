/**
 * Strong and weak scaling: `node dist/scripts/experiments/scaling.js [--counts 1,2,4,8,16,32,64]
 * [--work 256] [--each 20]`.
 *
 * A real scheduler, a real worker daemon and engine process a device, and a driver; only the
 * devices' work is emulated (it sleeps), so that 64 of them fit on few cores. Strong: the same work on
 * more and more devices. Weak: so much work a device. Writes docs/experiments/scaling.*.
 */
import os from "node:os";
import { parseArgs } from "node:util";
import { parseFleet } from "../../src/simulate/fleet.ts";
import { drawJob } from "../../src/simulate/job.ts";
import { lineChart } from "./chart.ts";
import { type RealResult, runReal } from "./real-fleet.ts";
import { Circumstances, writeReport } from "./report.ts";

const { values } = parseArgs({
  options: {
    counts: { type: "string", default: "1,2,4,8,16,32,64" },
    /** Seconds at speed 1, all together (strong) and a device (weak). */
    work: { type: "string", default: "256" },
    each: { type: "string", default: "20" },
  },
});
const counts = values.counts.split(",").map(Number);

interface Row extends RealResult {
  readonly mode: "strong" | "weak";
  readonly devices: number;
  readonly sequences: number;
  readonly work: number;
  /** Work over devices x achieved time. */
  readonly efficiency: number;
  readonly load: number;
}

async function measure(mode: Row["mode"], devices: number): Promise<Row> {
  const work = mode === "strong" ? Number(values.work) : Number(values.each) * devices;
  const fleet = parseFleet(`name = "equal"\n[[devices]]\ncount = ${devices}`, "scaling");
  const job = drawJob({ seed: 1, work });
  const result = await runReal(fleet, job, (1000 * work) / devices, { isWarm: true });
  return {
    ...result,
    mode,
    devices,
    sequences: job.lengths.length,
    work: job.work,
    efficiency: job.work / (devices * result.achievedSeconds),
    load: os.loadavg()[0]!,
  };
}

const circumstances = new Circumstances();
const rows: Row[] = [];
for (const mode of ["weak", "strong"] as const) {
  for (const devices of counts) {
    rows.push(await measure(mode, devices));
    process.stderr.write(`${JSON.stringify(rows.at(-1))}\n`);
  }
}

const of = (mode: Row["mode"]) => rows.filter((row) => row.mode === mode);
const alone = of("strong")[0]!;
const cells = (row: Row) => [
  row.devices,
  row.sequences.toLocaleString("en-US"),
  row.boundSeconds.toFixed(2),
  row.achievedSeconds.toFixed(2),
  row.ratio.toFixed(3),
  `${(100 * row.efficiency).toFixed(1)} %`,
  row.load.toFixed(1),
];
const columns = ["devices", "sequences", "bound (s)", "achieved (s)", "ratio", "efficiency"];
await writeReport(
  {
    name: "scaling",
    title: "Scaling over real worker daemons, emulated devices",
    paragraphs: [
      "A scheduler, a worker daemon and an engine process a device and a driver, all real and all on this machine; " +
        "devices are emulated: a batch sleeps for 10 ms and 0.1 ms a token. Engines are opened before the job. " +
        "Efficiency is the work over devices times achieved time; the ratio is to the lower bound of the fleet as it was. One run a row.",
      "What stands between 64 devices and the bound is per batch: overhead (10 ms of a batch that must be short where the ideal time is), " +
        "and the cores that all these processes share.",
    ],
    tables: [
      {
        heading: `Weak: ${values.each} s of work a device`,
        columns: [...columns, "load"],
        rows: of("weak").map(cells),
      },
      {
        heading: `Strong: ${values.work} s of work in all`,
        columns: [...columns, "load", "speed-up"],
        rows: of("strong").map((row) => [
          ...cells(row),
          ((alone.devices * alone.achievedSeconds) / row.achievedSeconds).toFixed(1),
        ]),
      },
    ],
    data: { rows },
    svg: lineChart({
      title: "Parallel efficiency, emulated devices on real daemons",
      xLabel: "worker daemons",
      yLabel: "efficiency",
      yMin: 0.5,
      yMax: 1,
      ticks: counts.map(String),
      series: [
        {
          name: `weak, ${values.each} s a device`,
          values: of("weak").map(({ efficiency }) => efficiency),
        },
        {
          name: `strong, ${values.work} s in all`,
          values: of("strong").map(({ efficiency }) => efficiency),
        },
      ],
    }),
  },
  circumstances,
);
