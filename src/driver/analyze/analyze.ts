/**
 * What a run over some inputs would take: counts, memory and time, without running it.
 *
 * Owns: the order: read as the run would, ask the cache, learn costs from a sample of what is left
 * (or from a past run, or from what was learned here before), predict. A run is stages one after the
 * other: what it asks about sequences, then its own items. Invariant: what is counted is what the
 * run would count, by the same code; of results and scratch nothing is kept. Costs differ from
 * machine to machine: a sample speaks for this one, a past run for the fleet it ran on.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RaysidueError } from "../../base/errors.ts";
import { ensureFolder } from "../../base/files.ts";
import { defaultCacheFolder } from "../../store/cache-folder.ts";
import { itemDigest, spaceDigest } from "../../store/content-key.ts";
import type { Session } from "../fleet/session.ts";
import { Plan } from "../plan/plan.ts";
import { hasNoRows, openKnown } from "../run/compute-plan.ts";
import type { InputCounts, Question, Stage, Subject } from "./analyze-subject.ts";
import { learn, readRun } from "./calibration.ts";
import { CostTeacher, type Learned, leftOf } from "./cost-teacher.ts";
import {
  type FleetDevice,
  type LearnedCosts,
  type NodesTime,
  nodesWorth,
  type PlannedRun,
  type PlannedWork,
  secondsOn,
  timesByNodes,
} from "./fleet-time.ts";

export interface AnalyzeOptions {
  readonly subject: Subject;
  /** Output folder of a past run that teaches the costs of the last stage. */
  readonly past?: string;
  /** Items of a sample; 0: no time is predicted. Absent: what is remembered, or 32. */
  readonly sample?: number;
  /** A fleet to predict for, beside nodes like this one. */
  readonly fleet?: readonly FleetDevice[];
  /** How the node's engines were asked for: costs are remembered by it. */
  readonly settings?: readonly (string | number | undefined)[];
  /** What a program like this takes before it calls: it counts for the run, too. */
  readonly launchSeconds?: number;
  readonly cacheFolder?: string | null;
  readonly signal?: AbortSignal;
  readonly onNotice?: (text: string) => void;
}

export interface AnalyzedStage {
  readonly kind: string;
  /** Distinct items without a result. */
  readonly items: number;
  /** Of these, in what the scheduler weighs: tokens, or an eighth of an atom. */
  readonly cost: number;
  readonly largest: number;
  readonly costs?: LearnedCosts & { readonly from: string; readonly items: number };
  /** On one node like the one where costs were learned. */
  readonly seconds?: number;
}

export interface Analysis {
  readonly kind: string;
  readonly inputs: InputCounts;
  readonly distinct: number;
  readonly cached: number;
  /** Bytes of scratch beside the output while it runs. */
  readonly scratchBytes: number;
  /** In the order of the run; the last is what it is about. */
  readonly stages: readonly AnalyzedStage[];
  readonly memory?: { readonly driverBytes: number; readonly nodeBytes: number };
  readonly seconds?: {
    /** On one node like the one where costs were learned. */
    readonly oneNode: number;
    /** Of it, program and fleet starting and ending. */
    readonly launch: number;
    readonly fleet?: number;
    readonly byNodes: readonly NodesTime[];
  };
  readonly nodes?: NodesTime;
  /** Of a job with one worker a task. */
  readonly slurm?: { readonly array: string; readonly tasks: number };
}

/**
 * Analyzes, and closes the session: how long its fleet takes to end is part of a run. Throws
 * RaysidueError as the run would.
 */
export async function analyze(session: Session, options: AnalyzeOptions): Promise<Analysis> {
  const work = await mkdtemp(join(tmpdir(), "raysidue-analyze-"));
  const analyst = new Analyst(session, options, work);
  try {
    return await analyst.run();
  } finally {
    analyst.close();
    await rm(work, { recursive: true, force: true });
  }
}

/** A stage with what is to be computed in it. */
interface OpenStage {
  readonly stage: Stage;
  readonly plan: Plan;
  /** How many times as many there are as were read. */
  readonly factor: number;
  readonly items: number;
  /** How often an item comes, on average. */
  readonly rowsPerItem: number;
  readonly work: PlannedWork;
}

class Analyst {
  readonly #session: Session;
  readonly #options: AnalyzeOptions;
  readonly #work: string;
  readonly #cacheRoot: string | null;
  readonly #signal: AbortSignal;
  readonly #plans: Plan[] = [];
  readonly #teacher: CostTeacher;

  constructor(session: Session, options: AnalyzeOptions, work: string) {
    this.#session = session;
    this.#options = options;
    this.#work = work;
    const { cacheFolder, signal, sample, settings = [], onNotice } = options;
    this.#cacheRoot = cacheFolder === undefined ? defaultCacheFolder() : cacheFolder;
    this.#signal = signal ?? new AbortController().signal;
    this.#teacher = new CostTeacher(session, {
      ...{ sample, settings, work, signal: this.#signal },
      onNotice: (text) => onNotice?.(text),
    });
  }

  async run(): Promise<Analysis> {
    const { subject, past, onNotice } = this.#options;
    // A wrong folder is told before everything is read.
    const recalled = past === undefined ? undefined : await this.#recall(past);
    await subject.prepare?.(this.#session, (text) => onNotice?.(text));
    const plan = await this.#openPlan(subject);
    const isTimed = recalled !== undefined || this.#options.sample !== 0;
    const isFleetEarly = isTimed && (await this.#isAllNew(subject));
    const starting = isFleetEarly ? this.#teacher.startFleet() : undefined;
    // Where reading fails, that is what is told.
    starting?.catch(() => {});
    if (subject.readsWithFleet) await this.#teacher.startFleet();
    const inputs = await subject.read(plan, {
      session: this.#session,
      work: this.#work,
      cacheFolder: this.#cacheRoot,
      signal: this.#signal,
    });
    const { factor } = inputs.estimate ?? { factor: 1 };
    const own = await this.#locate(subject, plan, { factor, rows: inputs.records });
    const { items: distinct, located, residues } = plan.distinct.counts();
    const asked = own.items === 0 ? [] : (subject.questionsOf?.() ?? []);
    const stages: OpenStage[] = [];
    for (const question of asked) stages.push(await this.#openQuestion(question));
    const left = [...stages, own].filter(({ items }) => items > 0);
    const predicted = await this.#predict(left, { ...inputs, isFleetEarly }, recalled);
    const count = (value: number) => Math.round(factor * value);
    return {
      kind: subject.space.kind,
      inputs,
      distinct: count(distinct),
      cached: count(located),
      scratchBytes: count(residues),
      ...predicted,
    };
  }

  close(): void {
    for (const plan of this.#plans) plan[Symbol.dispose]();
  }

  async #openPlan({ space }: Stage): Promise<Plan> {
    const folder = join(this.#work, `plan-${this.#plans.length}`);
    await ensureFolder(folder);
    const plan = new Plan(folder, spaceDigest(space));
    this.#plans.push(plan);
    return plan;
  }

  async #openQuestion(question: Question): Promise<OpenStage> {
    const plan = await this.#openPlan(question);
    for (const { data, cost } of question.items) {
      plan.addItem({ digest: itemDigest(data), data, length: data.length, cost });
    }
    plan.deduplicate();
    return this.#locate(question, plan, { factor: question.factor, rows: 0 });
  }

  /** Whether a run would find no result at all, and start its fleet while it reads. */
  async #isAllNew({ space }: Stage): Promise<boolean> {
    const stores = await openKnown(join(this.#work, "none"), { root: this.#cacheRoot, space });
    await Promise.all(stores.map((store) => store.close()));
    return hasNoRows(stores);
  }

  async #locate(
    stage: Stage,
    plan: Plan,
    { factor, rows }: { readonly factor: number; readonly rows: number },
  ): Promise<OpenStage> {
    const cache = { root: this.#cacheRoot, space: stage.space };
    const stores = await openKnown(join(this.#work, "none"), cache);
    try {
      for (const [number, store] of stores.entries()) await plan.locate(store, number);
    } finally {
      for (const store of stores) await store.close();
    }
    const { items, located } = plan.distinct.counts();
    const { cost, largest } = leftOf(plan);
    const work = { cost: Math.round(factor * cost), largest, rows };
    const rowsPerItem = Math.max(1, plan.rowCount / Math.max(1, items));
    return { stage, plan, factor, items: items - located, rowsPerItem, work };
  }

  async #predict(
    stages: readonly OpenStage[],
    { readSeconds, isFleetEarly }: { readonly readSeconds: number; readonly isFleetEarly: boolean },
    recalled: Learned | undefined,
  ): Promise<Pick<Analysis, "stages"> & Partial<Analysis>> {
    const { sample, fleet, launchSeconds = 0 } = this.#options;
    const shown = stages.map(({ stage, items, factor, work }) => ({
      kind: stage.space.kind,
      items: Math.round(factor * items),
      cost: work.cost,
      largest: work.largest[0] ?? 0,
    }));
    if (stages.length === 0 || (sample === 0 && recalled === undefined)) return { stages: shown };
    const learned: Learned[] = [];
    for (const [i, each] of stages.entries()) {
      const isLast = i === stages.length - 1;
      const { stage, plan, rowsPerItem } = each;
      learned.push(
        (isLast ? recalled : undefined) ?? (await this.#teacher.learn(stage, plan, rowsPerItem)),
      );
    }
    const { start, end } = await this.#teacher.fleetSeconds();
    // A fleet that is sure to be needed starts while inputs are read (sequence-job.ts, score.ts).
    const hidden = isFleetEarly ? Math.min(start, readSeconds) : 0;
    const launch = launchSeconds + start + end - hidden;
    const planned = stages.map(({ work }, i) => ({ work, costs: learned[i]! }));
    const run: PlannedRun = { serialSeconds: launch + readSeconds, stages: planned };
    const nodes = nodesWorth(run);
    const times = timesByNodes(run);
    const largestOf = (which: "driverBytes" | "nodeBytes") =>
      Math.max(...learned.map((each) => each[which]));
    return {
      stages: shown.map((each, i) => ({
        ...each,
        costs: costsOf(learned[i]!),
        seconds: timesByNodes({ serialSeconds: 0, stages: [planned[i]!] })[0]!.seconds,
      })),
      ...(largestOf("nodeBytes") > 0 && {
        memory: { driverBytes: largestOf("driverBytes"), nodeBytes: largestOf("nodeBytes") },
      }),
      seconds: {
        oneNode: times[0]!.seconds,
        launch,
        ...(fleet && { fleet: secondsOn(fleet, run) }),
        byNodes: times.filter((each) => each.nodes < 2 * nodes.nodes + 2),
      },
      nodes,
      slurm: { array: `0-${nodes.nodes - 1}`, tasks: nodes.nodes },
    };
  }

  async #recall(past: string): Promise<Learned> {
    const { space } = this.#options.subject;
    const first = await readRun(past);
    const { kind, fingerprint } = first;
    if (kind !== space.kind || fingerprint !== space.fingerprint) {
      const text = `${past}: a run of ${kind} with another model; name one with the same`;
      throw new RaysidueError("usage", text);
    }
    return { ...learn({ first }), driverBytes: 0, nodeBytes: 0, learnedAt: 0, from: past };
  }
}

function costsOf({ driverBytes: _, nodeBytes: __, learnedAt: ___, ...costs }: Learned) {
  return costs;
}
