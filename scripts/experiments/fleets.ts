/**
 * Redistribution on real processes with emulated devices, beside other schedulers, in one run:
 * `node dist/scripts/experiments/fleets.js [--ideal 30] [--fleets F1,F2,...] [--runs 1]
 * [--peers static,fifo,dask,ray] [--name fleets]`.
 *
 * Each fleet runs the job of the simulation (same draw, same seed) on a worker daemon a device, then
 * under each peer with the same lengths and speeds; runs alternate. Writes docs/experiments/NAME.*.
 * Quote medians: the machine's own load is in the figures.
 */
import os from "node:os";
import { parseArgs } from "node:util";
import { deviceSpecs } from "../../src/simulate/fleet.ts";
import { shippedFleet } from "../../src/simulate/fleets.ts";
import { drawJob } from "../../src/simulate/job.ts";
import { type Bar, barChart } from "./chart.ts";
import { canRun, isPeer, type Peer, peerPython, runPeer } from "./peer-fleet.ts";
import { runReal } from "./real-fleet.ts";
import { Circumstances, median, writeReport } from "./report.ts";

const { values } = parseArgs({
  options: {
    ideal: { type: "string", default: "30" },
    fleets: { type: "string", default: "F1,F2,F3,F4,F5,F6,F7" },
    runs: { type: "string", default: "1" },
    peers: { type: "string", default: "" },
    /** Of the files in docs/experiments. */
    name: { type: "string", default: "fleets" },
  },
});
const idealSeconds = Number(values.ideal);
const fleetNames = values.fleets.split(",");
const peers: Peer[] = [];
for (const name of values.peers.split(",").filter((each) => each !== "")) {
  if (!isPeer(name)) throw new Error(`no peer "${name}"`);
  peers.push(name);
}
const contenders = ["raysidue", ...peers] as const;
type Contender = (typeof contenders)[number];

interface Row {
  readonly fleet: string;
  readonly run: number;
  readonly contender: Contender;
  readonly boundSeconds: number;
  readonly achievedSeconds: number;
  readonly ratio: number;
  readonly repeatedWork?: number;
  /** Share of the work left undone. */
  readonly undone: number;
  readonly note: string;
  /** Of the machine, over the run's last minute. */
  readonly load: number;
}

const circumstances = new Circumstances();
const python = peers.length === 0 ? "" : await peerPython();
const rows: Row[] = [];
for (let run = 1; run <= Number(values.runs); run++) {
  for (const name of fleetNames) {
    for (const contender of contenders) {
      const row = await measure(name, contender, run);
      if (row === undefined) continue;
      rows.push(row);
      process.stderr.write(`${cellsOf(row).join("\t")}\n`);
    }
  }
}

async function measure(name: string, contender: Contender, run: number): Promise<Row | undefined> {
  const fleet = shippedFleet(name);
  // Work that keeps the fleet as it is at the start busy for the ideal time.
  const speed = deviceSpecs(fleet).reduce(
    (sum, each) => sum + (each.joins === 0 ? each.speed : 0),
    0,
  );
  const job = drawJob({ seed: run, work: speed * idealSeconds, giants: fleet.job.giants });
  const idealMs = idealSeconds * 1000;
  const head = { fleet: name, run, contender };
  if (contender === "raysidue") {
    const result = await runReal(fleet, job, idealMs);
    return { ...head, ...result, undone: 0, note: "", load: os.loadavg()[0]! };
  }
  if (!canRun(contender, fleet)) return undefined;
  const result = await runPeer(contender, { python, fleet, job, idealMs });
  return { ...head, ...result, load: os.loadavg()[0]! };
}

function cellsOf(row: Row): string[] {
  const { fleet, run, contender, boundSeconds, achievedSeconds, ratio, repeatedWork, note } = row;
  return [
    fleet,
    String(run),
    contender,
    boundSeconds.toFixed(2),
    achievedSeconds.toFixed(2),
    Number.isNaN(ratio) ? `${(100 * row.undone).toFixed(0)} % undone` : ratio.toFixed(3),
    repeatedWork === undefined ? "" : `${(100 * repeatedWork).toFixed(1)} %`,
    row.load.toFixed(1),
    note,
  ];
}

/** The median ratio of a contender on a fleet, or in words why there is none. */
function summary(fleet: string, contender: Contender): Bar {
  const own = rows.filter((row) => row.fleet === fleet && row.contender === contender);
  if (own.length === 0) return "not run";
  const worst = Math.max(...own.map(({ undone }) => undone));
  if (worst > 0) return `${(100 * worst).toFixed(0)} % undone`;
  return median(own.map(({ ratio }) => ratio));
}

const wordOf = (bar: Bar) => (typeof bar === "number" ? bar.toFixed(3) : bar);
await writeReport(
  {
    name: values.name,
    title: "Redistribution on real processes, emulated devices",
    paragraphs: [
      `Achieved time over the lower bound of the fleet as it was, ideal time ${idealSeconds} s, median of ${values.runs} run(s). ` +
        "Devices are emulated: a batch sleeps for 10 ms and 0.1 ms a token (attention's quadratic share included) over the device's speed. " +
        "Ours: a scheduler, a worker daemon and an engine process a device, and a driver that reads FASTA and writes Parquet. " +
        "The fleets are those of `raysidue simulate` of the same names.",
      "Peers get the same lengths, speeds and disturbances, and batches of 0.75 s at speed 1, longest first, as a careful user would make them. " +
        "static: one split by sum of lengths before the start, as the old pipeline does; fifo: one queue on plain processes; " +
        "dask: futures on Dask distributed; ray: ActorPool on Ray, `RAY_worker_niceness=0`; " +
        "ray-data: map_batches over an actor pool of Ray Data, which fleets that change cannot use. " +
        "Their start-up is left out, and a peer whose job was not finished has the share left undone in its place.",
    ],
    tables: [
      {
        columns: ["fleet", ...contenders],
        rows: fleetNames.map((fleet) => [
          fleet,
          ...contenders.map((contender) => wordOf(summary(fleet, contender))),
        ]),
      },
      {
        heading: "Every run",
        columns: [
          "fleet",
          "run",
          "scheduler",
          "bound (s)",
          "achieved (s)",
          "ratio",
          "repeated work",
          "load",
          "note",
        ],
        rows: rows.map(cellsOf),
      },
    ],
    data: { idealSeconds, rows },
    svg: barChart({
      title: `Achieved over bound, ideal time ${idealSeconds} s`,
      yLabel: "achieved / bound",
      yMin: 1,
      yMax: 1.4,
      groups: fleetNames,
      series: contenders.map((contender) => ({
        name: contender,
        values: fleetNames.map((fleet) => summary(fleet, contender)),
      })),
    }),
  },
  circumstances,
);
