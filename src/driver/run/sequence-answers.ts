/**
 * What a kind says of distinct sequences that another job needs, on that job's own fleet.
 *
 * Owns: looking the sequences up and computing what is not known. Invariant: an answer is known by
 * its sequence alone, is computed once, and is shared with runs of the kind itself.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { ensureFolder } from "../../base/files.ts";
import type { Progress } from "../../rpc/messages.ts";
import { type NamedSpace, publish } from "../../store/cache.ts";
import { itemDigest, spaceDigest } from "../../store/content-key.ts";
import type { ResultStore } from "../../store/result-store.ts";
import type { Session } from "../fleet/session.ts";
import { Plan } from "../plan/plan.ts";
import { computePlan, openStores } from "./compute-plan.ts";
import type { RunRequest } from "./run-tasks.ts";

/** What is needed of the job that asks. */
export interface AskingJob {
  readonly session: Session;
  /** Folder in which each kind has one for its rows, kept for the next run. */
  readonly shardFolder: string;
  /** Scratch. */
  readonly workFolder: string;
  /** Results shared by runs; null: neither read nor written. */
  readonly cacheFolder: string | null;
  readonly signal: AbortSignal;
  /** `what` is counted: sequences of which kind. */
  readonly onProgress: (progress: Progress, what: string) => void;
  readonly onWarning: (text: string) => void;
}

export interface SequenceQuestion<T> {
  /** Name of its folders and of its run. */
  readonly name: string;
  readonly space: NamedSpace;
  readonly request: Omit<RunRequest, "name" | "weight" | "expectedGflop">;
  /** The canonical bytes of what is computed, and what the scheduler weighs. */
  itemOf(sequence: string): { readonly data: Uint8Array; readonly cost: number };
  /** Work behind a cost, in Gflop; 0 where it is too small to matter. */
  gflopOf(cost: number): number;
  /** Called before anything is computed, and only then. */
  prepare?(): Promise<void>;
  decode(payload: Uint8Array, item: { readonly length: number; readonly sequence: string }): T;
}

export interface SequenceAnswers<T> {
  readonly known: ReadonlyMap<string, T>;
  /** Sequences that the engines gave up, with the reason of each. */
  readonly failed: ReadonlyMap<string, string>;
}

/** What is answered within this time is not worth a word of progress. */
const QUIET_MS = 3000;

/** Asks. Throws RaysidueError; the same call again goes on. Memory grows with the answers. */
export async function askOfSequences<T>(
  sequences: ReadonlySet<string>,
  question: SequenceQuestion<T>,
  job: AskingJob,
): Promise<SequenceAnswers<T>> {
  const { cacheFolder, onWarning } = job;
  const { name, space } = question;
  const work = join(job.workFolder, name);
  const shards = join(job.shardFolder, name);
  await ensureFolder(work);
  await ensureFolder(shards);
  using plan = new Plan(work, spaceDigest(space));
  const ordered = [...sequences];
  for (const sequence of ordered) {
    const { data, cost } = question.itemOf(sequence);
    plan.addItem({ digest: itemDigest(data), data, length: data.length, cost });
  }
  plan.deduplicate();
  const stores = await openStores(shards, plan, { root: cacheFolder, space });
  try {
    const { items, located, cost, costLocated } = plan.distinct.counts();
    const startedAt = performance.now();
    if (located < items) await question.prepare?.();
    const { failures } = await computePlan({
      session: job.session,
      folders: { shards, work, tracePath: join(work, "trace.tsv") },
      plan,
      stores,
      request: {
        ...question.request,
        weight: 1,
        name,
        expectedGflop: question.gflopOf(cost - costLocated),
      },
      signal: job.signal,
      onProgress: (progress) => {
        if (performance.now() - startedAt < QUIET_MS) return;
        job.onProgress(progress, `sequences (${name})`);
      },
      onWarning,
    });
    if (cacheFolder !== null) {
      const { warnings } = await publish(cacheFolder, space, shards);
      for (const warning of warnings) onWarning(warning);
    }
    return await readAnswers(ordered, { plan, stores, failures, question });
  } finally {
    for (const store of stores) await store.close();
    await rm(work, { recursive: true, force: true });
  }
}

async function readAnswers<T>(
  sequences: readonly string[],
  parts: {
    readonly plan: Plan;
    readonly stores: readonly ResultStore[];
    readonly failures: ReadonlyMap<number, string>;
    readonly question: SequenceQuestion<T>;
  },
): Promise<SequenceAnswers<T>> {
  const { plan, stores, failures, question } = parts;
  const known = new Map<string, T>();
  const failed = new Map<string, string>();
  let at = 0;
  for (const rows of plan.rows()) {
    for (const { item, length } of rows) {
      const sequence = sequences[at++]!;
      const place = item === undefined ? undefined : plan.distinct.place(item);
      if (place === undefined) failed.set(sequence, failures.get(item!) ?? "not computed");
      else {
        const payload = await stores[place.store]!.read(place);
        known.set(sequence, question.decode(payload, { length, sequence }));
      }
    }
  }
  return { known, failed };
}
