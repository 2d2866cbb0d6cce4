/**
 * One run of `raysidue embed` as a user starts it, with its time and memory.
 *
 * Owns: the child process and what is read from its output folder. The time is from just before the
 * process starts until it has ended, so that everything counts. Invariant: a run that does not end
 * well throws; nothing is measured of it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TRACE_COLUMNS } from "../../src/driver/run/trace.ts";
import { readParquet } from "../../src/formats/table/parquet.ts";
import { readTsv } from "../../src/formats/table/tsv.ts";
import { type TreeUse, TreeWatch } from "./process-tree.ts";

const PROGRAM = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

export interface RunOptions {
  readonly fasta: string;
  readonly output: string;
  /** Raysidue's own cache: digests of model files, the chosen layout. An empty one: a first run. */
  readonly cache: string;
  readonly cores: number;
  readonly flags?: readonly string[];
  readonly sampleMs?: number;
  /** Watch the output folder for the first durable row. */
  readonly isWatched?: boolean;
}

export interface FinishedRun extends TreeUse {
  readonly seconds: number;
  /** From the start to the first durable row; only where it was watched for. */
  readonly firstRowSeconds: number;
  readonly tokens: number;
  readonly paddedTokens: number;
  readonly batches: number;
  /** Tasks of the batch that was done first. */
  readonly firstTasks: number;
  /** Busy seconds of all devices over devices x seconds. */
  readonly busyShare: number;
  readonly devices: number;
}

/** A program and arguments that run on the first `cores` cores only. */
export function onCores(command: readonly string[], cores: number): string[] {
  if (os.availableParallelism() <= cores) return [...command];
  return ["taskset", "-c", `0-${cores - 1}`, ...command];
}

export async function runEmbed(options: RunOptions): Promise<FinishedRun> {
  const { fasta, output, cache, cores, flags = [] } = options;
  await rm(output, { recursive: true, force: true });
  const own = ["embed", fasta, "-o", output, "--no-cache", "--offline", ...flags];
  const [program, ...rest] = onCores([process.execPath, PROGRAM, ...own], cores);
  const startedAt = performance.now();
  const child = spawn(program!, rest, {
    env: { ...process.env, RAYSIDUE_CACHE_DIR: cache },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (bytes: Buffer) => {
    said = (said + bytes.toString()).slice(-4000);
  });
  const watch = new TreeWatch(child.pid!, options.sampleMs);
  const first = options.isWatched === true ? watchShards(output, startedAt) : undefined;
  const [code] = await once(child, "exit");
  const seconds = (performance.now() - startedAt) / 1000;
  watch.close();
  first?.close();
  if (code !== 0) throw new Error(`raysidue embed ended with ${code}:\n${said}`);
  const trace = await traceOf(output, seconds);
  return { seconds, firstRowSeconds: first?.seconds() ?? 0, ...trace, ...watch.use() };
}

/** Shards are flushed before they are reported, and grow by whole appends. */
function watchShards(output: string, startedAt: number) {
  const folder = join(output, ".raysidue", "shards");
  let seconds = 0;
  const timer = setInterval(() => {
    if (seconds > 0 || !existsSync(folder)) return;
    const shards = readdirSync(folder).filter((name) => name.endsWith(".shard"));
    if (shards.some((name) => statSync(join(folder, name)).size > 0)) {
      seconds = (performance.now() - startedAt) / 1000;
    }
  }, 5);
  return { seconds: () => seconds, close: () => clearInterval(timer) };
}

async function traceOf(output: string, seconds: number) {
  const total = { tokens: 0, paddedTokens: 0, batches: 0 };
  let busySeconds = 0;
  let firstTasks = 0;
  let firstAt = Infinity;
  const devices = new Set<string>();
  for await (const block of readTsv(join(output, "trace.tsv"), TRACE_COLUMNS)) {
    for (const fields of block) {
      const row = Object.fromEntries(TRACE_COLUMNS.map((name, i) => [name, fields[i]!]));
      total.tokens += Number(row.tokens);
      total.paddedTokens += Number(row.padded_tokens);
      total.batches++;
      busySeconds += Number(row.busy_seconds);
      devices.add(`${row.worker} ${row.device}`);
      if (Number(row.finished_at) >= firstAt) continue;
      firstAt = Number(row.finished_at);
      firstTasks = Number(row.tasks);
    }
  }
  const busyShare = busySeconds / Math.max(1, devices.size) / seconds;
  return { ...total, firstTasks, busyShare, devices: devices.size };
}

/** The column `embedding` of a finished run's rows: `[rows, dim]` float32, row-major. */
export async function vectorsOf(output: string): Promise<Float32Array> {
  const folder = join(output, "embeddings");
  const parts: Float32Array[] = [];
  for (const name of readdirSync(folder).sort()) {
    for await (const { columns } of readParquet(join(folder, name))) {
      const data = columns[0]!.data;
      if (!(data instanceof Float32Array)) throw new Error(`${name} is not float32`);
      parts.push(data);
    }
  }
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
