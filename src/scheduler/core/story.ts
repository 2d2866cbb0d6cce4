/**
 * What happened in a run, kept bounded: attempts, learned speeds, idle times.
 *
 * Owns: the records that explain.ts and balance.ts read. Invariant: memory stays within its limits
 * however long a run lasts; totals are exact, details are kept for the latest attempts.
 */
import type { SpeedChange } from "./bound.ts";
import type { Attempt, DeviceId } from "./events.ts";

export interface Span {
  readonly from: number;
  to: number;
}

export interface AttemptRecord {
  readonly attempt: Attempt;
  readonly tasks: Uint32Array;
}

export interface DeviceStory {
  readonly speeds: SpeedChange[];
  readonly idle: Span[];
  /** When it could serve the run. */
  readonly ready: Span[];
  busySeconds: number;
  overheadSeconds: number;
  batchCount: number;
}

/** Tasks of remembered attempts: 4 bytes each. */
const TASKS_MAX = 4_194_304;
const SPEEDS_MAX = 512;
const IDLE_MAX = 64;
/** A smaller change is noise; the bound needs no more. */
const SPEED_STEP = 0.05;

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
        speeds: [],
        idle: [],
        ready: [],
        busySeconds: 0,
        overheadSeconds: 0,
        batchCount: 0,
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
    if (now <= since) return;
    const { idle } = this.device(id);
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

  /** An engine call ended. */
  ran(id: DeviceId, { seconds, overhead }: { seconds: number; overhead: number }): void {
    const story = this.device(id);
    story.busySeconds += seconds;
    story.overheadSeconds += Math.min(overhead, seconds);
    story.batchCount += 1;
  }

  speedLearned(id: DeviceId, { speed, now }: { speed: number; now: number }): void {
    const { speeds } = this.device(id);
    const last = speeds.at(-1);
    if (last !== undefined && Math.abs(speed - last.speed) <= SPEED_STEP * last.speed) return;
    speeds.push({ at: now, speed });
    if (speeds.length > SPEEDS_MAX) thin(speeds);
  }
}

/** Drops every second of the older half: recent changes keep their detail. */
function thin(speeds: SpeedChange[]): void {
  const half = Math.floor(speeds.length / 2);
  const kept = speeds.filter(
    (change, index) => index >= half || index % 2 === 0 || change.speed === 0,
  );
  speeds.splice(0, speeds.length, ...kept.slice(-SPEEDS_MAX));
}
