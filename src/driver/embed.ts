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
import { writeFileAtomically } from "../base/files.ts";
import { VERSION } from "../base/version.ts";
import { TsvWriter } from "../formats/tsv.ts";
import { canonicalJson, costOf, type EmbedInput, resolveEmbed, rowLayout } from "../kind/embed.ts";
import { RARE_LETTERS } from "../kind/sequence.ts";
import type { LocatedModel } from "../model/locate.ts";
import { pullModel } from "../model/pull.ts";
import type { PullProgress } from "../model/pull-context.ts";
import type { AttemptRow, Progress } from "../rpc/messages.ts";
import { openSpace, publish } from "../store/cache.ts";
import { defaultCacheFolder } from "../store/cache-folder.ts";
import { spaceDigest } from "../store/content-key.ts";
import { ResultStore } from "../store/result-store.ts";
import { type OutputCounts, writeOutput } from "./embedding-output.ts";
import { OutputFolder } from "./output-folder.ts";
import { Plan } from "./plan.ts";
import { type ReadCounts, readSequences } from "./read-sequences.ts";
import { type RunRequest, runTasks } from "./run-tasks.ts";
import type { Session } from "./session.ts";
import type { TableFormat } from "./table-format.ts";

export interface EmbedOptions {
  /** FASTA files, folders of them, `-` for standard input. */
  readonly inputs: readonly string[];
  readonly outputFolder: string;
  /** A name of the catalogue, `owner/name` on the hub, or a folder. */
  readonly model?: string;
  readonly parameters?: EmbedInput;
  readonly format?: TableFormat;
  readonly onInvalid?: "fail" | "skip";
  readonly isRecursive?: boolean;
  /** Results shared by runs; null: neither read nor written. */
  readonly cacheFolder?: string | null;
  /** Never touch the network. */
  readonly isOffline?: boolean;
  /** Share of the fleet against other runs. */
  readonly weight?: number;
  readonly signal?: AbortSignal;
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
  onNotice?(text: string): void;
}

/** What there is to do, known before anything is computed. */
export interface EmbedPlan {
  readonly records: number;
  readonly refused: number;
  readonly distinct: number;
  /** Distinct sequences whose result is known already. */
  readonly cached: number;
  /** Of the distinct sequences. */
  readonly residues: number;
  readonly residuesCached: number;
}

export interface EmbedSummary {
  readonly outputFolder: string;
  readonly model: string;
  readonly fingerprint: string;
  readonly plan: EmbedPlan;
  /** Distinct sequences computed by this run. */
  readonly computed: number;
  readonly rows: number;
  /** Input records without a row: skipped or quarantined. */
  readonly failed: number;
  /** Distinct sequences that failed while they were computed. */
  readonly quarantined: number;
  readonly seconds: { readonly total: number; readonly compute: number };
  readonly warnings: readonly string[];
}

export const DEFAULT_MODEL = "antiberty";

/** A scheduler that is gone is tried again so often, and this long apart. */
const RECONNECTS_MAX = 20;
const RECONNECT_MS = 1500;

export const TRACE_COLUMNS = [
  "lease",
  "worker",
  "device",
  "tasks",
  "tokens",
  "padded_tokens",
  "assigned_at",
  "finished_at",
  "busy_seconds",
  "outcome",
  "reason",
] as const;

/**
 * Embeds every sequence of the inputs into the output folder. Throws RaysidueError; the same call
 * again resumes. Results agree within 1e-5 whatever the batches, workers and order were.
 */
export async function embed(session: Session, options: EmbedOptions): Promise<EmbedSummary> {
  const startedAt = performance.now();
  const { observer, isOffline } = options;
  const model = await pullModel(options.model ?? DEFAULT_MODEL, {
    offline: isOffline === true,
    ...(observer?.onModel && { onProgress: observer.onModel.bind(observer) }),
    ...(options.signal && { signal: options.signal }),
  });
  const job = new EmbedJob(session, options, model);
  const { parametersJson } = job;
  await using folder = await OutputFolder.open(options.outputFolder, {
    kind: "embed",
    model: model.fingerprint,
    parameters: parametersJson,
    format: options.format ?? "parquet",
  });
  return job.run(folder, startedAt);
}

class EmbedJob {
  readonly #session: Session;
  readonly #options: EmbedOptions;
  readonly #model: LocatedModel;
  readonly #resolved;
  readonly parametersJson: string;
  readonly #warnings: string[] = [];
  readonly #signal: AbortSignal;

  constructor(session: Session, options: EmbedOptions, model: LocatedModel) {
    this.#session = session;
    this.#options = options;
    this.#model = model;
    this.#resolved = resolveEmbed(options.parameters ?? {}, {
      layerCount: model.config?.layerCount ?? 0,
      maxResidues: model.maxResidues,
      isLimitHard: model.kind === "bert",
    });
    this.parametersJson = canonicalJson(this.#resolved.parameters);
    this.#signal = options.signal ?? new AbortController().signal;
  }

  async run(folder: OutputFolder, startedAt: number): Promise<EmbedSummary> {
    const { observer } = this.#options;
    using plan = new Plan(folder.work, spaceDigest(this.#space));
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
      const counts = await writeOutput({
        folder,
        plan,
        namesPath,
        stores,
        layout: rowLayout(this.#resolved.parameters, this.#model.dim),
        format: this.#options.format ?? "parquet",
        failures,
      });
      await this.#share(folder);
      const summary = this.#summarise({ folder, planned, counts, failures, stores });
      const seconds = { total: (performance.now() - startedAt) / 1000, compute: computeSeconds };
      await this.#report(folder, { ...summary, seconds }, read);
      return { ...summary, seconds };
    } finally {
      for (const store of stores) await store.close();
    }
  }

  get #space() {
    const { fingerprint } = this.#model;
    return { kind: "embed", fingerprint, parameters: this.parametersJson };
  }

  get #cacheFolder(): string | null {
    const { cacheFolder } = this.#options;
    return cacheFolder === undefined ? defaultCacheFolder() : cacheFolder;
  }

  async #read(plan: Plan, namesPath: string): Promise<ReadCounts> {
    const { inputs, isRecursive, onInvalid, observer } = this.#options;
    const { alphabet } = this.#model;
    const { maxLength, onLong, parameters } = this.#resolved;
    const unknownLetters = [...RARE_LETTERS]
      .filter((letter) => !alphabet.includes(letter))
      .join("");
    const read = await readSequences(plan, {
      inputs,
      isRecursive: isRecursive === true,
      rules: { alphabet, unknownLetters, maxLength: maxLength ?? undefined, onLong },
      costOf: (length) => costOf(length, parameters),
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
    if (this.#cacheFolder !== null) stores.push(await openSpace(this.#cacheFolder, this.#space));
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
    const request: RunRequest = {
      kind: "embed",
      engine: this.#model.kind === "emulate" ? "emulate" : "onnx",
      model: this.#model.name,
      fingerprint: this.#model.fingerprint,
      parameters: this.parametersJson,
      weight: weight ?? 1,
      name: outputFolder,
    };
    try {
      const failed = await runTasks({
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
    const space = { ...this.#space, model: this.#model.name };
    const { warnings } = await publish(this.#cacheFolder, space, folder.shards);
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
      model: this.#model.name,
      fingerprint: this.#model.fingerprint,
      plan: parts.planned,
      computed: distinct - cached - parts.failures.size,
      rows: parts.counts.rows,
      failed: parts.counts.failed,
      quarantined: parts.failures.size,
      warnings: this.#warnings,
    };
  }

  /** Writes run.json, last: a folder with it is complete. */
  async #report(folder: OutputFolder, summary: EmbedSummary, read: ReadCounts): Promise<void> {
    const report = {
      schema_version: 1,
      command: this.#options.command ?? [],
      version: VERSION,
      node: process.version,
      kind: "embed",
      model: { name: this.#model.name, fingerprint: this.#model.fingerprint, dim: this.#model.dim },
      parameters: this.#resolved.parameters,
      format: this.#options.format ?? "parquet",
      inputs: this.#options.inputs,
      counts: {
        files: read.files,
        records: summary.plan.records,
        distinct: summary.plan.distinct,
        cached: summary.plan.cached,
        computed: summary.computed,
        rows: summary.rows,
        failed: summary.failed,
        quarantined: summary.quarantined,
        residues: summary.plan.residues,
      },
      changes: read.changes,
      seconds: summary.seconds,
      warnings: summary.warnings,
      exit: summary.quarantined > 0 || summary.failed > 0 ? 2 : 0,
    };
    const text = `${JSON.stringify(report, undefined, 2)}\n`;
    await writeFileAtomically(folder.file("run.json"), text);
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

function traceRow(row: AttemptRow): (string | number)[] {
  const { lease, workerId, device, tasks, tokens, paddedTokens, outcome, reason } = row;
  const times = [row.assignedAt, row.finishedAt, row.busySeconds].map((value) => value.toFixed(4));
  return [lease, workerId, device, tasks, tokens, paddedTokens, ...times, outcome, reason];
}
