/**
 * The same fleet and job under another scheduler: peers/*.py, each in a process tree of its own.
 *
 * Owns: the job file that they read, their environment, and judging them by the bound of what their
 * fleet truly was. Their clock starts when all devices of the start are ready, so their start-up is
 * not held against them; batches are what a careful user would make (docs of the experiment).
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { messageOf } from "../../src/base/errors.ts";
import { lowerBound, type SpeedChange } from "../../src/scheduler/core/bound.ts";
import { deviceSpecs, type Fleet, timeMs } from "../../src/simulate/fleet.ts";
import { type Job, largestWork, workSeconds } from "../../src/simulate/job.ts";

const ROOT = process.cwd();
const PEERS = "scripts/experiments/peers";

/** Work of a peer's batch at speed 1: what a user would choose who knows the lengths. */
const BATCH_SECONDS = 0.75;
/** As in the bound of our own runs. */
const LARGEST = 64;
/** A peer that takes so many times the ideal time is given up. */
const PATIENCE = 12;
/** Ray takes a minute to start on a busy machine. */
const START_MS = 180_000;

/** File and first arguments of each peer. */
const PROGRAMS = {
  static: ["pull.py", "static"],
  fifo: ["pull.py", "fifo"],
  dask: ["dask_batches.py"],
  ray: ["ray_pool.py"],
  "ray-data": ["ray_data.py"],
} as const;
export type Peer = keyof typeof PROGRAMS;

export function isPeer(name: string): name is Peer {
  return Object.hasOwn(PROGRAMS, name);
}

export interface PeerResult {
  readonly boundSeconds: number;
  readonly achievedSeconds: number;
  /** Achieved over bound; NaN where the job was not finished. */
  readonly ratio: number;
  /** Share of the work that was never done. */
  readonly undone: number;
  readonly note: string;
}

/** Whether a peer can run a fleet at all; Ray Data's pool has neither joins nor our kills. */
export function canRun(peer: Peer, fleet: Fleet): boolean {
  return peer !== "ray-data" || (fleet.losses.length === 0 && deviceSpecs(fleet).every(isThere));
}

function isThere({ joins }: { readonly joins: number | string }): boolean {
  return joins === 0;
}

/** The Python of the peers' environment, made if need be. */
export async function peerPython(): Promise<string> {
  const child = spawn(join(ROOT, PEERS, "install"), { stdio: ["ignore", "pipe", "inherit"] });
  const [path] = await Promise.all([text(child.stdout), once(child, "exit")]);
  if (child.exitCode !== 0) throw new Error(`${PEERS}/install failed`);
  return path.trim();
}

export interface PeerRun {
  readonly python: string;
  readonly fleet: Fleet;
  readonly job: Job;
  readonly idealMs: number;
}

export async function runPeer(peer: Peer, run: PeerRun): Promise<PeerResult> {
  const folder = await mkdtemp(join(tmpdir(), "raysidue-peer-"));
  const path = join(folder, "job.json");
  try {
    await writeFile(path, JSON.stringify(jobFile(run)));
    const [program, ...first] = PROGRAMS[peer];
    const child = spawn(run.python, [join(ROOT, PEERS, program), ...first, path], {
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own, so that what a peer leaves behind ends with it, by its id.
      detached: true,
    });
    const force = setTimeout(() => endGroup(child.pid), START_MS + PATIENCE * run.idealMs);
    const [output, errors, [code, signal]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "exit").then((how) => {
        // What is left of its tree would keep the pipes open.
        endGroup(child.pid);
        return how;
      }),
    ]);
    clearTimeout(force);
    const result = judge(run, output);
    if (!Number.isNaN(result.boundSeconds)) return result;
    const last = errors.trim().split("\n").at(-1) ?? "";
    return { ...result, note: `${result.note}; ended by ${signal ?? code}: ${last.slice(0, 200)}` };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch (thrown) {
    // Nothing of the group is left.
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}

function jobFile({ fleet, job, idealMs }: PeerRun): object {
  const items = Array.from(job.lengths, workSeconds);
  const batches: number[] = [];
  for (const work of [...items].sort((a, b) => b - a)) {
    const open = batches.at(-1);
    if (open === undefined || open + work > BATCH_SECONDS) batches.push(work);
    else batches[batches.length - 1] = open + work;
  }
  const seconds = (at: number | string) => timeMs(at, idealMs) / 1000;
  const devices = deviceSpecs(fleet).map((spec, index) => ({
    speed: spec.speed,
    overhead: spec.overhead_ms / 1000,
    noise: spec.noise,
    joins: seconds(spec.joins),
    changes: fleet.changes
      .filter(({ device }) => device === index)
      .map(({ at, speed }) => [seconds(at), speed]),
    dies:
      fleet.losses.filter(({ device }) => device === index).map(({ at }) => seconds(at))[0] ?? null,
  }));
  return { items, batches, devices };
}

/** What a peer prints last; anything else is a peer that failed. */
interface Answer {
  readonly seconds: number;
  readonly done: number;
  readonly ready: Readonly<Record<string, number>>;
  readonly note: string;
}

function judge({ fleet, job, idealMs }: PeerRun, output: string): PeerResult {
  let answer: Answer;
  try {
    answer = JSON.parse(output.trim().split("\n").at(-1) ?? "") as Answer;
  } catch (thrown) {
    const note = `no result: ${messageOf(thrown)}`;
    return {
      boundSeconds: Number.NaN,
      achievedSeconds: Number.NaN,
      ratio: Number.NaN,
      undone: 1,
      note,
    };
  }
  const lanes = deviceSpecs(fleet).map((spec, index): SpeedChange[] => {
    const readyAt = answer.ready[String(index)];
    // A device that never came, or that a fixed split leaves out, was there for the bound all the same.
    const lane: SpeedChange[] = [
      {
        at: readyAt === undefined ? timeMs(spec.joins, idealMs) : 1000 * readyAt,
        speed: spec.speed,
      },
    ];
    for (const { at, device, speed } of fleet.changes) {
      if (device === index) lane.push({ at: timeMs(at, idealMs), speed });
    }
    for (const { at, device } of fleet.losses) {
      if (device === index) lane.push({ at: timeMs(at, idealMs), speed: 0 });
    }
    return lane;
  });
  const work = { total: job.work, largest: largestWork(job.lengths, LARGEST) };
  const boundSeconds = lowerBound(work, lanes, 0) / 1000;
  const undone = Math.max(0, 1 - answer.done / job.work);
  const isDone = undone < 1e-6;
  return {
    boundSeconds,
    achievedSeconds: answer.seconds,
    ratio: isDone ? answer.seconds / boundSeconds : Number.NaN,
    undone: isDone ? 0 : undone,
    note: answer.note,
  };
}
