/**
 * Learns what a stage's items cost here: from what is remembered, or by computing some.
 *
 * Owns: which items, and the runs on them. Two runs on one fleet: the first few items bring engines
 * up, which tells what is done once; the others find them warm, and tell what an item costs. These
 * are then known, and written once more, which tells what a row costs when the code that writes is
 * compiled. What is made once a machine (environments of engines) is made before. Nothing is kept
 * but the answer.
 */
import { join } from "node:path";
import { RaysidueError } from "../../base/errors.ts";
import type { Session } from "../fleet/session.ts";
import type { Plan } from "../plan/plan.ts";
import { itemsOf } from "../run/task-stream.ts";
import type { Stage } from "./analyze-subject.ts";
import { isSampled, learn, peakBytesBelow, readRun } from "./calibration.ts";
import { CostMemory, type RememberedCosts } from "./cost-memory.ts";

/** Of items: enough for a third of warm-up, and a minute at most for usual ones. */
const SAMPLE_ITEMS = 32;
/** What is that cheap is sampled by the second: writing shows in a thousand rows, not in 32. */
const SAMPLE_SECONDS = 2;
/** Of the first run, which brings the engines up: some for each of a node's devices. */
const FIRST_ITEMS = 4;
const LARGEST_KEPT = 64;

export interface Learned extends RememberedCosts {
  /** Who taught it, in words. */
  readonly from: string;
}

export interface TeacherOptions {
  /** Items of a sample; absent: what is remembered, or 32. */
  readonly sample?: number | undefined;
  readonly settings: readonly (string | number | undefined)[];
  /** Scratch. */
  readonly work: string;
  readonly signal: AbortSignal;
  readonly onNotice: (text: string) => void;
}

export class CostTeacher {
  readonly #session: Session;
  readonly #options: TeacherOptions;
  readonly #memory = new CostMemory();
  #starting: Promise<number> | undefined;

  constructor(session: Session, options: TeacherOptions) {
    this.#session = session;
    this.#options = options;
  }

  /** Starts the session's own fleet, if it has not been; resolves to the seconds that took. */
  startFleet(): Promise<number> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<number> {
    const startedAt = performance.now();
    await this.#session.connection();
    return (performance.now() - startedAt) / 1000;
  }

  /** What a fleet of the session's own takes to start and to end. Closes the session. */
  async fleetSeconds(): Promise<{ readonly start: number; readonly end: number }> {
    const start = await this.startFleet();
    const startedAt = performance.now();
    await this.#session.close();
    return { start, end: (performance.now() - startedAt) / 1000 };
  }

  /** Of a stage of which the plan has items left, each coming so often on average. */
  async learn(stage: Stage, plan: Plan, rowsPerItem: number): Promise<Learned> {
    const { sample, settings, onNotice } = this.#options;
    const { cost, items } = leftOf(plan);
    const question = { space: stage.space, meanCost: cost / items, rowsPerItem, settings };
    const known = sample === undefined ? await this.#memory.read(question) : undefined;
    if (known !== undefined) {
      const day = new Date(known.learnedAt).toISOString().slice(0, 10);
      return { ...known, from: `learned here on ${day}` };
    }
    await stage.prepare?.(this.#session, onNotice);
    const learned = await this.#calibrate(stage, plan, rowsPerItem);
    await this.#memory.write(question, learned);
    return { ...learned, from: "a sample on this machine" };
  }

  async #calibrate(stage: Stage, plan: Plan, rowsPerItem: number): Promise<RememberedCosts> {
    await this.startFleet();
    const { sample, work, signal, onNotice } = this.#options;
    const wanted = sample ?? SAMPLE_ITEMS;
    const { kind } = stage.space;
    const { cost, items } = leftOf(plan);
    const compute = async (name: string, count: number) => {
      const folder = join(work, `${kind}-${name}`);
      const taken = sampled(plan, items, count);
      await stage.compute(this.#session, taken, { folder, rowsPerItem, signal });
      return readRun(join(folder, "out"));
    };
    onNotice(`${kind}: computing some of ${items}, to learn what they cost`);
    const startedAt = performance.now();
    const first = await compute("first", Math.min(FIRST_ITEMS, wanted));
    const { secondsPerCost } = learn({ first });
    const each = Math.max(1e-6, (cost / items) * secondsPerCost);
    const count = sample ?? Math.max(wanted, Math.ceil(SAMPLE_SECONDS / each));
    const second = await compute("second", count);
    const { seconds: again } = await compute("second", count);
    const costs = learn({ first, second: { ...second, againSeconds: again.write } });
    if (costs.items < Math.min(count, items) / 2) {
      throw new RaysidueError("bad-input", "most of the sample failed; run it for the reasons");
    }
    const seconds = (performance.now() - startedAt) / 1000;
    onNotice(`${kind}: learned from ${costs.items} in ${seconds.toFixed(1)} s`);
    const peaks = peakBytesBelow(process.pid);
    const nodeBytes = peaks.below.reduce((sum, bytes) => sum + bytes, 0);
    return { ...costs, driverBytes: peaks.own, nodeBytes, learnedAt: Date.now() };
  }
}

/** Every n-th item of what is left, in order of cost. */
function sampled(plan: Plan, items: number, wanted: number): Buffer[] {
  const taken: Buffer[] = [];
  let index = 0;
  for (const submission of plan.remaining()) {
    for (const item of itemsOf(submission)) {
      if (isSampled(index++, items, wanted)) taken.push(Buffer.from(item));
    }
  }
  return taken;
}

/** Cost of what has no result, and the largest of it. */
export function leftOf(plan: Plan): { cost: number; items: number; largest: number[] } {
  let cost = 0;
  let items = 0;
  const largest: number[] = [];
  for (const { costs } of plan.remaining()) {
    for (const each of costs) {
      cost += each;
      items++;
      // Largest first, within a twelfth: near enough for the first few.
      if (largest.length < LARGEST_KEPT) largest.push(each);
    }
  }
  return { cost, items, largest: largest.sort((a, b) => b - a) };
}
