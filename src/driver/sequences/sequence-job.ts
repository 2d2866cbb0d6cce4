/**
 * A job on the sequences of files: from inputs to an output folder, whatever the kind.
 *
 * Owns: the order of a job's phases: read, look up, compute, look up again, write, share, report.
 * Invariant: nothing is computed that a store already has; killed at any moment, the same call goes
 * on where the last durable row ended. Deliberately not here: what is computed (JobTarget) and what
 * its rows become (ResultTables).
 */
import { join } from "node:path";
import type { SequenceRules } from "../../kind/sequence.ts";
import type { Progress } from "../../rpc/messages.ts";
import { type NamedSpace, publish } from "../../store/cache.ts";
import { defaultCacheFolder } from "../../store/cache-folder.ts";
import { spaceDigest } from "../../store/content-key.ts";
import type { ResultStore } from "../../store/result-store.ts";
import type { Session } from "../fleet/session.ts";
import { type JobFacts, type JobPlan, type JobSummary, writeReport } from "../output/job-report.ts";
import type { OutputFolder } from "../output/output-folder.ts";
import { type OutputCounts, type ResultTables, writeOutput } from "../output/result-output.ts";
import { Plan } from "../plan/plan.ts";
import { type ReadCounts, readSequences } from "../plan/read-sequences.ts";
import type { Balance } from "../run/balance.ts";
import { type ComputeOutcome, computePlan, hasNoRows, openKnown } from "../run/compute-plan.ts";
import { PhaseClock } from "../run/phase-clock.ts";
import type { RunRequest } from "../run/run-tasks.ts";

export interface JobOptions {
  /** FASTA files, folders of them, `-` for standard input. */
  readonly inputs: readonly string[];
  readonly outputFolder: string;
  readonly onInvalid?: "fail" | "skip";
  readonly isRecursive?: boolean;
  /** Results shared by runs; null: neither read nor written. */
  readonly cacheFolder?: string | null;
  /** Share of the fleet against other runs. */
  readonly weight?: number;
  readonly observer?: JobObserver;
  /** As the user typed it; kept in run.json. */
  readonly command?: readonly string[];
  readonly signal?: AbortSignal;
}

/** What somebody who watches is told. Every method is optional. */
export interface JobObserver {
  onRead?(records: number): void;
  onPlan?(plan: JobPlan): void;
  /** `what` is counted, where that is not what the job is about. */
  onProgress?(progress: Progress, what?: string): void;
  /** All is computed; so many records are being written. */
  onWriting?(records: number): void;
  onNotice?(text: string): void;
}

/** What is computed of each sequence. */
export interface JobTarget {
  /** What results are known by, apart from the sequence. */
  readonly space: NamedSpace;
  readonly rules: SequenceRules;
  /** What becomes of a sequence: "embedded". For errors. */
  readonly purpose: string;
  /** What a run asks of the fleet, but for what depends on the inputs. */
  readonly request: Omit<RunRequest, "name" | "weight" | "expectedGflop">;
  /** What the scheduler weighs of a sequence of so many residues. */
  costOf(length: number): number;
  /** Work behind a cost, in Gflop; 0 where it is too small to matter. */
  gflopOf(cost: number): number;
}

export interface JobParts {
  readonly folder: OutputFolder;
  readonly target: JobTarget;
  /** What run.json says of the kind. */
  readonly facts: JobFacts;
  /** When it began: `performance.now()`. */
  readonly startedAt: number;
  /** Called before anything is computed, and only then; what is noticed is shown. */
  prepare?(onNotice: (text: string) => void): Promise<void>;
  /** Opens the kind's tables in the folder's work folder, when all is computed. */
  openTables(plan: Plan): Promise<ResultTables>;
}

/**
 * Runs a job to its end. Throws RaysidueError; the same call again resumes. The caller opens the
 * output folder, since what it is for depends on the kind, and closes it.
 */
export function runSequenceJob(
  session: Session,
  options: JobOptions,
  parts: JobParts,
): Promise<JobSummary> {
  return new SequenceJob(session, options, parts).run();
}

class SequenceJob {
  readonly #session: Session;
  readonly #options: JobOptions;
  readonly #parts: JobParts;
  readonly #warnings: string[] = [];
  readonly #signal: AbortSignal;
  #prepared: Promise<void> | undefined;

  constructor(session: Session, options: JobOptions, parts: JobParts) {
    this.#session = session;
    this.#options = options;
    this.#parts = parts;
    this.#signal = options.signal ?? new AbortController().signal;
  }

  get #target(): JobTarget {
    return this.#parts.target;
  }

  async run(): Promise<JobSummary> {
    const { folder, startedAt, facts } = this.#parts;
    const { observer, inputs, command } = this.#options;
    using plan = new Plan(folder.work, spaceDigest(this.#target.space));
    const namesPath = join(folder.work, "names.tsv");
    const clock = new PhaseClock(startedAt);
    const cache = { root: this.#cacheFolder, space: this.#target.space };
    const stores = await openKnown(folder.shards, cache);
    try {
      const isSureOfWork = hasNoRows(stores);
      clock.begin("read");
      const read = await this.#read(plan, { namesPath, isSureOfWork });
      for (const [number, store] of stores.entries()) await plan.locate(store, number);
      const planned = planOf(plan, read);
      observer?.onPlan?.(planned);
      clock.begin("compute");
      const { failures, balance } = await this.#compute(plan, stores);
      clock.begin("write");
      observer?.onWriting?.(planned.records);
      const counts = await writeOutput({
        folder,
        plan,
        namesPath,
        stores,
        tables: await this.#parts.openTables(plan),
        failures,
      });
      await this.#share(folder);
      const summary = this.#summarise({ folder, planned, counts, failures, stores, balance });
      const whole = { ...summary, seconds: clock.end() };
      await writeReport(folder, { summary: whole, facts, read, inputs, command });
      return whole;
    } finally {
      for (const store of stores) await store.close();
    }
  }

  get #cacheFolder(): string | null {
    const { cacheFolder } = this.#options;
    return cacheFolder === undefined ? defaultCacheFolder() : cacheFolder;
  }

  /** What the fleet takes to start goes by while inputs are read, once there is a sequence. */
  #startEarly(): void {
    // Where reading fails, that is what is told.
    this.#prepare()?.catch(() => {});
    this.#session.startEarly();
  }

  #prepare(): Promise<void> | undefined {
    this.#prepared ??= this.#parts.prepare?.((text) => this.#options.observer?.onNotice?.(text));
    return this.#prepared;
  }

  async #read(
    plan: Plan,
    { namesPath, isSureOfWork }: { readonly namesPath: string; readonly isSureOfWork: boolean },
  ): Promise<ReadCounts> {
    const { inputs, isRecursive, onInvalid, observer } = this.#options;
    const read = await readSequences(plan, {
      inputs,
      isRecursive: isRecursive === true,
      rules: this.#target.rules,
      purpose: this.#target.purpose,
      costOf: this.#target.costOf,
      onInvalid: onInvalid ?? "fail",
      namesPath,
      signal: this.#signal,
      onRead: (records) => {
        if (isSureOfWork) this.#startEarly();
        observer?.onRead?.(records);
      },
    });
    plan.deduplicate();
    for (const [what, count] of Object.entries(read.changes)) {
      this.#warn(`${count} sequences: ${what} (index.tsv says which)`);
    }
    return read;
  }

  async #compute(plan: Plan, stores: ResultStore[]): Promise<ComputeOutcome> {
    const { observer, weight, outputFolder } = this.#options;
    const { cost, costLocated, items, located } = plan.distinct.counts();
    if (located < items) await this.#prepare();
    return computePlan({
      session: this.#session,
      folders: this.#parts.folder,
      plan,
      stores,
      request: {
        ...this.#target.request,
        weight: weight ?? 1,
        name: outputFolder,
        expectedGflop: this.#target.gflopOf(cost - costLocated),
      },
      signal: this.#signal,
      onProgress: (progress) => observer?.onProgress?.(progress),
      onWarning: (text) => this.#warn(text),
    });
  }

  /** Brings this run's rows into the cache that runs share. */
  async #share(folder: OutputFolder): Promise<void> {
    if (this.#cacheFolder === null) return;
    const { warnings } = await publish(this.#cacheFolder, this.#target.space, folder.shards);
    for (const warning of warnings) this.#warn(warning);
  }

  #summarise(parts: {
    folder: OutputFolder;
    planned: JobPlan;
    counts: OutputCounts;
    failures: ReadonlyMap<number, string>;
    stores: readonly ResultStore[];
    balance: Balance | undefined;
  }): Omit<JobSummary, "seconds"> {
    for (const store of parts.stores) for (const warning of store.warnings) this.#warn(warning);
    const { distinct, cached } = parts.planned;
    return {
      outputFolder: parts.folder.path,
      plan: parts.planned,
      computed: distinct - cached - parts.failures.size,
      rows: parts.counts.rows,
      failed: parts.counts.failed,
      quarantined: parts.failures.size,
      ...(parts.balance && { balance: parts.balance }),
      warnings: this.#warnings,
    };
  }

  #warn(text: string): void {
    this.#warnings.push(text);
    this.#options.observer?.onNotice?.(text);
  }
}

function planOf(plan: Plan, read: ReadCounts): JobPlan {
  const { items, located, residues, residuesLocated } = plan.distinct.counts();
  return {
    records: read.records,
    refused: read.refused,
    distinct: items,
    cached: located,
    residues,
    residuesCached: residuesLocated,
  };
}
