/**
 * Embedding files: from inputs to an output folder.
 *
 * Owns: the order of a run's phases: model, folder, read, look up, compute, look up again, write,
 * share, report. Invariant: nothing is computed that a store already has; killed at any moment, the
 * same call goes on where the last durable row ended.
 */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf, RaysidueError } from "../base/errors.ts";
import { TsvWriter } from "../formats/tsv.ts";
import type { PullProgress } from "../model/pull-context.ts";
import type { Progress } from "../rpc/messages.ts";
import { openSpace, publish } from "../store/cache.ts";
import { defaultCacheFolder } from "../store/cache-folder.ts";
import { spaceDigest } from "../store/content-key.ts";
import { ResultStore } from "../store/result-store.ts";
import type { Balance } from "./balance.ts";
import {
  type EmbedPlan,
  type EmbedSummary,
  TRACE_COLUMNS,
  traceRow,
  writeReport,
} from "./embed-report.ts";
import { type EmbedTarget, resolveTarget, type TargetOptions } from "./embed-target.ts";
import { type OutputCounts, writeOutput } from "./embedding-output.ts";
import { OutputFolder } from "./output-folder.ts";
import { Plan } from "./plan.ts";
import { type ReadCounts, readSequences } from "./read-sequences.ts";
import { runTasks } from "./run-tasks.ts";
import type { Session } from "./session.ts";
import type { TableFormat } from "./table-format.ts";

export interface EmbedOptions extends Omit<TargetOptions, "onModel"> {
  /** FASTA files, folders of them, `-` for standard input. */
  readonly inputs: readonly string[];
  readonly outputFolder: string;
  readonly format?: TableFormat;
  readonly onInvalid?: "fail" | "skip";
  readonly isRecursive?: boolean;
  /** Results shared by runs; null: neither read nor written. */
  readonly cacheFolder?: string | null;
  /** Share of the fleet against other runs. */
  readonly weight?: number;
  readonly observer?: EmbedObserver;
  /** As the user typed it; kept in run.json. */
  readonly command?: readonly string[];
}

/** What somebody who watches is told. Every method is optional. */
export interface EmbedObserver {
  onModel?(progress: PullProgress): void;
  onRead?(records: number): void;
  onPlan?(plan: EmbedPlan): void;
  onProgress?(progress: Progress): void;
  /** All is computed; so many records are being written. */
  onWriting?(records: number): void;
  onNotice?(text: string): void;
}

/** A scheduler that is gone is tried again so often, and this long apart. */
const RECONNECTS_MAX = 20;
const RECONNECT_MS = 1500;

/**
 * Embeds every sequence of the inputs into the output folder. Throws RaysidueError; the same call
 * again resumes. Results agree within 1e-5 whatever the batches, workers and order were.
 */
export async function embed(session: Session, options: EmbedOptions): Promise<EmbedSummary> {
  const startedAt = performance.now();
  const { observer } = options;
  const target = await resolveTarget({
    ...options,
    ...(observer?.onModel && { onModel: observer.onModel.bind(observer) }),
  });
  await using folder = await OutputFolder.open(options.outputFolder, {
    kind: "embed",
    model: target.model.fingerprint,
    parameters: target.space.parameters,
    format: options.format ?? "parquet",
  });
  session.provide(target.model);
  return await new EmbedJob(session, options, target).run(folder, startedAt);
}

class EmbedJob {
  readonly #session: Session;
  readonly #options: EmbedOptions;
  readonly #target: EmbedTarget;
  readonly #warnings: string[] = [];
  readonly #signal: AbortSignal;
  #balance: Balance | undefined;

  constructor(session: Session, options: EmbedOptions, target: EmbedTarget) {
    this.#session = session;
    this.#options = options;
    this.#target = target;
    this.#signal = options.signal ?? new AbortController().signal;
  }

  async run(folder: OutputFolder, startedAt: number): Promise<EmbedSummary> {
    const { observer } = this.#options;
    using plan = new Plan(folder.work, spaceDigest(this.#target.space));
    const namesPath = join(folder.work, "names.tsv");
    const read = await this.#read(plan, namesPath);
    const stores = await this.#openStores(folder);
    try {
      for (const [number, store] of stores.entries()) await plan.locate(store, number);
      const planned = planOf(plan, read);
      observer?.onPlan?.(planned);
      const computeStartedAt = performance.now();
      const failures = await this.#compute(folder, plan, stores);
      const computeSeconds = (performance.now() - computeStartedAt) / 1000;
      observer?.onWriting?.(planned.records);
      const counts = await writeOutput({
        folder,
        plan,
        namesPath,
        stores,
        layout: this.#target.layout,
        format: this.#options.format ?? "parquet",
        failures,
      });
      await this.#share(folder);
      const summary = this.#summarise({ folder, planned, counts, failures, stores });
      const seconds = { total: (performance.now() - startedAt) / 1000, compute: computeSeconds };
      await writeReport(folder, {
        summary: { ...summary, seconds },
        target: this.#target,
        read,
        options: this.#options,
      });
      return { ...summary, seconds };
    } finally {
      for (const store of stores) await store.close();
    }
  }

  get #cacheFolder(): string | null {
    const { cacheFolder } = this.#options;
    return cacheFolder === undefined ? defaultCacheFolder() : cacheFolder;
  }

  async #read(plan: Plan, namesPath: string): Promise<ReadCounts> {
    const { inputs, isRecursive, onInvalid, observer } = this.#options;
    const read = await readSequences(plan, {
      inputs,
      isRecursive: isRecursive === true,
      rules: this.#target.rules,
      costOf: this.#target.costOf,
      onInvalid: onInvalid ?? "fail",
      namesPath,
      signal: this.#signal,
      onRead: (records) => observer?.onRead?.(records),
    });
    plan.deduplicate();
    for (const [what, count] of Object.entries(read.changes)) {
      this.#warn(`${count} sequences: ${what} (index.tsv says which)`);
    }
    return read;
  }

  async #openStores(folder: OutputFolder): Promise<ResultStore[]> {
    const stores = [await ResultStore.open(folder.shards, { writable: true })];
    if (this.#cacheFolder !== null)
      stores.push(await openSpace(this.#cacheFolder, this.#target.space));
    return stores;
  }

  /** Runs what is left; the new rows' store is added to `stores`. */
  async #compute(
    folder: OutputFolder,
    plan: Plan,
    stores: ResultStore[],
  ): Promise<Map<number, string>> {
    const failures = new Map<number, string>();
    const { items, located } = plan.distinct.counts();
    if (items === located) return failures;
    const trace = await TsvWriter.create(folder.file("trace.tsv"), TRACE_COLUMNS);
    try {
      for (let attempt = 0; ; attempt++) {
        const lost = await this.#attempt(folder, plan, trace, failures, attempt);
        const store = await ResultStore.open(folder.shards, { writable: true });
        await plan.locate(store, stores.push(store) - 1);
        if (!lost) break;
      }
      await trace.close();
    } catch (thrown) {
      await trace.close();
      throw thrown;
    }
    return failures;
  }

  /** One run on the scheduler. Returns whether it was lost on the way and should go on anew. */
  async #attempt(
    folder: OutputFolder,
    plan: Plan,
    trace: TsvWriter,
    failures: Map<number, string>,
    attempt: number,
  ): Promise<boolean> {
    const { observer, weight, outputFolder } = this.#options;
    const { cost, costLocated } = plan.distinct.counts();
    const request = {
      ...this.#target.request,
      weight: weight ?? 1,
      name: outputFolder,
      expectedGflop: this.#target.gflopOf(cost - costLocated),
    };
    try {
      const { failures: failed, balance } = await runTasks({
        session: this.#session,
        request,
        plan,
        shardFolder: folder.shards,
        workFolder: folder.work,
        signal: this.#signal,
        listener: {
          onProgress: (progress) => observer?.onProgress?.(progress),
          onNotice: (text) => this.#warn(text),
          onAttempts: (rows) => trace.write(rows.map(traceRow)),
        },
      });
      for (const [item, reason] of failed) failures.set(item, reason);
      this.#balance = balance;
      return false;
    } catch (thrown) {
      const canGoOn =
        thrown instanceof RaysidueError &&
        thrown.code === "try-again" &&
        !this.#session.isEmbedded &&
        !this.#signal.aborted &&
        attempt < RECONNECTS_MAX;
      if (!canGoOn) throw thrown;
      this.#warn(`${messageOf(thrown)}; trying again`);
      await delay(RECONNECT_MS);
      return true;
    }
  }

  /** Brings this run's rows into the cache that runs share. */
  async #share(folder: OutputFolder): Promise<void> {
    if (this.#cacheFolder === null) return;
    const { warnings } = await publish(this.#cacheFolder, this.#target.space, folder.shards);
    for (const warning of warnings) this.#warn(warning);
  }

  #summarise(parts: {
    folder: OutputFolder;
    planned: EmbedPlan;
    counts: OutputCounts;
    failures: ReadonlyMap<number, string>;
    stores: readonly ResultStore[];
  }): Omit<EmbedSummary, "seconds"> {
    for (const store of parts.stores) for (const warning of store.warnings) this.#warn(warning);
    const { distinct, cached } = parts.planned;
    return {
      outputFolder: parts.folder.path,
      model: this.#target.model.name,
      fingerprint: this.#target.model.fingerprint,
      plan: parts.planned,
      computed: distinct - cached - parts.failures.size,
      rows: parts.counts.rows,
      failed: parts.counts.failed,
      quarantined: parts.failures.size,
      ...(this.#balance && { balance: this.#balance }),
      warnings: this.#warnings,
    };
  }

  #warn(text: string): void {
    this.#warnings.push(text);
    this.#options.observer?.onNotice?.(text);
  }
}

function planOf(plan: Plan, read: ReadCounts): EmbedPlan {
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
