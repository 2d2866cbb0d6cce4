/**
 * What work costs here: from a short run on a sample of it, or from the folder of a past run.
 *
 * Owns: what is read out of run.json and trace.tsv, and the memory of a fleet's processes. The
 * sample is every n-th item in order of cost: so its mean cost and the mean of its squares are the
 * whole's, and seconds a cost unit carry over without a model of their shape.
 */
import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { RaysidueError } from "../base/errors.ts";
import { readTsv } from "../formats/tsv.ts";
import type { LearnedCosts } from "./fleet-time.ts";
import { TRACE_COLUMNS } from "./job-report.ts";

const REPORT = z.object({
  kind: z.string(),
  model: z.object({ fingerprint: z.string() }).optional(),
  seconds: z.object({ total: z.number() }),
});

export interface PastRun extends LearnedCosts {
  readonly kind: string;
  /** Of the model; "" where the kind has none. */
  readonly fingerprint: string;
  /** Items that were computed. */
  readonly items: number;
  readonly cost: number;
}

/**
 * What a finished run teaches. Throws "bad-input" where `folder` has none that computed something.
 * `readSeconds`: what reading its inputs took, which is no part of starting.
 */
export async function learnFrom(folder: string, readSeconds = 0): Promise<PastRun> {
  const unfit = (why: string) =>
    new RaysidueError("bad-input", `${folder}: ${why}; name the output folder of a finished run`);
  const text = await readFile(join(folder, "run.json"), "utf8").catch(() => {
    throw unfit("there is no run.json");
  });
  const report = REPORT.safeParse(JSON.parse(text));
  if (!report.success) throw unfit("its run.json is of another version");
  const byDevice = new Map<string, Lease[]>();
  let items = 0;
  try {
    for await (const rows of readTsv(join(folder, "trace.tsv"), TRACE_COLUMNS)) {
      for (const [, worker, device, tasks, tokens, , from, to, seconds, outcome] of rows) {
        if (outcome !== "committed") continue;
        const name = `${worker} ${device}`;
        const leases = byDevice.get(name) ?? [];
        byDevice.set(name, leases);
        items += Number(tasks);
        leases.push({
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
  const { kind, model, seconds } = report.data;
  const learned = learn([...byDevice.values()], Math.max(0, seconds.total - readSeconds));
  return { kind, fingerprint: model?.fingerprint ?? "", items, ...learned };
}

interface Lease {
  readonly cost: number;
  /** Seconds since the run opened. */
  readonly from: number;
  readonly to: number;
  readonly busy: number;
}

/** Of each device's work: engines are slower until their code is compiled and their memory grown. */
const WARM_UP_SHARE = 1 / 3;

function learn(devices: readonly Lease[][], seconds: number): LearnedCosts & { cost: number } {
  const sum = (leases: readonly Lease[], of: "cost" | "busy") =>
    leases.reduce((total, lease) => total + lease[of], 0);
  const all = devices.flat();
  const warm = devices.flatMap((leases) => {
    const cold = WARM_UP_SHARE * sum(leases, "cost");
    let done = 0;
    return leases
      .toSorted((a, b) => a.to - b.to)
      .filter(({ cost }) => {
        done += cost;
        return done > cold;
      });
  });
  const cost = sum(all, "cost");
  const secondsPerCost = sum(warm, "busy") / sum(warm, "cost");
  const first = all.reduce((least, { from }) => Math.min(least, from), Number.POSITIVE_INFINITY);
  const last = all.reduce((most, { to }) => Math.max(most, to), 0);
  const warmUp = (sum(all, "busy") - secondsPerCost * cost) / devices.length;
  return {
    cost,
    devices: devices.length,
    secondsPerCost,
    startSeconds: Math.max(0, seconds - (last - first) + warmUp),
  };
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
