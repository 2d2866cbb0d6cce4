/**
 * A fleet under SLURM, for one session: the scheduler here, worker daemons as an array of jobs.
 *
 * Owns: the array's size, its watching and its end. Tasks come and go as SLURM likes: requeued,
 * drained at the end of their walltime, on nodes that fail; when none is left and work is, another
 * array is submitted. Invariant: the token travels in a file of this user's only, and with the
 * session the jobs end; if it is killed, the daemons end by their own grace time. Assumes what SLURM
 * clusters have: one installation and the output's folder on storage that all nodes see.
 */
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Deferred } from "../../base/deferred.ts";
import { messageOf, RaysidueError } from "../../base/errors.ts";
import { makeToken } from "../../rpc/channel.ts";
import { SchedulerHere } from "./ray-scheduler.ts";
import { cancel, controllerHost, type QueuedTask, queuedTasks, submit } from "./slurm-commands.ts";
import { SlurmFolder } from "./slurm-folder.ts";
import { describeQueue, hasStarted, hopelessReason } from "./slurm-queue.ts";
import { type ExpectedWork, workersFor } from "./slurm-size.ts";
import { warningSeconds } from "./slurm-time.ts";
import { type WorkerSetup, workerFlags } from "./worker-flags.ts";

export interface SlurmOptions extends WorkerSetup {
  readonly partition?: string;
  /** Generic resources of each worker, `gpu:1`. */
  readonly gres?: string;
  /** Walltime of each worker, as sbatch takes it. */
  readonly time?: string;
  /** Gives up when no worker has started by then; absent: waits as long as SLURM does. */
  readonly waitMaxSeconds?: number;
  /** Workers that run at once. */
  readonly concurrentMax?: number;
  /** CPUs of each worker; absent: what SLURM gives, which is one. */
  readonly cpus?: number;
  readonly workersMin?: number;
  readonly workersMax?: number;
  /** Other options of sbatch, `--account=lab`. */
  readonly sbatch?: readonly string[];
  readonly onNotice?: (text: string) => void;
}

export interface SlurmFleetStart {
  readonly options: SlurmOptions;
  readonly work: ExpectedWork;
  /** On storage that all nodes see; the fleet makes a folder of its own in it. */
  readonly folder: string;
}

const SCRIPT = fileURLToPath(new URL("../../../../cluster/slurm/worker.sbatch", import.meta.url));
const PROGRAM = fileURLToPath(new URL("../../cli/main.js", import.meta.url));

const WATCH_MS = 2000;
/** SLURM's controller is everybody's: it is asked less often where there is no hurry. */
const CALM_WATCH_MS = 10_000;
/** An array older than this waits for other jobs, or runs. */
const CALM_AFTER_MS = 60_000;
/** Arrays in a row that may end without one result: their workers do not do what they should. */
const FUTILE_MAX = 2;
/** SLURM kills what does not end; that it is gone from the queue is waited for so long. */
const CANCEL_MS = 45_000;

/** The array that is in the queue. */
interface SubmittedArray {
  readonly job: string;
  readonly submittedAt: number;
  /** Results of the run when it was submitted. */
  readonly committedBefore: number;
  hasStarted: boolean;
  lookedAt: number;
  /** What was last said of it. */
  told: string;
}

export class SlurmFleet {
  /** The scheduler's, `HOST:PORT`. */
  readonly address: string;
  readonly token: string;
  readonly #start: SlurmFleetStart;
  readonly #scheduler: SchedulerHere;
  readonly #folder: SlurmFolder;
  readonly #broken = new Deferred<never>();
  readonly #stop = new AbortController();
  #array: SubmittedArray | undefined;
  #futile = 0;
  #workers = 0;
  #committed = 0;
  #watching: Promise<void> = Promise.resolve();

  private constructor(
    start: SlurmFleetStart,
    parts: { scheduler: SchedulerHere; token: string; folder: SlurmFolder },
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
    const { gres = "", device, onNotice } = start.options;
    if (/\bgpu\b/.test(gres) && device === undefined) {
      onNotice?.("--gres asks for GPUs; language models use them only with --device");
    }
    const host = await controllerHost();
    const token = makeToken();
    const flags = workerFlags(start.options);
    const folder = await SlurmFolder.create(start.folder, { token, flags });
    let scheduler: SchedulerHere;
    try {
      scheduler = await SchedulerHere.start([host], token);
    } catch (thrown) {
      await folder.remove();
      throw thrown;
    }
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

  /** How far the session's run is: tells workers that run from workers that work. */
  onProgress({ workers, committed }: { readonly workers: number; readonly committed: number }) {
    this.#workers = workers;
    this.#committed = committed;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
    if (this.#array !== undefined) await this.#cancel(this.#array.job);
    await this.#scheduler.stop();
    await this.#folder.remove();
  }

  async #submit(): Promise<void> {
    const { options, work } = this.#start;
    const workers = workersFor(work, options);
    const { partition, gres, time, concurrentMax, cpus, sbatch = [] } = options;
    const limit = concurrentMax === undefined ? "" : `%${concurrentMax}`;
    const warning = warningSeconds(time);
    const signal = warning === undefined ? undefined : `B:USR1@${warning}`;
    const given = { partition, gres, time, signal, "cpus-per-task": cpus };
    const flags = Object.entries(given).filter(([, value]) => value !== undefined);
    const job = await submit({
      script: SCRIPT,
      options: [
        `--array=0-${workers - 1}${limit}`,
        `--output=${this.#folder.logPattern}`,
        // Said aloud: some sites set SBATCH_EXPORT, and the variables below must arrive.
        "--export=ALL",
        ...flags.map(([name, value]) => `--${name}=${value}`),
        ...sbatch,
      ],
      environment: {
        RAYSIDUE_ADDRESS: `grpc://${this.address}`,
        RAYSIDUE_TOKEN_FILE: this.#folder.tokenPath,
        RAYSIDUE_PROGRAM: PROGRAM,
        RAYSIDUE_NODE: process.execPath,
        RAYSIDUE_FLAGS_FILE: this.#folder.flagsPath,
      },
    });
    const atOnce = concurrentMax === undefined ? "" : `, ${concurrentMax} at once`;
    this.#say(`slurm job ${job}: ${workers} workers asked for${atOnce}`);
    const now = performance.now();
    const fresh = { hasStarted: false, lookedAt: now, told: "" };
    this.#array = { job, submittedAt: now, committedBefore: this.#committed, ...fresh };
  }

  /** Tells what the queue says, and submits again when all tasks are over. */
  async #watch(): Promise<void> {
    for (;;) {
      await delay(WATCH_MS, undefined, { signal: this.#stop.signal }).catch(() => {});
      if (this.#stop.signal.aborted) return;
      const array = this.#array!;
      const now = performance.now();
      const isCalm = this.#workers > 0 || now - array.submittedAt > CALM_AFTER_MS;
      if (isCalm && now - array.lookedAt < CALM_WATCH_MS) continue;
      array.lookedAt = now;
      try {
        const tasks = await queuedTasks(array.job);
        if (tasks.length > 0) this.#look(array, tasks);
        else await this.#submitAgain(array);
      } catch (thrown) {
        // A controller that restarts is asked again; what it refuses will be refused again.
        if (thrown instanceof RaysidueError && thrown.code === "try-again") continue;
        return this.#break("unavailable", messageOf(thrown));
      }
    }
  }

  #look(array: SubmittedArray, tasks: readonly QueuedTask[]): void {
    const state = describeQueue(tasks);
    if (state !== array.told) this.#say(`slurm job ${array.job}: ${state}`);
    array.told = state;
    array.hasStarted ||= hasStarted(tasks);
    const reason = hopelessReason(tasks);
    if (reason !== undefined) {
      const text = `slurm job ${array.job} will not start (${reason})`;
      return this.#break("unavailable", `${text}; ask for what this cluster has (sinfo, scontrol)`);
    }
    const { waitMaxSeconds = Number.POSITIVE_INFINITY } = this.#start.options;
    if (array.hasStarted || performance.now() - array.submittedAt < waitMaxSeconds * 1000) return;
    const text = `no worker started within ${waitMaxSeconds} s: ${state}`;
    this.#break("try-again", `${text}; wait longer (--max-wait) or ask for less`);
  }

  async #submitAgain({ job, committedBefore }: SubmittedArray): Promise<void> {
    this.#futile = this.#committed > committedBefore ? 0 : this.#futile + 1;
    if (this.#futile >= FUTILE_MAX) {
      const why = await this.#folder.lastWords();
      return this.#break("unavailable", `workers end without a result under SLURM: ${why}`);
    }
    this.#say(`slurm job ${job} is over and work is left; submitting again`);
    await this.#submit();
  }

  async #cancel(job: string): Promise<void> {
    try {
      await cancel(job);
      const deadline = performance.now() + CANCEL_MS;
      while ((await queuedTasks(job)).length > 0) {
        const late = performance.now() > deadline;
        if (late) throw new RaysidueError("try-again", "it is still queued");
        await delay(WATCH_MS / 4);
      }
    } catch (thrown) {
      const advice = `its daemons end by themselves; or: scancel ${job}`;
      this.#say(`job ${job} was not cancelled (${messageOf(thrown)}); ${advice}`);
    }
  }

  #break(code: "try-again" | "unavailable", reason: string): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#broken.reject(new RaysidueError(code, `${reason}; the same command resumes`));
  }

  #say(text: string): void {
    this.#start.options.onNotice?.(text);
  }
}
