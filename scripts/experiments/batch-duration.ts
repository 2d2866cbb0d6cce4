/**
 * How long a batch should be: `node dist/scripts/experiments/batch-duration.js [--seeds 5]`.
 *
 * In simulation, on F1 and F3: batches of one length to the end, beside batches that shrink towards
 * the end (the policy), each with a longest length. The rule of thumb for fixed ones is a loss of
 * overhead/length + length/ideal time. Writes docs/experiments/batch-duration.*.
 */
import { parseArgs } from "node:util";
import { DEFAULT_OPTIONS } from "../../src/scheduler/core/options.ts";
import { shippedFleet } from "../../src/simulate/fleets.ts";
import { simulate } from "../../src/simulate/simulate.ts";
import { lineChart } from "./chart.ts";
import { Circumstances, median, writeReport } from "./report.ts";

const { values } = parseArgs({ options: { seeds: { type: "string", default: "5" } } });

const LENGTHS_SECONDS = [0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 10];
const CASES = [
  { fleet: "F1", idealSeconds: 30 },
  { fleet: "F1", idealSeconds: 180 },
  { fleet: "F3", idealSeconds: 30 },
  { fleet: "F3", idealSeconds: 180 },
] as const;
/** A share of what is left so large that only the longest length counts. */
const NEVER_SHRINK = 1e9;
const OVERHEAD_SECONDS = 0.01;

interface Row {
  readonly fleet: string;
  readonly idealSeconds: number;
  readonly policy: "fixed" | "shrinking" | "rule of thumb";
  readonly ratios: readonly number[];
}

function ratioAt(
  { fleet, idealSeconds }: { readonly fleet: string; readonly idealSeconds: number },
  core: { readonly batchSecondsMax: number; readonly horizonShare: number },
): number {
  const ratios: number[] = [];
  for (let seed = 1; seed <= Number(values.seeds); seed++) {
    ratios.push(simulate(shippedFleet(fleet), { idealSeconds, seed, core }).simulation.ratio);
  }
  return median(ratios);
}

const circumstances = new Circumstances();
const rows: Row[] = [];
for (const each of CASES) {
  const sweep = (horizonShare: number) =>
    LENGTHS_SECONDS.map((batchSecondsMax) => ratioAt(each, { batchSecondsMax, horizonShare }));
  rows.push({ ...each, policy: "fixed", ratios: sweep(NEVER_SHRINK) });
  rows.push({ ...each, policy: "shrinking", ratios: sweep(DEFAULT_OPTIONS.horizonShare) });
  if (each.fleet !== "F1") continue;
  const rule = LENGTHS_SECONDS.map((d) => 1 + OVERHEAD_SECONDS / d + d / each.idealSeconds);
  rows.push({ ...each, policy: "rule of thumb", ratios: rule });
}
const best = ({ ratios }: Row) => LENGTHS_SECONDS[ratios.indexOf(Math.min(...ratios))]!;
await writeReport(
  {
    name: "batch-duration",
    title: "Batch duration",
    paragraphs: [
      `Simulated: median of ${values.seeds} seeds, achieved time over the lower bound, 10 ms overhead a batch. ` +
        "Fixed: batches of one length to the end. Shrinking: the policy, a quarter of what is left but at most that length. " +
        "Both take work back and run copies at the end, which is why even long fixed batches stay below the rule of thumb, 1 + o/d + d/T.",
      `The scheduler's default is ${DEFAULT_OPTIONS.batchSecondsMax} s.`,
    ],
    tables: [
      {
        columns: [
          "fleet",
          "ideal (s)",
          "batches",
          ...LENGTHS_SECONDS.map((d) => `${d} s`),
          "best (s)",
        ],
        rows: rows.map((row) => [
          row.fleet,
          row.idealSeconds,
          row.policy,
          ...row.ratios.map((ratio) => ratio.toFixed(4)),
          best(row),
        ]),
      },
    ],
    data: { lengthsSeconds: LENGTHS_SECONDS, rows },
    svg: lineChart({
      title: "Batch duration (simulated)",
      xLabel: "longest batch (s)",
      yLabel: "achieved / bound",
      yMin: 1,
      yMax: 1.25,
      ticks: LENGTHS_SECONDS.map(String),
      series: rows
        .filter(({ idealSeconds }) => idealSeconds === 30)
        .map(({ fleet, policy, ratios }) => ({
          name: `${fleet}, ${policy}`,
          values: ratios,
          isDashed: policy === "rule of thumb",
        })),
    }),
  },
  circumstances,
);
