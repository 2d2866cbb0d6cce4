/**
 * How far ahead a device should be fed: `node dist/scripts/experiments/prefetch.js [--ideal 30]
 * [--seeds 5]`.
 *
 * In simulation: the depth is no setting of the real daemon. Depth 0: a device gets a batch when it
 * has nothing. 1: one waits at its daemon. 2: besides, the engine holds its next call, which can no
 * longer be taken back. Writes docs/experiments/prefetch.*.
 */
import { parseArgs } from "node:util";
import type { Fleet } from "../../src/simulate/fleet.ts";
import { shippedFleet } from "../../src/simulate/fleets.ts";
import { simulate } from "../../src/simulate/simulate.ts";
import { lineChart } from "./chart.ts";
import { Circumstances, median, writeReport } from "./report.ts";

const { values } = parseArgs({
  options: {
    ideal: { type: "string", default: "30" },
    seeds: { type: "string", default: "5" },
    fleets: { type: "string", default: "F1,F2,F3,F5" },
  },
});

/** One way: a machine, a cluster, a campus, a continent, and a bad day. */
const LATENCIES_MS = [0.5, 2, 10, 40, 100];
const DEPTHS = [0, 1, 2] as const;
type Depth = (typeof DEPTHS)[number];

/** Median ratio over the seeds. */
function ratioAt(name: string, depth: Depth, latencyMs: number): number {
  const shipped = shippedFleet(name);
  const fleet: Fleet = {
    ...shipped,
    network: { latency_ms: latencyMs, jitter_ms: latencyMs / 2 },
    devices: shipped.devices.map((each) => ({ ...each, prefetch: depth === 2 ? 1 : 0 })),
  };
  const core = {
    waitingMax: depth === 0 ? 0 : 1,
    roundTripMs: Math.max(5, 2 * latencyMs),
  } as const;
  const ratios: number[] = [];
  for (let seed = 1; seed <= Number(values.seeds); seed++) {
    const options = { idealSeconds: Number(values.ideal), seed, core };
    ratios.push(simulate(fleet, options).simulation.ratio);
  }
  return median(ratios);
}

const circumstances = new Circumstances();
const names = values.fleets.split(",");
const rows = names.flatMap((fleet) =>
  DEPTHS.map((depth) => ({
    fleet,
    depth,
    ratios: LATENCIES_MS.map((latencyMs) => ratioAt(fleet, depth, latencyMs)),
  })),
);
const ratios = rows.flatMap((row) => row.ratios);
await writeReport(
  {
    name: "prefetch",
    title: "Prefetch depth",
    paragraphs: [
      `Simulated: ideal time ${values.ideal} s, median of ${values.seeds} seeds, achieved time over the lower bound. ` +
        "Depth 0 gives a device a batch when it has nothing; 1 lets one wait at its daemon; 2 also lets the engine hold its next call, which cannot be taken back any more. " +
        "Latency is one way, with a jitter of half of it. The bound knows no latency.",
    ],
    tables: [
      {
        columns: ["fleet", "depth", ...LATENCIES_MS.map((ms) => `${ms} ms`)],
        rows: rows.map((row) => [
          row.fleet,
          row.depth,
          ...row.ratios.map((each) => each.toFixed(4)),
        ]),
      },
    ],
    data: { latenciesMs: LATENCIES_MS, rows },
    svg: lineChart({
      title: `Prefetch depth, ${names[0]}, ideal time ${values.ideal} s (simulated)`,
      xLabel: "latency, one way (ms)",
      yLabel: "achieved / bound",
      yMin: 1,
      yMax: Math.ceil(20 * Math.max(...ratios.slice(0, 3 * LATENCIES_MS.length))) / 20,
      ticks: LATENCIES_MS.map(String),
      series: rows
        .filter(({ fleet }) => fleet === names[0])
        .map(({ depth, ratios: values_ }) => ({ name: `depth ${depth}`, values: values_ })),
    }),
  },
  circumstances,
);
