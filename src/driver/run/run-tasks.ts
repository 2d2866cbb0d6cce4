/**
 * Computes what a plan has left: submits it to the fleet and follows the run to its end.
 *
 * Owns: one run on a scheduler. Invariant: when it returns, every item left in the plan has a
 * durable row in the shard folder or a reason in the returned map. Which rows those are is not
 * remembered here: the shards say it (plan.ts, locate), so a driver's death loses nothing.
 */
import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import PQueue from "p-queue";
import { messageOf, RaysidueError, saysDiskFull } from "../../base/errors.ts";
import type { AttemptRow, DriverEvent, Progress, RunSpec, ShardRows } from "../../rpc/messages.ts";
import { RecordFile } from "../../store/record-file.ts";
import { ShardSink } from "../../store/shard-sink.ts";
import type { Session } from "../fleet/session.ts";
import type { Plan } from "../plan/plan.ts";
import { type Balance, parseBalance } from "./balance.ts";
import { RowFetcher } from "./row-fetcher.ts";
import { placeProbe } from "./shard-probe.ts";
import { itemsOf, type Submission, TaskStream } from "./task-stream.ts";

/** What a run computes, without what only this attempt at it needs. */
export type RunRequest = Pick<
  RunSpec,
  "kind" | "engine" | "model" | "fingerprint" | "parameters" | "weight" | "name" | "expectedGflop"
>;

export interface RunListener {
  onProgress(progress: Progress): void;
  onNotice(text: string): void;
  onAttempts(rows: readonly AttemptRow[]): Promise<void>;
}

export interface RunTasksOptions {
  readonly session: Session;
  readonly request: RunRequest;
  readonly plan: Plan;
  /** What is sent instead of an item's bytes; its key stays the item's own. */
  readonly dress?: (data: Uint8Array) => Uint8Array;
  readonly shardFolder: string;
  readonly workFolder: string;
  readonly listener: RunListener;
  readonly signal: AbortSignal;
}

/** Rows fetched at once from workers on other storage. */
const FETCHES_MAX = 4;
const FETCHES_WAITING_MAX = 64;

export interface TasksOutcome {
  /** Items that failed for good, with the reason of each. */
  readonly failures: ReadonlyMap<number, string>;
  readonly balance: Balance | undefined;
}

/** Runs to the end. Throws RaysidueError; what is durable by then is kept. */
export async function runTasks(options: RunTasksOptions): Promise<TasksOutcome> {
  const { items, located } = options.plan.distinct.counts();
  const { kind, expectedGflop: gflop } = options.request;
  options.session.expect({ kind, gflop, items: items - located });
  const connection = await options.session.connection();
  await using probe = await placeProbe(options.shardFolder);
  const stream = new TaskStream(connection, {
    ...options.request,
    ...probe.spec,
    runId: randomUUID(),
  });
  const run = new FollowedRun(options, stream);
  const onAbort = () => stream.cancel("interrupted");
  options.signal.addEventListener("abort", onAbort, { once: true });
  if (options.signal.aborted) onAbort();
  try {
    return await Promise.race([run.follow(), options.session.broken]);
  } catch (thrown) {
    if (options.session.isEmbedded) await deathOf(options.session);
    throw thrown;
  } finally {
    options.signal.removeEventListener("abort", onAbort);
    stream.abandon();
    await run.close();
  }
}

/** A connection breaks a moment before its process is known to be dead; the death says more. */
const DEATH_MS = 500;

/** Throws why the session's own fleet ended, if it did just now. */
async function deathOf(session: Session): Promise<void> {
  await Promise.race([session.broken, delay(DEATH_MS, undefined, { ref: false })]);
}

class FollowedRun {
  readonly #options: RunTasksOptions;
  readonly #stream: TaskStream;
  /** Item number of each task. */
  readonly #items: RecordFile;
  readonly #failed = new Map<number, string>();
  readonly #fetches = new PQueue({ concurrency: FETCHES_MAX });
  readonly #fetcher: RowFetcher;
  readonly #sink: ShardSink;
  readonly #runFolder: string;
  #fetchFailure: unknown;

  constructor(options: RunTasksOptions, stream: TaskStream) {
    this.#options = options;
    this.#stream = stream;
    this.#runFolder = join(options.workFolder, `tasks-${randomUUID()}`);
    this.#items = RecordFile.create(this.#runFolder, 8);
    this.#sink = new ShardSink(options.shardFolder);
    const { token, tls } = options.session;
    this.#fetcher = new RowFetcher({ token, tls, runId: stream.runId });
  }

  async follow(): Promise<TasksOutcome> {
    const submitted = this.#submit();
    submitted.catch(() => this.#stream.abandon());
    const ended = await this.#listen(submitted);
    await this.#fetches.onIdle();
    if (this.#fetchFailure !== undefined) {
      const text = `rows were not fetched: ${messageOf(this.#fetchFailure)}`;
      throw new RaysidueError("try-again", text, { cause: this.#fetchFailure });
    }
    const { outcome, balance } = ended;
    if (outcome === "done") return { failures: this.#failed, balance: parseBalance(balance) };
    if (outcome === "cancelled") throw new RaysidueError("cancelled", ended.message);
    throw new RaysidueError("unavailable", ended.message);
  }

  async close(): Promise<void> {
    this.#fetches.clear();
    await this.#fetches.onIdle();
    this.#fetcher.close();
    await this.#sink.close();
    this.#items.discard();
    await rm(this.#runFolder, { force: true });
  }

  async #submit(): Promise<void> {
    const record = Buffer.alloc(8);
    for (const { items, ...submission } of this.#options.plan.remaining()) {
      if (this.#options.signal.aborted) return;
      for (const item of items) {
        record.writeDoubleLE(item);
        this.#items.append(record);
      }
      await this.#stream.submit(this.#dressed(submission));
    }
    this.#stream.endInput();
  }

  #dressed(submission: Submission): Submission {
    const { dress } = this.#options;
    if (dress === undefined) return submission;
    const items = itemsOf(submission).map(dress);
    return { ...submission, data: Buffer.concat(items), sizes: items.map((item) => item.length) };
  }

  async #listen(submitted: Promise<void>): Promise<DriverEvent & { type: "ended" }> {
    let ended: (DriverEvent & { type: "ended" }) | undefined;
    try {
      for await (const event of this.#stream.events()) {
        if (event.type === "ended") ended = event;
        else await this.#handle(event);
      }
    } catch (thrown) {
      // Where the input broke the stream was abandoned for it: that is the error to show.
      await Promise.race([submitted, Promise.resolve()]);
      throw thrown;
    }
    if (ended !== undefined) return ended;
    throw new RaysidueError(
      "try-again",
      "the run's stream ended early; run the same command again",
    );
  }

  async #handle(event: DriverEvent): Promise<void> {
    const { listener } = this.#options;
    switch (event.type) {
      case "committed":
        this.#noteLease(event.rows?.tasks ?? [], event.lease);
        if (event.bulkAddress !== "" && event.rows !== undefined) {
          const { rows, bulkAddress } = event;
          await this.#fetches.onSizeLessThan(FETCHES_WAITING_MAX);
          void this.#fetches
            .add(() => this.#fetch(rows, bulkAddress))
            .catch((thrown: unknown) => {
              this.#fetchFailure ??= thrown;
            });
        }
        return;
      case "quarantined":
        for (const { task, reason } of event.failures) {
          // Not the item's fault: given up by mistake, it would not be tried again.
          if (saysDiskFull(reason)) throw new RaysidueError("try-again", reason);
          this.#failed.set(this.#itemOf(task), reason);
        }
        return;
      case "progress":
        this.#options.session.onProgress(event);
        return listener.onProgress(event);
      case "notice":
        return listener.onNotice(event.text);
      case "attempts":
        return listener.onAttempts(event.rows);
      default:
        return;
    }
  }

  /** Brings rows here that a worker wrote to its own storage. */
  async #fetch(rows: ShardRows, address: string): Promise<void> {
    const payload = await this.#fetcher.fetch(rows, address);
    const keys = Buffer.concat(
      rows.tasks.map((task) => this.#options.plan.distinct.read(this.#itemOf(task)).key),
    );
    await this.#sink.append({ keys, sizes: Uint32Array.from(rows.sizes), payload });
  }

  /** Tasks of a batch mostly follow one another: each stretch is read at once. */
  #noteLease(tasks: readonly number[], lease: number): void {
    const { distinct } = this.#options.plan;
    for (let at = 0; at < tasks.length; ) {
      const first = at;
      do at++;
      while (at < tasks.length && tasks[at] === tasks[at - 1]! + 1);
      const items = this.#items.readRange(tasks[first]!, at - first);
      for (let i = 0; i < at - first; i++) distinct.noteLease(items.readDoubleLE(8 * i), lease);
    }
  }

  #itemOf(task: number): number {
    return this.#items.read(task).readDoubleLE();
  }
}
