/**
 * The policy on a virtual clock: `node dist/scripts/experiments/simulation.js [--ideal 180]
 * [--seeds 5] [--large 1000x10000000]`.
 *
 * Fleets F1 to F12, several seeds each, and large fleets with the time and memory that simulating
 * them takes. Nothing here is real but the scheduler's core. Writes docs/experiments/simulation.*.
 */
import { execFile } from "node:child_process";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { type Fleet, parseFleet } from "../../src/simulate/fleet.ts";
import { FLEET_NAMES, shippedFleet } from "../../src/simulate/fleets.ts";
import { type Simulation, simulate } from "../../src/simulate/simulate.ts";
import { barChart } from "./chart.ts";
import { Circumstances, median, writeReport } from "./report.ts";

const { values } = parseArgs({
  options: {
    ideal: { type: "string", default: "180" },
    seeds: { type: "string", default: "5" },
    /** Devices x sequences of the large fleets. */
    large: { type: "string", default: "1000x10000000" },
    /** For the child that simulates one large fleet alone: "equal", "unlike" or "noisy". */
    only: { type: "string" },
  },
});
const idealSeconds = Number(values.ideal);
const [deviceCount, sequenceCount] = values.large.split("x").map(Number) as [number, number];
const half = Math.floor(deviceCount / 2);

const LARGE = {
  equal: `[[devices]]\ncount = ${deviceCount}`,
  unlike: `[[devices]]\ncount = ${half}\nspeed = 4\n[[devices]]\ncount = ${deviceCount - half}`,
  noisy: `[[devices]]\ncount = ${half}\nspeed = 4\nnoise = 0.1\n[[devices]]\ncount = ${deviceCount - half}\nnoise = 0.1`,
} as const;
const LARGE_WORDS = {
  equal: `${deviceCount} equal devices`,
  unlike: `${half} of speed 4, ${deviceCount - half} of speed 1`,
  noisy: `the same with 10 % noise a batch`,
} as const;
type LargeName = keyof typeof LARGE;

interface LargeResult extends Simulation {
  readonly seconds: number;
  readonly cpu_seconds: number;
  readonly memory_bytes: number;
}

function largeFleet(name: LargeName): Fleet {
  return parseFleet(`name = "${name}"\n${LARGE[name]}`, name);
}

function simulateLarge(name: LargeName): LargeResult {
  const startedAt = performance.now();
  const { simulation } = simulate(largeFleet(name), { idealSeconds, seed: 1, sequenceCount });
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  return {
    ...simulation,
    seconds: (performance.now() - startedAt) / 1000,
    cpu_seconds: (userCPUTime + systemCPUTime) / 1e6,
    memory_bytes: maxRSS * 1024,
  };
}

/** In a process of its own, so that time and memory are its own. */
async function largeInChild(name: LargeName): Promise<LargeResult> {
  const script = fileURLToPath(import.meta.url);
  const args = [script, "--only", name, "--large", values.large, "--ideal", values.ideal];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as LargeResult;
}

const percent = (share: number) => `${(100 * share).toFixed(2)} %`;

function fleetRow(name: string, runs: readonly Simulation[]): string[] {
  const of = (value: (run: Simulation) => number) => runs.map(value);
  const ratios = of(({ ratio }) => ratio);
  const loss = (key: keyof Simulation["losses"]) => percent(median(of((run) => run.losses[key])));
  return [
    name,
    shippedFleet(name).description,
    median(of(({ bound_s }) => bound_s)).toFixed(2),
    median(ratios).toFixed(4),
    Math.max(...ratios).toFixed(4),
    percent(Math.max(...of(({ repeated_work }) => repeated_work))),
    loss("start_up"),
    loss("batch_overhead"),
    loss("idle_between"),
    loss("idle_tail"),
  ];
}

async function experiment(): Promise<void> {
  const circumstances = new Circumstances();
  const fleets = new Map<string, Simulation[]>();
  for (const name of FLEET_NAMES) {
    const runs: Simulation[] = [];
    for (let seed = 1; seed <= Number(values.seeds); seed++) {
      runs.push(simulate(shippedFleet(name), { idealSeconds, seed }).simulation);
    }
    fleets.set(name, runs);
  }
  const large: LargeResult[] = [];
  for (const name of Object.keys(LARGE) as LargeName[]) large.push(await largeInChild(name));
  const ratiosOf = (name: string) => fleets.get(name)!.map(({ ratio }) => ratio);
  await writeReport(
    {
      name: "simulation",
      title: "Redistribution in simulation",
      paragraphs: [
        `The scheduler's core on a virtual clock and network: ideal time ${idealSeconds} s, ${values.seeds} seeds a fleet ` +
          "(lengths, noise and network differ). Ratio is achieved time over the lower bound; losses are shares of the fleet's capacity, medians.",
      ],
      tables: [
        {
          heading: "Fleets",
          columns: [
            "fleet",
            "",
            "bound (s)",
            "ratio, median",
            "ratio, worst",
            "repeated work, worst",
            "start-up",
            "batch overhead",
            "idle between",
            "idle tail",
          ],
          rows: [...fleets].map(([name, runs]) => fleetRow(name, runs)),
        },
        {
          heading: `${deviceCount.toLocaleString("en-US")} devices, ${sequenceCount.toLocaleString("en-US")} sequences`,
          columns: [
            "fleet",
            "bound (s)",
            "ratio",
            "repeated work",
            "batches",
            "time (s)",
            "CPU (s)",
            "peak memory (MiB)",
          ],
          rows: large.map((each) => [
            LARGE_WORDS[each.fleet as LargeName],
            each.bound_s.toFixed(1),
            each.ratio.toFixed(4),
            percent(each.repeated_work),
            each.batches,
            each.seconds.toFixed(1),
            each.cpu_seconds.toFixed(1),
            (each.memory_bytes / 2 ** 20).toFixed(0),
          ]),
        },
      ],
      data: { idealSeconds, fleets: Object.fromEntries(fleets), large },
      svg: barChart({
        title: `Achieved over bound in simulation, ideal time ${idealSeconds} s`,
        yLabel: "achieved / bound",
        yMin: 1,
        yMax: 1.05,
        groups: [...fleets.keys()],
        series: [
          { name: "median", values: [...fleets.keys()].map((name) => median(ratiosOf(name))) },
          { name: "worst", values: [...fleets.keys()].map((name) => Math.max(...ratiosOf(name))) },
        ],
      }),
    },
    circumstances,
  );
}

if (values.only === undefined) await experiment();
else process.stdout.write(JSON.stringify(simulateLarge(values.only as LargeName)));
