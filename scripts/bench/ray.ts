/**
 * How soon a run on a Ray cluster has its first result: cold, and with the fleet up.
 *
 *     npm run bench:ray -- [--rounds 3] [--nodes 3] [--dry-run]
 *
 * Real Ray nodes in a network namespace of this machine, the driver outside of it, AntiBERTy on 100
 * sequences with rows as an embedded run has them. Node, code and models are on the nodes (a run
 * before has brought them). Kept in docs/benchmarks.md and docs/benchmarks/ray.json. Needs Linux,
 * root, .venvs/ray and the model antiberty pulled.
 */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ClusterControl } from "../../src/driver/fleet/cluster-control.ts";
import { BRIDGE_TOKEN, startBridge } from "../../test/support/bridge.ts";
import { randomSequences } from "../../test/support/fasta-text.ts";
import { absence, RayNodes } from "../../test/support/ray-nodes.ts";
import { runEmbed, vectorsOf } from "./cli-run.ts";
import { largestDifference, say } from "./context.ts";
import { median } from "./gemm.ts";
import { type Part, publishPart } from "./report.ts";
import { writeFasta } from "./sequences.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    nodes: { type: "string", default: "3" },
    document: { type: "string", default: "docs/benchmarks.md" },
    json: { type: "string", default: "docs/benchmarks/ray.json" },
    /** Print only. */
    "dry-run": { type: "boolean", default: false },
  },
});
const rounds = Number(flags.rounds);

async function measure(folder: string, nodes: RayNodes): Promise<Part> {
  const bridge = await startBridge(nodes);
  const fasta = join(folder, "start.fa");
  const sequences = randomSequences(100, { from: 100, to: 130, seed: 1 });
  await writeFasta(
    fasta,
    sequences.map(({ sequence }) => sequence),
  );
  const run = async (what: string, address?: string) => {
    const output = join(folder, what.replace(/\W+/g, "-"));
    const at = address === undefined ? [] : ["--address", address];
    const options = { fasta, output, cache: join(folder, "cache"), cores: 2, isWatched: true };
    const { firstRowSeconds, seconds } = await runEmbed({ ...options, flags: at });
    say(`${what}: first row after ${firstRowSeconds.toFixed(2)} s, ${seconds.toFixed(2)} s in all`);
    return { output, first: firstRowSeconds, whole: seconds };
  };
  const embedded = await run("embedded");
  const shipped = await run("shipped", bridge.url);
  const difference = largestDifference(
    await vectorsOf(embedded.output),
    await vectorsOf(shipped.output),
  );
  const timed: { what: string; first: number; whole: number }[] = [];
  const repeat = async (what: string, address: string) => {
    const runs: { first: number; whole: number }[] = [];
    for (let round = 0; round < rounds; round++) runs.push(await run(what, address));
    const of = (key: "first" | "whole") => median(runs.map((each) => each[key]));
    timed.push({ what, first: of("first"), whole: of("whole") });
    return of("first");
  };
  const client = `ray://${nodes.headAddress}:10001`;
  const coldBridge = await repeat("cold, bridge://", bridge.url);
  const coldClient = await repeat("cold, ray://", client);
  await using control = await ClusterControl.connect(bridge.url);
  await control.up({ cpus: 1 });
  await run("into the fleet, once", bridge.url);
  const second = await repeat("fleet up, bridge://", bridge.url);
  const secondClient = await repeat("fleet up, ray://", client);
  await control.down({ all: true });
  const atMost = (what: string, value: number, target: number) =>
    ({ what, value, unit: " s", target, isMaximum: true }) as const;
  return {
    title: "Start to first result on a Ray cluster, AntiBERTy, 100 sequences",
    notes: [
      `Seconds from the start of the command, median of ${rounds}; a result counts when its row is on disk.`,
      `${flags.nodes} real Ray nodes of one CPU each and the driver share this machine; code and model are on the nodes.`,
      `Largest difference to an embedded run's vectors: ${difference.toExponential(1)}.`,
      `With the code (and where it lacks it, the model) brought to each node: ${shipped.first.toFixed(1)} s.`,
    ],
    columns: ["", "first result", "whole run"],
    rows: [{ what: "embedded on this machine", ...embedded }, ...timed].map(
      ({ what, first, whole }) => [what, first.toFixed(2), whole.toFixed(2)],
    ),
    checks: [
      atMost("ray://, cold", coldClient, 15),
      atMost("bridge://, cold", coldBridge, 8),
      atMost("with the fleet up, ray://", secondClient, 2),
      atMost("with the fleet up, bridge://", second, 2),
      { what: "difference x 10^5", value: difference * 1e5, unit: "", target: 1, isMaximum: true },
    ],
    figures: { timed, embedded: embedded.first, shipped: shipped.first, difference },
  };
}

async function main(): Promise<void> {
  const missing = absence();
  if (missing !== undefined) throw new Error(missing);
  process.env.RAYSIDUE_TOKEN = BRIDGE_TOKEN;
  const folder = await mkdtemp(join(os.tmpdir(), "raysidue-bench-"));
  const nodes = await RayNodes.start({ count: Number(flags.nodes), cpus: 1 });
  try {
    const kept = { document: flags.document, json: flags.json, isDryRun: flags["dry-run"] };
    const names = { program: "npm run bench:ray", section: "ray", part: "ray" };
    await publishPart(names, kept, () => measure(folder, nodes));
  } finally {
    await nodes.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
