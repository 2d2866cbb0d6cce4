/**
 * What happened in a run, kept bounded: attempts, learned speeds, idle times.
 *
 * Owns: the records that explain.ts and balance.ts read. Invariant: memory stays within its limits
 * however long a run lasts; totals are exact, details are kept for the latest attempts.
 */
import type { Attempt, DeviceId } from "./events.ts";

export interface Span {
  readonly from: number;
  to: number;
}

/** A time in which a device kept its speed: sums over its engine calls. */
export interface Phase {
  readonly from: number;
  cost: number;
  square: number;
  seconds: number;
  overhead: number;
}

/** One engine call: sums over its tasks, its time, and how much of it is overhead. */
export interface CallRecord {
  readonly cost: number;
  readonly square: number;
  readonly seconds: number;
  readonly overhead: number;
  readonly now: number;
}

export interface AttemptRecord {
  readonly attempt: Attempt;
  readonly tasks: Uint32Array;
}

export interface DeviceStory {
  readonly phases: Phase[];
  readonly idle: Span[];
  /** When it could serve the run. */
  readonly ready: Span[];
  batchCount: number;
  firstBatchAt: number | undefined;
  lastReportAt: number | undefined;
}

/** Tasks of remembered attempts: 4 bytes each. */
const TASKS_MAX = 4_194_304;
const PHASES_MAX = 512;
const IDLE_MAX = 64;
/** A quarter faster or slower is another speed; less is noise or another length. */
const PHASE_STEP = Math.log(1.25);

export class Story {
  readonly #recordsMax: number;
  readonly devices = new Map<DeviceId, DeviceStory>();
  /** Latest attempts in order of their end; those before `#start` are dropped. */
  #records: AttemptRecord[] = [];
  #start = 0;
  #taskCount = 0;
  /** Cost of tasks that ran although they were committed already. */
  repeatedCost = 0;
  /** Cost of tasks that ran and whose result was lost or failed. */
  lostCost = 0;

  constructor(recordsMax: number) {
    this.#recordsMax = recordsMax;
  }

  device(id: DeviceId): DeviceStory {
    let story = this.devices.get(id);
    if (story === undefined) {
      story = {
        phases: [],
        idle: [],
        ready: [],
        batchCount: 0,
        firstBatchAt: undefined,
        lastReportAt: undefined,
      };
      this.devices.set(id, story);
    }
    return story;
  }

  attempted(attempt: Attempt, tasks: Uint32Array): void {
    this.#records.push({ attempt, tasks });
    this.#taskCount += tasks.length;
    while (
      this.#records.length - this.#start > this.#recordsMax ||
      (this.#taskCount > TASKS_MAX && this.#records.length - this.#start > 1)
    ) {
      this.#taskCount -= this.#records[this.#start]!.tasks.length;
      this.#start += 1;
    }
    if (this.#start > this.#recordsMax) {
      this.#records = this.#records.slice(this.#start);
      this.#start = 0;
    }
  }

  /** The remembered attempts, oldest first. */
  records(): readonly AttemptRecord[] {
    return this.#records.slice(this.#start);
  }

  deviceStarted(id: DeviceId, { since, now }: { since: number; now: number }): void {
    const story = this.device(id);
    story.firstBatchAt ??= now;
    if (now <= since) return;
    const { idle } = story;
    idle.push({ from: since, to: now });
    if (idle.length > IDLE_MAX) idle.shift();
  }

  /** A device can serve from now on; its speed is still unknown. */
  readyAt(id: DeviceId, now: number): void {
    this.device(id).ready.push({ from: now, to: Number.POSITIVE_INFINITY });
  }

  goneAt(id: DeviceId, now: number): void {
    const span = this.device(id).ready.at(-1);
    if (span !== undefined) span.to = Math.min(span.to, now);
  }

  /** An engine call ended: a device's speed shows in what it did, and when. */
  ran(id: DeviceId, call: CallRecord): void {
    const story = this.device(id);
    const { cost, square, seconds, overhead, now } = call;
    story.lastReportAt = now;
    story.batchCount += 1;
    const phase = story.phases.at(-1);
    const isSame = phase !== undefined && Math.abs(Math.log(pace(call) / pace(phase))) < PHASE_STEP;
    if (!isSame) {
      const from = now - 1000 * seconds;
      story.phases.push({ from, cost, square, seconds, overhead: Math.min(overhead, seconds) });
      if (story.phases.length > PHASES_MAX) merge(story.phases);
      return;
    }
    phase.cost += cost;
    phase.square += square;
    phase.seconds += seconds;
    phase.overhead += Math.min(overhead, seconds);
  }
}

/** Cost a second without the overhead: at least a tenth of a call is work. */
function pace({ cost, seconds, overhead }: Omit<Phase, "from" | "square">): number {
  return cost / Math.max(seconds - overhead, 0.1 * seconds, 1e-9);
}

/** Joins the older half two by two: recent phases keep their detail. */
function merge(phases: Phase[]): void {
  const half = Math.floor(phases.length / 4) * 2;
  const joined: Phase[] = [];
  for (let index = 0; index < half; index += 2) {
    const [a, b] = [phases[index]!, phases[index + 1]!];
    joined.push({
      from: a.from,
      cost: a.cost + b.cost,
      square: a.square + b.square,
      seconds: a.seconds + b.seconds,
      overhead: a.overhead + b.overhead,
    });
  }
  phases.splice(0, half, ...joined);
}
