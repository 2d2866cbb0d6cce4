/**
 * What work costs here: from short runs on samples of it, or from the folder of a past run.
 *
 * Owns: what is read out of run.json and trace.tsv, and the memory of a fleet's processes. The
 * sample is every n-th item in order of cost: so its mean cost and the mean of its squares are the
 * whole's, and seconds a cost unit carry over without a model of their shape. Its items come as often
 * as the input's, since a row costs more where its item is new.
 */
import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { RaysidueError } from "../../base/errors.ts";
import { readTsv } from "../../formats/table/tsv.ts";
import { TRACE_COLUMNS } from "../run/trace.ts";
import type { LearnedCosts } from "./fleet-time.ts";

const REPORT = z.object({
  kind: z.string(),
  model: z.object({ fingerprint: z.string() }).optional(),
  engine: z.object({ fingerprint: z.string() }).optional(),
  counts: z.object({ rows: z.number() }),
  seconds: z.object({
    total: z.number(),
    // Runs of earlier versions do not tell them.
    read: z.number().default(0),
    write: z.number().default(0),
  }),
});

export interface PastRun {
  readonly kind: string;
  /** Of the model or the engine; "" where the kind has none. */
  readonly fingerprint: string;
  readonly seconds: z.infer<typeof REPORT>["seconds"];
  readonly rows: number;
  /** Items that were computed. */
  readonly items: number;
  /** In order of their end. */
  readonly leases: readonly Lease[];
}

/** Reads a finished run. Throws "bad-input" where the folder has none that computed something. */
export async function readRun(folder: string): Promise<PastRun> {
  const unfit = (why: string) =>
    new RaysidueError("bad-input", `${folder}: ${why}; name the output folder of a finished run`);
  const text = await readFile(join(folder, "run.json"), "utf8").catch(() => {
    throw unfit("there is no run.json");
  });
  const report = REPORT.safeParse(JSON.parse(text));
  if (!report.success) throw unfit("its run.json is of another version");
  const leases: Lease[] = [];
  let items = 0;
  try {
    for await (const rows of readTsv(join(folder, "trace.tsv"), TRACE_COLUMNS)) {
      for (const [, worker, device, tasks, tokens, , from, to, seconds, outcome] of rows) {
        if (outcome !== "committed") continue;
        items += Number(tasks);
        leases.push({
          device: `${worker} ${device}`,
          cost: Number(tokens),
          from: Number(from),
          to: Number(to),
          busy: Number(seconds),
        });
      }
    }
  } catch (thrown) {
    throw unfit(thrown instanceof Error ? thrown.message : "its trace.tsv is unreadable");
  }
  if (items === 0) throw unfit("nothing was computed");
  const { kind, model, engine, counts, seconds } = report.data;
  const fingerprint = (model ?? engine)?.fingerprint ?? "";
  leases.sort((a, b) => a.to - b.to);
  return { kind, fingerprint, seconds, rows: counts.rows, items, leases };
}

interface Lease {
  readonly device: string;
  readonly cost: number;
  /** Seconds since the run opened. */
  readonly from: number;
  readonly to: number;
  readonly busy: number;
}

/** Runs of one kind, on one fleet. */
export interface Taught {
  /** It brought the engines up. */
  readonly first: PastRun;
  readonly second?: SecondRun;
}

/** It found the engines, and wrote its rows twice: the second time in so many seconds. */
export interface SecondRun extends PastRun {
  readonly againSeconds: number;
}

/** Of each device's work: engines are slower until their code is compiled and their memory grown. */
const WARM_UP_SHARE = 1 / 3;
/** Of a run that was made for other reasons; fewer are written in what writing costs without any. */
const WRITTEN_ROWS_MIN = 200;

export interface TaughtCosts extends LearnedCosts {
  /** Items that were computed. */
  readonly items: number;
}

/** What runs teach. */
export function learn({ first, second }: Taught): TaughtCosts {
  const all = [...first.leases, ...(second?.leases ?? [])];
  const names = [...new Set(all.map(({ device }) => device))];
  const devices = names.length;
  const warm = names.flatMap((name) => withoutWarmUp(all.filter(({ device }) => device === name)));
  const secondsPerCost = sumOf(warm, "busy") / sumOf(warm, "cost");
  const warmUp = (sumOf(all, "busy") - secondsPerCost * sumOf(all, "cost")) / devices;
  const writeSecondsPerRow = secondsPerRow({ first, ...(second && { second }) });
  const { total, read } = first.seconds;
  const alone = total - read - spanOf(first) - writeSecondsPerRow * first.rows;
  const late = second === undefined ? 0 : waitOf(second, devices) + coldWritingOf(second);
  return {
    items: first.items + (second?.items ?? 0),
    devices,
    secondsPerCost,
    writeSecondsPerRow,
    startSeconds: Math.max(0, alone + warmUp + late),
  };
}

/** What a row adds to writing. */
function secondsPerRow({ first, second }: Taught): number {
  const { seconds, rows } = first;
  if (second === undefined) return rows < WRITTEN_ROWS_MIN ? 0 : seconds.write / rows;
  const more = second.rows - rows;
  return more <= 0 ? 0 : Math.max(0, (second.againSeconds - seconds.write) / more);
}

/** Code that writes is slow until it is compiled. */
function coldWritingOf({ seconds, againSeconds }: SecondRun): number {
  return Math.max(0, seconds.write - againSeconds);
}

/** What each device waits: a run begins with small batches, to learn what is large. */
function waitOf(run: PastRun, devices: number): number {
  return Math.max(0, spanOf(run) - sumOf(run.leases, "busy") / Math.min(devices, run.items));
}

function spanOf({ leases }: PastRun): number {
  return leases.at(-1)!.to - Math.min(...leases.map(({ from }) => from));
}

function withoutWarmUp(leases: readonly Lease[]): Lease[] {
  const cold = WARM_UP_SHARE * sumOf(leases, "cost");
  let done = 0;
  return leases.filter(({ cost }) => {
    done += cost;
    return done > cold;
  });
}

function sumOf(leases: readonly Lease[], of: "cost" | "busy"): number {
  return leases.reduce((total, lease) => total + lease[of], 0);
}

/** Takes every n-th of items that come in order of cost, `wanted` of `count` at most. */
export function isSampled(index: number, count: number, wanted: number): boolean {
  if (wanted >= count) return true;
  return Math.floor(((index + 1) * wanted) / count) > Math.floor((index * wanted) / count);
}

/** Largest resident memory so far of a process and everything below it; 0 where there is no /proc. */
export function peakBytesBelow(root: number): { own: number; below: number[] } {
  const [peaks, parents] = [new Map<number, number>(), new Map<number, number>()];
  for (const name of readNames()) {
    try {
      const status = readFileSync(`/proc/${name}/status`, "utf8");
      parents.set(Number(name), Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]));
      peaks.set(Number(name), 1024 * Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0));
    } catch {
      // It has ended meanwhile.
    }
  }
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === root || isBelow(parent));
  };
  const below = [...peaks].filter(([pid]) => isBelow(pid)).map(([, bytes]) => bytes);
  return { own: peaks.get(root) ?? 0, below: below.sort((a, b) => b - a) };
}

function readNames(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    // No such file system: memory is not told.
    return [];
  }
}
