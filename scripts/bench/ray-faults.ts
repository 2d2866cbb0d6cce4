/**
 * How soon a run on a Ray cluster goes on without a node that dies, and with one that joins.
 *
 *     npm run bench:ray-faults -- [--rounds 3] [--dry-run]
 *
 * Real Ray nodes in a network namespace of this machine, the driver outside of it, emulated devices.
 * In every round a node joins a run on three nodes, and when it is at work another one is killed (or
 * stopped) with its daemon. Times are from the signal, and from the daemon's registering, as the
 * scheduler's log and the run's trace have them. Kept in docs/benchmarks.md and
 * docs/benchmarks/ray.json. Needs Linux, root and .venvs/ray.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type RunningBridge, startBridge } from "../../test/support/bridge.ts";
import { readTrace } from "../../test/support/outputs.ts";
import { until } from "../../test/support/processes.ts";
import { absence, kill, RayNodes } from "../../test/support/ray-nodes.ts";
import {
  assertComplete,
  firstShards,
  SLOWER,
  sequences,
  startSlowRun,
} from "../../test/support/ray-runs.ts";
import { Sandbox } from "../../test/support/sandbox.ts";
import { say } from "./context.ts";
import { median } from "./gemm.ts";
import { type Part, publishPart } from "./report.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    document: { type: "string", default: "docs/benchmarks.md" },
    json: { type: "string", default: "docs/benchmarks/ray.json" },
    /** Print only. */
    "dry-run": { type: "boolean", default: false },
  },
});

const NODES = 3;
const JOIN_MS = 60_000;

interface LogLine {
  readonly time: string;
  readonly msg: string;
  readonly worker?: string;
}

/** The log of the scheduler that a session keeps on this machine, while it lives. */
function schedulerLog(sandbox: Sandbox): LogLine[] {
  const root = sandbox.path("tmp");
  const paths = readdirSync(root).map((name) => join(root, name, "log.ndjson"));
  const text = paths.filter(existsSync).map((path) => readFileSync(path, "utf8"));
  const lines = text.join("").split("\n");
  return lines.filter((line) => line.endsWith("}")).map((line) => JSON.parse(line) as LogLine);
}

const said = (sandbox: Sandbox, msg: string, workers: (id: string) => boolean = () => true) =>
  schedulerLog(sandbox).find((line) => line.msg === msg && workers(line.worker ?? ""));

interface Round {
  /** From the signal until the scheduler gives the worker up, seconds. */
  readonly noticed: number;
  /** ... until the first and the last task that ran there is leased to another. */
  readonly first: number;
  readonly last: number;
  /** Tasks that ran there and ran again elsewhere. */
  readonly again: number;
  /** From a daemon's registering until its first lease. */
  readonly joined: number;
}

async function round(
  nodes: RayNodes,
  bridge: RunningBridge,
  how: { readonly signal: NodeJS.Signals; readonly victim: number },
): Promise<Round> {
  await using sandbox = new Sandbox();
  const driver = startSlowRun(sandbox, bridge.url, [], SLOWER);
  await firstShards(sandbox);
  await until("all nodes at work", async () => (await nodes.workers()).length === NODES, JOIN_MS);
  const known = new Set(schedulerLog(sandbox).map(({ worker }) => worker ?? ""));
  await nodes.add(1);
  const isNew = (id: string) => !known.has(id);
  const joined = await until("the node", () => said(sandbox, "joined", isNew), JOIN_MS);
  const opened = Date.parse(said(sandbox, "run opened")!.time);

  const raylet = await nodes.raylet(how.victim);
  const own = `--listen ${nodes.addressOf(how.victim)}:`;
  const daemon = (await nodes.workers()).find(({ commandLine }) => commandLine.includes(own));
  if (daemon === undefined) throw new Error(`node ${how.victim} has no daemon`);
  const signalled = Date.now();
  kill(raylet, how.signal);
  kill(daemon.pid, how.signal);
  const lost = await until("the loss", () => said(sandbox, "worker lost"));
  await assertComplete(sandbox, driver);
  // A hung node's processes go when it does.
  kill(raylet, "SIGKILL");
  kill(daemon.pid, "SIGKILL");

  const trace = (await readTrace(sandbox.path("out"))).map((row) => ({
    ...row,
    tasks: Number(row.tasks),
    assigned: opened + 1000 * Number(row.assigned_at),
  }));
  const retries = trace.filter(({ reason }) => reason === "retry");
  const starts = retries.map(({ assigned }) => assigned);
  const leases = trace.filter((row) => row.worker === joined.worker).map((row) => row.assigned);
  if (retries.length === 0 || leases.length === 0) throw new Error("the trace lacks what is timed");
  return {
    noticed: (Date.parse(lost.time) - signalled) / 1000,
    first: (Math.min(...starts) - signalled) / 1000,
    last: (Math.max(...starts) - signalled) / 1000,
    again: retries.reduce((sum, { tasks }) => sum + tasks, 0),
    joined: (Math.min(...leases) - Date.parse(joined.time)) / 1000,
  };
}

async function measure(nodes: RayNodes): Promise<Part> {
  const bridge = await startBridge(nodes);
  const rounds: Record<"SIGKILL" | "SIGSTOP", Round[]> = { SIGKILL: [], SIGSTOP: [] };
  let victim = 1;
  for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
    for (let i = 0; i < Number(flags.rounds); i++) {
      const done = await round(nodes, bridge, { signal, victim: victim++ });
      say(`${signal}: ${JSON.stringify(done)}`);
      rounds[signal].push(done);
    }
  }
  const all = [...rounds.SIGKILL, ...rounds.SIGSTOP];
  const row = (what: string, of: readonly number[]) =>
    [what, median([...of]).toFixed(2), Math.max(...of).toFixed(2)] as const;
  const rowsOf = (what: string, of: readonly Round[]) => [
    row(
      `${what}: given up by the scheduler`,
      of.map(({ noticed }) => noticed),
    ),
    row(
      `${what}: first of its tasks leased elsewhere`,
      of.map(({ first }) => first),
    ),
    row(
      `${what}: all that ran there leased elsewhere`,
      of.map(({ last }) => last),
    ),
  ];
  const joins = all.map(({ joined }) => joined);
  const check = (what: string, of: readonly number[], target: number) =>
    ({ what, value: median([...of]), unit: " s", target, isMaximum: true }) as const;
  return {
    title: "A run on a Ray cluster when a node dies, hangs or joins, emulated devices",
    notes: [
      `Seconds, median and worst of ${flags.rounds} rounds (of ${all.length} for joins).`,
      `${NODES} real Ray nodes of one emulated device each; a fourth joins, then another one dies: kill -9 or SIGSTOP of its raylet and daemon.`,
      `Every run ended with all ${sequences.length} rows; the batch that ran on the node that died had ${median(all.map(({ again }) => again))} tasks left. What waited behind it is back in the queue when the worker is given up.`,
    ],
    columns: ["", "median", "worst"],
    rows: [
      ...rowsOf("kill -9", rounds.SIGKILL),
      ...rowsOf("SIGSTOP", rounds.SIGSTOP),
      row("join: from the daemon's registering to its first lease", joins),
    ],
    checks: [
      check(
        "kill -9, leased elsewhere",
        rounds.SIGKILL.map(({ last }) => last),
        6,
      ),
      check(
        "SIGSTOP, leased elsewhere",
        rounds.SIGSTOP.map(({ last }) => last),
        6,
      ),
      check("join, first lease", joins, 2),
    ],
    figures: { rounds },
  };
}

async function main(): Promise<void> {
  const missing = absence();
  if (missing !== undefined) throw new Error(missing);
  const nodes = await RayNodes.start({ count: NODES, cpus: 1 });
  try {
    const kept = { document: flags.document, json: flags.json, isDryRun: flags["dry-run"] };
    const names = { program: "npm run bench:ray-faults", section: "ray-faults", part: "faults" };
    await publishPart(names, kept, () => measure(nodes));
  } finally {
    await nodes.stop();
  }
}

await main();
