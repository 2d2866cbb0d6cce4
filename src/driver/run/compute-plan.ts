/**
 * What a plan has left, computed on a fleet, through losses of the scheduler.
 *
 * Owns: the attempts, trace.tsv, and the stores that a plan's rows lie in. Invariant: after it every
 * item of the plan has a row in one of the stores or a reason in the outcome, and what was durable
 * before a failure is found by the next call. Deliberately not here: one run (run-tasks.ts) and what
 * the rows become.
 */
import { setTimeout as delay } from "node:timers/promises";
import { messageOf, RaysidueError, saysDiskFull } from "../../base/errors.ts";
import { TsvWriter } from "../../formats/table/tsv.ts";
import type { Progress } from "../../rpc/messages.ts";
import { type NamedSpace, openSpace } from "../../store/cache.ts";
import { ResultStore } from "../../store/result-store.ts";
import { settleWriters } from "../../store/shard-marks.ts";
import type { Session } from "../fleet/session.ts";
import type { Plan } from "../plan/plan.ts";
import type { Balance } from "./balance.ts";
import { type RunRequest, runTasks } from "./run-tasks.ts";
import { TRACE_COLUMNS, traceRow } from "./trace.ts";

export interface ComputeOptions {
  readonly session: Session;
  /** Where rows go and scratch files may. */
  readonly folders: ComputeFolders;
  readonly plan: Plan;
  /** As `openStores` gives them; the new rows' store is added. */
  readonly stores: ResultStore[];
  readonly request: RunRequest;
  /** What is sent instead of an item's bytes. */
  readonly dress?: (data: Uint8Array) => Uint8Array;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  readonly onWarning: (text: string) => void;
}

export interface ComputeFolders {
  /** Result shards of this and earlier runs. */
  readonly shards: string;
  readonly work: string;
  readonly tracePath: string;
}

export interface ComputeOutcome {
  /** Items that failed for good, with the reason of each. */
  readonly failures: ReadonlyMap<number, string>;
  /** Of the last run; absent where nothing was computed. */
  readonly balance: Balance | undefined;
}

/** A scheduler that is gone is tried again so often, and this long apart. */
const RECONNECTS_MAX = 20;
const RECONNECT_MS = 1500;

export interface CacheSpace {
  /** Null: neither read nor written. */
  readonly root: string | null;
  readonly space: NamedSpace;
}

/** The stores in which results may be known: the run's own shards, then the shared cache. */
export async function openStores(
  shardFolder: string,
  plan: Plan,
  cache: CacheSpace,
): Promise<ResultStore[]> {
  const stores = await openKnown(shardFolder, cache);
  for (const [number, store] of stores.entries()) await plan.locate(store, number);
  return stores;
}

/** Whether no store has a row: then there will be something to compute. */
export const hasNoRows = (stores: readonly ResultStore[]) =>
  stores.every(({ rowCount }) => rowCount === 0);

/** As `openStores`, before there is a plan. */
export async function openKnown(shardFolder: string, cache: CacheSpace): Promise<ResultStore[]> {
  await settleWriters(shardFolder);
  const stores = [await ResultStore.open(shardFolder, { writable: true })];
  if (cache.root !== null) stores.push(await openSpace(cache.root, cache.space));
  return stores;
}

/** Computes what no store has. Throws RaysidueError; the same call again goes on. */
export async function computePlan(options: ComputeOptions): Promise<ComputeOutcome> {
  const { folders, plan, stores } = options;
  const failures = new Map<number, string>();
  const { items, located } = plan.distinct.counts();
  if (items === located) return { failures, balance: undefined };
  const trace = await TsvWriter.create(folders.tracePath, TRACE_COLUMNS);
  let balance: Balance | undefined;
  try {
    for (let attempt = 0; ; attempt++) {
      const outcome = await runOnce(options, trace, attempt);
      const store = await ResultStore.open(folders.shards, { writable: true });
      await plan.locate(store, stores.push(store) - 1);
      if (outcome === "lost") continue;
      for (const [item, reason] of outcome.failures) failures.set(item, reason);
      balance = outcome.balance;
      break;
    }
  } catch (thrown) {
    // What ended the run is said, not that its trace could not be written either.
    await trace.close().catch(() => {});
    throw thrown;
  }
  await trace.close();
  return { failures, balance };
}

async function runOnce(
  options: ComputeOptions,
  trace: TsvWriter,
  attempt: number,
): Promise<ComputeOutcome | "lost"> {
  const { session, folders, plan, request, dress, signal, onProgress, onWarning } = options;
  try {
    return await runTasks({
      session,
      request,
      plan,
      ...(dress && { dress }),
      shardFolder: folders.shards,
      workFolder: folders.work,
      signal,
      listener: {
        onProgress,
        onNotice: onWarning,
        onAttempts: (rows) => trace.write(rows.map(traceRow)),
      },
    });
  } catch (thrown) {
    const canGoOn =
      thrown instanceof RaysidueError &&
      thrown.code === "try-again" &&
      !session.isEmbedded &&
      !saysDiskFull(thrown.message) &&
      !signal.aborted &&
      attempt < RECONNECTS_MAX;
    if (!canGoOn) throw thrown;
    onWarning(`${messageOf(thrown)}; trying again`);
    await delay(RECONNECT_MS);
    return "lost";
  }
}
