/**
 * Scaling over the nodes of a real Ray cluster: `node dist/scripts/experiments/ray-scaling.js
 * [--counts 1,2,4,8] [--work 160]`. Linux and root (a network namespace), .venvs/ray.
 *
 * Ray nodes, node agents, scheduler on the head, worker daemons and engines are real and all on this
 * machine; only the devices' work is emulated (it sleeps). The same work on more and more nodes.
 * Writes docs/experiments/ray-scaling.*.
 */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connect, embed } from "../../src/driver/api.ts";
import { ClusterControl } from "../../src/driver/fleet/cluster-control.ts";
import { drawJob } from "../../src/simulate/job.ts";
import { BRIDGE_TOKEN, startBridge } from "../../test/support/bridge.ts";
import { absence, RayNodes } from "../../test/support/ray-nodes.ts";
import { lineChart } from "./chart.ts";
import { warmUp, writeFasta } from "./real-fleet.ts";
import { Circumstances, writeReport } from "./report.ts";

const { values } = parseArgs({
  options: {
    counts: { type: "string", default: "1,2,4,8" },
    /** Seconds of one device, all together. */
    work: { type: "string", default: "160" },
  },
});
const counts = values.counts.split(",").map(Number);
const DEVICE = "overhead=10ms,cost=0.1ms";
const SPEED_UP_MIN = 7.6;

const missing = absence();
if (missing !== undefined) throw new Error(missing);
process.env.RAYSIDUE_TOKEN = BRIDGE_TOKEN;

interface Row {
  readonly nodes: number;
  readonly seconds: number;
  readonly boundSeconds: number;
  readonly load: number;
}

async function measure(address: string, fasta: string, nodes: number): Promise<Row> {
  await using control = await ClusterControl.connect(address);
  const load = os.loadavg()[0]!;
  const output = await mkdtemp(join(os.tmpdir(), "raysidue-scaling-"));
  try {
    await control.up({ emulate: [DEVICE], workersMax: nodes });
    await using session = await connect({ address });
    await warmUp(session, nodes);
    const job = { inputs: [fasta], outputFolder: output, model: "emulate", cacheFolder: null };
    const { balance } = await embed(session, job);
    if (balance === undefined) throw new Error("nothing was computed");
    return { nodes, seconds: balance.achieved_s, boundSeconds: balance.bound_s, load };
  } finally {
    await control.down({ all: false });
    await rm(output, { recursive: true, force: true });
  }
}

const circumstances = new Circumstances();
const folder = await mkdtemp(join(os.tmpdir(), "raysidue-scaling-"));
const fasta = join(folder, "job.fasta");
const drawn = drawJob({ seed: 1, work: Number(values.work) });
await writeFasta(fasta, drawn);
const rows: Row[] = [];
const cluster = await RayNodes.start({ count: Math.max(...counts), cpus: 1 });
try {
  const bridge = await startBridge(cluster);
  for (const nodes of counts) {
    rows.push(await measure(bridge.url, fasta, nodes));
    process.stderr.write(`${JSON.stringify(rows.at(-1))}\n`);
  }
} finally {
  await cluster.stop();
  await rm(folder, { recursive: true, force: true });
}

const alone = rows[0]!;
const speedUp = (row: Row) => (alone.nodes * alone.seconds) / row.seconds;
await writeReport(
  {
    name: "ray-scaling",
    title: "Scaling over the nodes of a real Ray cluster, emulated devices",
    paragraphs: [
      "Ray nodes in a network namespace, a bridge beside the head, the scheduler on the head and a worker daemon a node, all real and all on this machine; " +
        "devices are emulated: a batch sleeps for 10 ms and 0.1 ms a token. The fleet is up and its engines are open before the run. " +
        "The bound is the scheduler's own: the work over the speeds it measured. One run a row.",
      `The aim is a speed-up of ${SPEED_UP_MIN} on 8 nodes.`,
    ],
    tables: [
      {
        columns: ["nodes", "sequences", "achieved (s)", "bound (s)", "speed-up", "load"],
        rows: rows.map((row) => [
          row.nodes,
          drawn.lengths.length.toLocaleString("en-US"),
          row.seconds.toFixed(2),
          row.boundSeconds.toFixed(2),
          speedUp(row).toFixed(2),
          row.load.toFixed(1),
        ]),
      },
    ],
    data: { rows },
    svg: lineChart({
      title: "Speed-up over Ray nodes, emulated devices",
      xLabel: "Ray nodes",
      yLabel: "speed-up",
      yMin: 0,
      yMax: Math.max(...counts),
      ticks: counts.map(String),
      series: [
        { name: "achieved", values: rows.map(speedUp) },
        { name: "ideal", values: counts.map((count) => count / alone.nodes), isDashed: true },
      ],
    }),
  },
  circumstances,
);
