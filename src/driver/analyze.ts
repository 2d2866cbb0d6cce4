/**
 * What a run over some inputs would take: counts, memory and time, without running it.
 *
 * Owns: the order: read as the run would, ask the cache, learn costs from a sample of what is left
 * (or from a past run), predict. Invariant: what is counted is what the run would count, by the same
 * code; nothing is kept, neither results nor scratch. Costs differ from machine to machine: a sample
 * speaks for this one, a past run for the fleet it ran on.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RaysidueError } from "../base/errors.ts";
import { defaultCacheFolder } from "../store/cache-folder.ts";
import { spaceDigest } from "../store/content-key.ts";
import type { InputCounts, Subject } from "./analyze-subject.ts";
import { isSampled, learnFrom, peakBytesBelow } from "./calibration.ts";
import { type CacheSpace, openKnown } from "./compute-plan.ts";
import {
  type FleetDevice,
  type LearnedCosts,
  type NodesTime,
  nodesWorth,
  type PlannedWork,
  secondsOn,
  timesByNodes,
} from "./fleet-time.ts";
import { Plan } from "./plan.ts";
import type { Session } from "./session.ts";
import { itemsOf } from "./task-stream.ts";

export interface AnalyzeOptions {
  readonly subject: Subject;
  /** Output folder of a past run that teaches costs; absent: a sample is computed. */
  readonly past?: string;
  /** Items of the sample; 0: no time is predicted. */
  readonly sample?: number;
  /** A fleet to predict for, beside nodes like this one. */
  readonly fleet?: readonly FleetDevice[];
  readonly cacheFolder?: string | null;
  readonly signal?: AbortSignal;
  readonly onNotice?: (text: string) => void;
}

export interface Analysis {
  readonly kind: string;
  readonly inputs: InputCounts;
  readonly distinct: number;
  readonly cached: number;
  /** What is left, in what the scheduler weighs: tokens, or an eighth of an atom. */
  readonly cost: number;
  readonly largest: number;
  readonly readSeconds: number;
  /** Bytes of scratch beside the output while it runs. */
  readonly scratchBytes: number;
  readonly costs?: LearnedCosts & { readonly from: string; readonly items: number };
  readonly memory?: { readonly driverBytes: number; readonly nodeBytes: number };
  readonly seconds?: {
    /** On one node like the one where costs were learned. */
    readonly oneNode: number;
    readonly fleet?: number;
    readonly byNodes: readonly NodesTime[];
  };
  readonly nodes?: NodesTime;
  /** Of a job with one worker a task. */
  readonly slurm?: { readonly array: string; readonly tasks: number };
}

/** Of items: enough for a third of warm-up, and a minute at most for usual ones. */
const SAMPLE_ITEMS = 32;
const LARGEST_KEPT = 64;

/** Analyzes. Throws RaysidueError as the run would. */
export async function analyze(session: Session, options: AnalyzeOptions): Promise<Analysis> {
  const work = await mkdtemp(join(tmpdir(), "raysidue-analyze-"));
  try {
    return await new Analyst(session, options, work).run();
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

interface Learned {
  readonly costs: LearnedCosts & { readonly items: number };
  /** 0 where it is not known. */
  readonly driverBytes: number;
  readonly nodeBytes: number;
}

class Analyst {
  readonly #session: Session;
  readonly #options: AnalyzeOptions;
  readonly #work: string;

  constructor(session: Session, options: AnalyzeOptions, work: string) {
    this.#session = session;
    this.#options = options;
    this.#work = work;
  }

  async run(): Promise<Analysis> {
    const { subject, past, cacheFolder, signal } = this.#options;
    // A wrong folder is told before everything is read.
    const recalled = past === undefined ? undefined : await this.#recall(past);
    const startedAt = performance.now();
    using plan = new Plan(this.#work, spaceDigest(subject.space));
    const cache = {
      root: cacheFolder === undefined ? defaultCacheFolder() : cacheFolder,
      space: subject.space,
    };
    const stop = signal ?? new AbortController().signal;
    const inputs = await subject.read(plan, join(this.#work, "names.tsv"), stop);
    const readSeconds = (performance.now() - startedAt) / 1000;
    const cached = await this.#locate(plan, cache);
    const { items: distinct, residues: scratchBytes } = plan.distinct.counts();
    const { cost, largest } = leftOf(plan);
    const counted = { kind: subject.space.kind, inputs, distinct, cached, cost };
    const analysis = { ...counted, largest: largest[0] ?? 0, readSeconds, scratchBytes };
    const left = { cost, largest, serialSeconds: readSeconds };
    const learn = () => recalled ?? this.#calibrate(plan, distinct - cached);
    return { ...analysis, ...(distinct > cached && (await this.#predict(left, learn))) };
  }

  async #locate(plan: Plan, cache: CacheSpace): Promise<number> {
    const stores = await openKnown(join(this.#work, "none"), cache);
    try {
      for (const [number, store] of stores.entries()) await plan.locate(store, number);
    } finally {
      for (const store of stores) await store.close();
    }
    return plan.distinct.counts().located;
  }

  async #predict(
    left: PlannedWork,
    learn: () => Learned | Promise<Learned | undefined>,
  ): Promise<Partial<Analysis>> {
    const { past, fleet } = this.#options;
    const learned = await learn();
    if (learned === undefined) return {};
    const { costs } = learned;
    const nodes = nodesWorth(left, costs);
    const { driverBytes, nodeBytes } = learned;
    return {
      costs: { ...costs, from: past ?? "a sample on this machine" },
      ...(nodeBytes > 0 && { memory: { driverBytes, nodeBytes } }),
      seconds: {
        oneNode: timesByNodes(left, costs)[0]!.seconds,
        ...(fleet && { fleet: secondsOn(fleet, left, costs) }),
        byNodes: timesByNodes(left, costs).filter((each) => each.nodes < 2 * nodes.nodes + 2),
      },
      nodes,
      slurm: { array: `0-${nodes.nodes - 1}`, tasks: nodes.nodes },
    };
  }

  /** Computes a sample of what is left, as a run of its own. */
  async #calibrate(plan: Plan, items: number): Promise<Learned | undefined> {
    const { subject, sample = SAMPLE_ITEMS, signal, onNotice } = this.#options;
    if (sample === 0) return undefined;
    const sampled: Buffer[] = [];
    let index = 0;
    for (const submission of plan.remaining()) {
      for (const item of itemsOf(submission)) {
        if (isSampled(index++, items, sample)) sampled.push(Buffer.from(item));
      }
    }
    onNotice?.(`computing ${sampled.length} of ${items}, to learn what they cost`);
    const folder = join(this.#work, "sample");
    const startedAt = performance.now();
    const { readSeconds } = await subject.compute(this.#session, sampled, {
      folder,
      ...(signal && { signal }),
    });
    const seconds = (performance.now() - startedAt) / 1000;
    const peaks = peakBytesBelow(process.pid);
    const { items: computed, ...costs } = await learnFrom(join(folder, "out"), readSeconds);
    if (computed < sampled.length / 2) {
      throw new RaysidueError("bad-input", "most of the sample failed; run it for the reasons");
    }
    onNotice?.(`learned from ${computed} in ${seconds.toFixed(1)} s`);
    const nodeBytes = peaks.below.reduce((sum, bytes) => sum + bytes, 0);
    return { costs: { ...costs, items: computed }, driverBytes: peaks.own, nodeBytes };
  }

  async #recall(past: string): Promise<Learned> {
    const { subject } = this.#options;
    const { kind, fingerprint, ...costs } = await learnFrom(past);
    if (kind !== subject.space.kind || fingerprint !== subject.space.fingerprint) {
      const text = `${past}: a run of ${kind} with another model; name one with the same`;
      throw new RaysidueError("usage", text);
    }
    return { costs, driverBytes: 0, nodeBytes: 0 };
  }
}

/** Cost of what has no result, and the largest of it. */
function leftOf(plan: Plan): { cost: number; largest: number[] } {
  let cost = 0;
  const largest: number[] = [];
  for (const { costs } of plan.remaining()) {
    for (const each of costs) {
      cost += each;
      // Largest first, within a twelfth: near enough for the first few.
      if (largest.length < LARGEST_KEPT) largest.push(each);
    }
  }
  return { cost, largest: largest.sort((a, b) => b - a) };
}
