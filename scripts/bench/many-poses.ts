/**
 * Very many poses: memory, and a kill in the middle.
 *
 *     node dist/scripts/bench/many-poses.js [--counts 10000,100000] [--real 10000,1000] \
 *       [--a-file 100]
 *
 * Every pose is read and planned from files; of each count all but `--real` have a made-up result in
 * the shared cache beforehand, since 100,000 real ones are 8 hours of a core. The rest is scored for
 * real, by a run that is killed with -9 once a third of its rows are durable, and by the same command
 * again. Proves by the keys of all rows on disk that no durable pose was computed again. Keeps the table in
 * docs/benchmarks.md. All that takes over an hour and 14 GB of scratch.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { posesSubject } from "../../src/driver/analyze/analyze-poses.ts";
import { Plan } from "../../src/driver/plan/plan.ts";
import { readPoses } from "../../src/driver/poses/read-poses.ts";
import { noScalars } from "../../src/driver/poses/scalar-source.ts";
import { TRACE_COLUMNS } from "../../src/driver/run/trace.ts";
import { readTsv } from "../../src/formats/table/tsv.ts";
import { encodeScore } from "../../src/kind/score.ts";
import { publish } from "../../src/store/cache.ts";
import {
  contentKey,
  type ItemDigest,
  KEY_BYTES,
  spaceDigest,
} from "../../src/store/content-key.ts";
import { listShards, ResultStore } from "../../src/store/result-store.ts";
import { shardPath } from "../../src/store/segment.ts";
import { describeStop, scanShard } from "../../src/store/shard-scan.ts";
import { ShardSink } from "../../src/store/shard-sink.ts";
import { say } from "./context.ts";
import { readPoseSource, writePoses } from "./poses.ts";
import { type TreeUse, TreeWatch, treeOf } from "./process-tree.ts";
import { type Part, publishPart } from "./report.ts";

const PROGRAM = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
const STRUCTURE = fileURLToPath(
  new URL("../../../test/data/deeprank/5E5M.pdb.gz", import.meta.url),
);
const CHAINS = { heavy: "B", antigen: ["A"] } as const;

const { values: flags } = parseArgs({
  options: {
    counts: { type: "string", default: "10000,100000" },
    real: { type: "string", default: "10000,1000" },
    "a-file": { type: "string", default: "100" },
    document: { type: "string", default: "docs/benchmarks.md" },
    json: { type: "string", default: "docs/benchmarks/score.json" },
    "dry-run": { type: "boolean", default: false },
  },
});
interface Row extends Pick<TreeUse, "rootBytes" | "treeBytes"> {
  readonly poses: number;
  /** Of these, computed by the two runs. */
  readonly real: number;
  /** Rows that the killed run left, and all that two runs made. */
  readonly killedRows: number;
  readonly allRows: number;
  /** Rows of the resumed run that were on disk when it began. */
  readonly again: number;
  /** Of the resumed run. */
  readonly copies: number;
  readonly killedSeconds: number;
  readonly resumedSeconds: number;
}

/** Results for all poses but the last `real`. */
async function fillCache(
  folder: string,
  { input, cache, real }: { input: string; cache: string; real: number },
): Promise<void> {
  const from = { inputs: [input], isRecursive: false };
  const options = { chains: CHAINS, scalars: noScalars(), isOffline: false };
  const { space } = await posesSubject(from, options);
  const [work, shards] = [join(folder, "fill"), join(folder, "fill-shards")];
  await mkdir(work);
  await mkdir(shards);
  const digest = spaceDigest(space);
  using plan = new Plan(work, digest);
  await readPoses(plan, {
    ...from,
    ...{ chains: CHAINS, check: "off", cures: false, stores: [], space: digest },
    namesPath: join(work, "names.tsv"),
    signal: new AbortController().signal,
    onRead: () => {},
  });
  plan.deduplicate();
  const sink = new ShardSink(shards);
  const row = encodeScore({
    ...{ score: 0.5, clashFraction: 0, clashCount: 0, offCentre: 0, nodeCount: 1, edgeCount: 1 },
    ...{ pairing: "not_applicable", notes: ["made up"] },
  } as Parameters<typeof encodeScore>[0]);
  let left = plan.rowCount - real;
  for (const rows of plan.rows()) {
    const taken = rows.slice(0, Math.max(0, left));
    left -= taken.length;
    if (taken.length === 0) break;
    await sink.append({
      keys: Buffer.concat(taken.map((each) => contentKey(digest, each.digest as ItemDigest))),
      sizes: taken.map(() => row.length),
      payload: Buffer.concat(taken.map(() => row)),
    });
  }
  await sink.close();
  const { warnings } = await publish(cache, space, shards);
  if (warnings.length > 0) throw new Error(warnings.join("; "));
}

const shardsOf = (output: string) => join(output, ".raysidue", "shards");

async function rowsIn(output: string): Promise<number> {
  const store = await ResultStore.open(shardsOf(output), { writable: false });
  await store.close();
  return store.rowCount;
}

/** How many rows each content key has on disk: one, unless it was computed twice. */
async function rowsByKey(output: string): Promise<ReadonlyMap<string, number>> {
  const rows = new Map<string, number>();
  const folder = shardsOf(output);
  for (const name of await listShards(folder)) {
    for await (const found of scanShard(shardPath(folder, name))) {
      if (found.type !== "segment") throw new Error(describeStop(name, found));
      for (let at = 0; at < found.keys.length; at += KEY_BYTES) {
        const key = found.keys.toString("hex", at, at + KEY_BYTES);
        rows.set(key, (rows.get(key) ?? 0) + 1);
      }
    }
  }
  return rows;
}

/** Tasks of a run that ran elsewhere already when they were begun, to end sooner. */
async function copiesIn(output: string): Promise<number> {
  let copies = 0;
  for await (const rows of readTsv(join(output, "trace.tsv"), TRACE_COLUMNS)) {
    for (const fields of rows) {
      const isCopy = /^(backup|overdue) copy$/.test(fields[TRACE_COLUMNS.indexOf("reason")]!);
      if (isCopy) copies += Number(fields[TRACE_COLUMNS.indexOf("tasks")]);
    }
  }
  return copies;
}

/** Runs the command; with `killAt`, kills its driver once so many rows are durable. */
async function run(input: string, output: string, cache: string, killAt?: number) {
  const chains = ["--heavy", CHAINS.heavy, "--antigen", CHAINS.antigen.join(",")];
  const rest = ["--embed-model", "none", "--cache-dir", cache, "--partial-every", "0"];
  const args = [PROGRAM, "score", input, "-o", output, ...chains, ...rest];
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (bytes: Buffer) => {
    said = (said + bytes.toString()).slice(-2000);
  });
  const ended = once(child, "exit");
  const watch = new TreeWatch(child.pid!);
  if (killAt !== undefined) {
    while (child.exitCode === null && (await rowsIn(output)) < killAt) await delay(200);
    watch.sample();
    const tree = treeOf(child.pid!);
    child.kill("SIGKILL");
    // Its daemons end when they notice; an engine's call ends first, and its rows count.
    while (tree.some((pid) => existsSync(`/proc/${pid}`))) await delay(100);
  }
  const [code, signal] = await ended;
  watch.close();
  const use = watch.use();
  const seconds = (performance.now() - startedAt) / 1000;
  if (signal !== "SIGKILL" && code !== 0) throw new Error(`ended with ${code}: ${said}`);
  return { ...use, seconds };
}

async function measure(poses: number, real: number): Promise<Row> {
  const folder = await mkdtemp(join(os.tmpdir(), "raysidue-many-"));
  try {
    const input = join(folder, "poses");
    const source = await readPoseSource(STRUCTURE, CHAINS.antigen);
    const options = { folder: input, count: poses, seed: 1, degrees: 3 };
    await writePoses(source, { ...options, models: Number(flags["a-file"]) });
    const [output, cache] = [join(folder, "out"), join(folder, "cache")];
    await fillCache(folder, { input, cache, real });
    say(`${poses} poses written, ${poses - real} with a result`);
    const killed = await run(input, output, cache, Math.ceil(real / 3));
    const before = await rowsByKey(output);
    const killedRows = await rowsIn(output);
    const resumed = await run(input, output, cache);
    const allRows = await rowsIn(output);
    const after = await rowsByKey(output);
    let again = 0;
    for (const [key, rows] of before) again += after.get(key)! - rows;
    const copies = await copiesIn(output);
    const report = JSON.parse(await readFile(join(output, "run.json"), "utf8"));
    if (report.counts.rows !== poses) throw new Error(`${report.counts.rows} rows of ${poses}`);
    const row = {
      ...{ poses, real },
      ...{ killedRows, allRows, again, copies },
      killedSeconds: killed.seconds,
      resumedSeconds: resumed.seconds,
      rootBytes: Math.max(killed.rootBytes, resumed.rootBytes),
      treeBytes: Math.max(killed.treeBytes, resumed.treeBytes),
    };
    say(JSON.stringify(row));
    return row;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function manyPoses(): Promise<Part> {
  const rows: Row[] = [];
  const real = flags.real.split(",").map(Number);
  for (const [i, count] of flags.counts.split(",").map(Number).entries()) {
    rows.push(await measure(count, Math.min(count, real[i] ?? real.at(-1)!)));
  }
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  const [first, last] = [rows[0]!, rows.at(-1)!];
  return {
    title: "Many poses, killed and resumed",
    notes: [
      `Poses of 5E5M, ${flags["a-file"]} a file, each parsed and planned. Those that are not scored for real have a made-up result in the cache.`,
      "The first run is killed with -9 when a third of the real ones are durable. Copies: poses of the run's end that an idle device ran, too. Memory of all processes together, and of the driver.",
    ],
    columns: [
      "poses",
      "scored for real",
      "killed after",
      "resumed in",
      "rows then",
      "in all",
      "computed again",
      "copies",
      "all processes",
      "driver",
    ],
    rows: rows.map((row) => [
      ...[row.poses, row.real].map((count) => count.toLocaleString("en-US")),
      `${row.killedSeconds.toFixed(0)} s`,
      `${row.resumedSeconds.toFixed(0)} s`,
      String(row.killedRows),
      String(row.allRows),
      String(row.again),
      String(row.copies),
      mib(row.treeBytes),
      mib(row.rootBytes),
    ]),
    checks: [
      {
        what: "durable poses computed again",
        value: rows.reduce((sum, { again }) => sum + again, 0),
        unit: "",
        target: 0,
        isMaximum: true,
      },
      {
        what: `driver's memory, ${last.poses} over ${first.poses} poses`,
        value: last.rootBytes / first.rootBytes,
        unit: "x",
        target: 1.25,
        isMaximum: true,
      },
    ],
    figures: { rows },
  };
}

await publishPart(
  { program: "node dist/scripts/bench/many-poses.js", section: "score-many", part: "many" },
  { document: flags.document, json: flags.json, isDryRun: flags["dry-run"] },
  manyPoses,
);
