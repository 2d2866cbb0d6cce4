/**
 * A fleet under SLURM, for one session: the scheduler here, worker daemons as an array of jobs.
 *
 * Owns: the array's size, its watching and its end. Tasks come and go as SLURM likes: requeued,
 * drained at the end of their walltime, on nodes that fail; when none is left and work is, another
 * array is submitted. Invariant: the token travels in a file of this user's only, and with the
 * session the jobs end; if it is killed, the daemons end by their own grace time. Assumes what SLURM
 * clusters have: one installation and the output's folder on storage that all nodes see.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Deferred } from "../base/deferred.ts";
import { fromSystemError, messageOf, RaysidueError } from "../base/errors.ts";
import { makeToken } from "../rpc/channel.ts";
import { SchedulerHere } from "./ray-scheduler.ts";
import { cancel, controllerHost, type QueuedTask, queuedTasks, submit } from "./slurm-commands.ts";
import { type ExpectedWork, workersFor } from "./slurm-size.ts";

export interface SlurmOptions {
  readonly partition?: string;
  /** Generic resources of each worker, `gpu:1`. */
  readonly gres?: string;
  /** Walltime of each worker, as sbatch takes it. */
  readonly time?: string;
  /** Workers that run at once. */
  readonly concurrentMax?: number;
  /** CPUs of each worker; absent: what SLURM gives, which is one. */
  readonly cpus?: number;
  readonly workersMin?: number;
  readonly workersMax?: number;
  /** Other options of sbatch, `--account=lab`. */
  readonly sbatch?: readonly string[];
  readonly emulate?: readonly string[];
  readonly ownEngines?: readonly string[];
  readonly onNotice?: (text: string) => void;
}

export interface SlurmFleetStart {
  readonly options: SlurmOptions;
  readonly work: ExpectedWork;
  /** On storage that all nodes see; the fleet makes a folder of its own in it. */
  readonly folder: string;
}

const SCRIPT = fileURLToPath(new URL("../../../cluster/slurm/worker.sbatch", import.meta.url));
const PROGRAM = fileURLToPath(new URL("../cli/main.js", import.meta.url));

const WATCH_MS = 2000;
/** SLURM's controller is everybody's: it is asked less often once the array is known to run. */
const WATCH_RUNNING_MS = 10_000;
/** An array whose tasks all end within this time does not do what it should ... */
const SOON_MS = 60_000;
/** ... and is not submitted more often than this. */
const FUTILE_MAX = 3;
/** SLURM kills what does not end; that it is gone from the queue is waited for so long. */
const CANCEL_MS = 45_000;

export class SlurmFleet {
  /** The scheduler's, `HOST:PORT`. */
  readonly address: string;
  readonly token: string;
  readonly #start: SlurmFleetStart;
  readonly #scheduler: SchedulerHere;
  readonly #folder: string;
  readonly #broken = new Deferred<never>();
  readonly #stop = new AbortController();
  #job = "";
  #watching: Promise<void> = Promise.resolve();

  private constructor(
    start: SlurmFleetStart,
    parts: { scheduler: SchedulerHere; token: string; folder: string },
  ) {
    this.#start = start;
    this.#scheduler = parts.scheduler;
    this.address = parts.scheduler.address;
    this.token = parts.token;
    this.#folder = parts.folder;
    this.#broken.promise.catch(() => {});
    void this.#scheduler.ended.then(() => this.#break("try-again", "the scheduler ended"));
  }

  /** Throws RaysidueError; nothing is left in the queue then. */
  static async start(start: SlurmFleetStart): Promise<SlurmFleet> {
    const host = await controllerHost();
    const token = makeToken();
    const folder = join(start.folder, `slurm-${randomBytes(5).toString("hex")}`);
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(join(folder, "token"), token, { mode: 0o600, flag: "wx" });
      await writeFile(join(folder, "flags"), flagsOf(start.options), { flag: "wx" });
    } catch (thrown) {
      throw fromSystemError(thrown, `cannot write ${folder}`);
    }
    const scheduler = await SchedulerHere.start(host, token);
    const fleet = new SlurmFleet(start, { scheduler, token, folder });
    try {
      await fleet.#submit();
    } catch (thrown) {
      await fleet.close();
      throw thrown;
    }
    fleet.#watching = fleet.#watch();
    return fleet;
  }

  /** Rejects when the fleet cannot go on. */
  get broken(): Promise<never> {
    return this.#broken.promise;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
    await this.#cancel().catch((thrown: unknown) => {
      const advice = `its daemons end by themselves; or: scancel ${this.#job}`;
      this.#say(`job ${this.#job} was not cancelled (${messageOf(thrown)}); ${advice}`);
    });
    await this.#scheduler.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #submit(): Promise<void> {
    const { options, work } = this.#start;
    const workers = workersFor(work, options);
    const { partition, gres, time, concurrentMax, cpus, sbatch = [] } = options;
    const limit = concurrentMax === undefined ? "" : `%${concurrentMax}`;
    const given = { partition, gres, time, "cpus-per-task": cpus };
    const flags = Object.entries(given).filter(([, value]) => value !== undefined);
    this.#job = await submit({
      script: SCRIPT,
      options: [
        `--array=0-${workers - 1}${limit}`,
        `--output=${join(this.#folder, "%A_%a.log").replaceAll(",", "_")}`,
        ...flags.map(([name, value]) => `--${name}=${value}`),
        ...sbatch,
      ],
      environment: {
        RAYSIDUE_ADDRESS: `grpc://${this.address}`,
        RAYSIDUE_TOKEN_FILE: join(this.#folder, "token"),
        RAYSIDUE_PROGRAM: PROGRAM,
        RAYSIDUE_NODE: process.execPath,
        RAYSIDUE_FLAGS_FILE: join(this.#folder, "flags"),
      },
    });
    const atOnce = concurrentMax === undefined ? "" : `, ${concurrentMax} at once`;
    this.#say(`slurm job ${this.#job}: ${workers} workers asked for${atOnce}`);
  }

  /** Tells what the queue says, and submits again when all tasks are over. */
  async #watch(): Promise<void> {
    let told = "";
    let futile = 0;
    let submittedAt = performance.now();
    while (!this.#stop.signal.aborted) {
      const pause = told.includes("run") ? WATCH_RUNNING_MS : WATCH_MS;
      await delay(pause, undefined, { signal: this.#stop.signal }).catch(() => {});
      if (this.#stop.signal.aborted) return;
      try {
        const tasks = await queuedTasks(this.#job);
        if (tasks.length > 0) {
          const now = stateOf(tasks);
          if (now !== told) this.#say(`slurm job ${this.#job}: ${now}`);
          told = now;
          continue;
        }
        futile = performance.now() - submittedAt < SOON_MS ? futile + 1 : 0;
        if (futile >= FUTILE_MAX) {
          const why = await this.#lastWords();
          return this.#break("unavailable", `workers end as soon as SLURM starts them: ${why}`);
        }
        this.#say(`slurm job ${this.#job} is over and work is left; submitting again`);
        submittedAt = performance.now();
        await this.#submit();
        told = "";
      } catch (thrown) {
        // A controller that restarts is asked again; what it refuses will be refused again.
        if (thrown instanceof RaysidueError && thrown.code === "try-again") continue;
        return this.#break("unavailable", messageOf(thrown));
      }
    }
  }

  async #cancel(): Promise<void> {
    if (this.#job === "") return;
    await cancel(this.#job);
    const deadline = performance.now() + CANCEL_MS;
    while ((await queuedTasks(this.#job)).length > 0) {
      if (performance.now() > deadline) throw new RaysidueError("try-again", "it is still queued");
      await delay(WATCH_MS / 4);
    }
  }

  /** The end of the youngest log: what a worker said last. */
  async #lastWords(): Promise<string> {
    const logs = (await readdir(this.#folder)).filter((name) => name.endsWith(".log")).sort();
    if (logs.length === 0) return "they left no log; look at the nodes with sinfo";
    const text = await readFile(join(this.#folder, logs.at(-1)!), "utf8");
    return text.trim().split("\n").at(-1) ?? "";
  }

  #break(code: "try-again" | "unavailable", reason: string): void {
    if (this.#stop.signal.aborted) return;
    this.#broken.reject(new RaysidueError(code, `${reason}; the same command resumes`));
  }

  #say(text: string): void {
    this.#start.options.onNotice?.(text);
  }
}

/** For `worker start`, a word a line. */
function flagsOf({ emulate = [], ownEngines = [] }: SlurmOptions): string {
  const words = [
    ...emulate.flatMap((device) => ["--emulate", device]),
    ...ownEngines.flatMap((engine) => ["--engine", engine]),
  ];
  return words.map((word) => `${word}\n`).join("");
}

function stateOf(tasks: readonly QueuedTask[]): string {
  const running = tasks.filter(({ state }) => state === "RUNNING").length;
  const pending = tasks.filter(({ state }) => state === "PENDING");
  const reasons = [...new Set(pending.map(({ reason }) => reason))].filter(
    (each) => each !== "None",
  );
  const waiting =
    pending.length === 0 ? "" : `${pending.length} wait (${reasons.join(", ") || "to be placed"})`;
  const doing = running === 0 ? "" : `${running} workers run`;
  return [doing, waiting].filter((each) => each !== "").join(", ") || "ending";
}
