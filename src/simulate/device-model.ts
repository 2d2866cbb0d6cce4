/**
 * A virtual device and the engine on it.
 *
 * Owns: leases in hand, cut into engine calls that take overhead + work / speed, whatever the speed
 * becomes meanwhile. One call runs at a time and cannot be stopped; a lease's results count when
 * they are reported. Invariant: what it says it did, it did; `laneOf` is the truth the bound needs.
 */

import type { Random } from "../base/random.ts";
import type { SpeedChange } from "../scheduler/core/bound.ts";
import type { Command, DeviceId } from "../scheduler/core/events.ts";
import type { EventQueue } from "./event-queue.ts";
import type { DeviceSpec } from "./fleet.ts";
import { workSeconds } from "./job.ts";

export type Assign = Extract<Command, { readonly type: "assignBatch" }>;
export type TakeBack = Extract<Command, { readonly type: "takeBack" }>;

/** What an engine call came to. */
export interface CallReport {
  readonly assign: Assign;
  readonly tasks: readonly number[];
  readonly seconds: number;
  readonly isLast: boolean;
}

/** One engine call in the timeline, in milliseconds. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  /** As in `Attempt`: "longest first", "tail", "backup copy" ... */
  readonly reason: string;
  /** Nobody wanted its result any more. */
  readonly isLost: boolean;
}

interface Held {
  readonly assign: Assign;
  next: number;
}

interface Call {
  readonly held: Held;
  readonly tasks: readonly number[];
  startedAt: number;
  /** Work in seconds at speed 1 that is left at `asOf`; overhead comes first. */
  overheadMs: number;
  work: number;
  readonly noisyWork: number;
  asOf: number;
  /** Whether its result still interests anybody. */
  isWanted: boolean;
}

export class DeviceModel {
  readonly id: DeviceId;
  readonly spec: DeviceSpec;
  readonly lane: SpeedChange[] = [];
  readonly stretches: Stretch[] = [];
  readonly #clock: EventQueue;
  readonly #random: Random;
  readonly #lengths: (assign: Assign) => Uint32Array;
  readonly #report: (report: CallReport) => void;
  #held: Held[] = [];
  #call: Call | undefined;
  /** In the engine's hands, to start when the running call ends. */
  #ahead: Call | undefined;
  /** Calls after a change of speed end at another time: older appointments are void. */
  #appointment = 0;
  #speed: number;
  #isOn = false;
  /** Work done (seconds at speed 1), all and in vain; and milliseconds spent on overhead. */
  workDone = 0;
  workLost = 0;
  /** What noise added to the work of finished calls, or took from it. */
  noiseWork = 0;
  overheadMs = 0;
  overheadWork = 0;
  callCount = 0;
  firstCallAt: number | undefined;
  lastCallEnd = 0;

  constructor(options: {
    readonly id: DeviceId;
    readonly spec: DeviceSpec;
    readonly clock: EventQueue;
    readonly random: Random;
    /** Cost of each task of a run, by task number. */
    readonly lengths: (assign: Assign) => Uint32Array;
    readonly report: (report: CallReport) => void;
  }) {
    this.id = options.id;
    this.spec = options.spec;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#lengths = options.lengths;
    this.#report = options.report;
    this.#speed = options.spec.speed;
  }

  /** It can serve, or no longer can: what the bound counts. */
  switch(isOn: boolean): void {
    this.#isOn = isOn;
    this.#mark();
  }

  setSpeed(speed: number): void {
    this.#advance();
    this.#speed = speed;
    this.#mark();
    if (this.#call !== undefined) this.#appoint(this.#call);
  }

  accept(assign: Assign): void {
    this.#held.push({ assign, next: 0 });
    this.#startNext();
  }

  /** Gives back what it may; undefined if it does not hold the lease. */
  giveBack(order: TakeBack): { assign: Assign; tasks: number[]; isLast: boolean } | undefined {
    const held = this.#held.find(({ assign }) => assign.lease === order.lease);
    if (held === undefined) return undefined;
    const { assign } = held;
    const isRunning = this.#call?.held === held || this.#ahead?.held === held;
    if (order.keepRunning && held.next > 0) return { assign, tasks: [], isLast: false };
    const tasks = [...assign.tasks.subarray(held.next)];
    held.next = assign.tasks.length;
    if (!isRunning) this.#held = this.#held.filter((each) => each !== held);
    return { assign, tasks, isLast: !isRunning };
  }

  /** Forgets all leases; the call that runs goes on, for nobody. */
  forget(): void {
    this.#held = [];
    this.#ahead = undefined;
    if (this.#call !== undefined) this.#call.isWanted = false;
  }

  /** Stops at once: the process is gone. */
  die(): void {
    this.#advance();
    const call = this.#call;
    if (call !== undefined) {
      const whole = this.#workOf(call);
      const done = Math.max(whole - call.work, 0);
      this.workDone += done;
      this.workLost += done;
      this.#draw(call, true);
      this.lastCallEnd = this.#clock.now;
    }
    this.#appointment += 1;
    this.#call = undefined;
    this.#ahead = undefined;
    this.#held = [];
  }

  #mark(): void {
    const speed = this.#isOn ? this.#speed : 0;
    this.lane.push({ at: this.#clock.now, speed });
  }

  #workOf(call: Call): number {
    const lengths = this.#lengths(call.held.assign);
    return call.tasks.reduce((sum, task) => sum + workSeconds(lengths[task]!), 0);
  }

  /** Puts a call into the engine, and one more behind it: that one can no longer be given back. */
  #startNext(): void {
    if (this.#call === undefined) {
      const call = this.#ahead ?? this.#prepare();
      this.#ahead = undefined;
      if (call === undefined) return;
      this.#call = call;
      call.startedAt = this.#clock.now;
      call.asOf = call.startedAt;
      this.firstCallAt ??= call.startedAt;
      this.callCount += 1;
      this.#appoint(call);
    }
    if (this.spec.prefetch > 0) this.#ahead ??= this.#prepare();
  }

  /** Cuts the next call off the first lease that has something left. */
  #prepare(): Call | undefined {
    const held = this.#held.find(({ assign, next }) => next < assign.tasks.length);
    if (held === undefined) return undefined;
    const lengths = this.#lengths(held.assign);
    const tasks: number[] = [];
    let [longest, work] = [0, 0];
    while (held.next < held.assign.tasks.length) {
      const task = held.assign.tasks[held.next]!;
      longest = Math.max(longest, lengths[task]!);
      if (tasks.length > 0 && longest * (tasks.length + 1) > this.spec.cost_max) break;
      tasks.push(task);
      work += workSeconds(lengths[task]!);
      held.next += 1;
    }
    const noise = this.spec.noise === 0 ? 1 : 1 + this.spec.noise * this.#random.normal();
    const noisyWork = work * Math.max(noise, 0.1);
    const { now } = this.#clock;
    return {
      held,
      tasks,
      startedAt: now,
      overheadMs: this.spec.overhead_ms,
      // Noise makes a call longer or shorter as if there were more or less to do.
      work: noisyWork,
      noisyWork,
      asOf: now,
      isWanted: true,
    };
  }

  /** Brings the running call's rest up to now. */
  #advance(): void {
    const call = this.#call;
    if (call === undefined) return;
    let elapsed = this.#clock.now - call.asOf;
    const overhead = Math.min(elapsed, call.overheadMs);
    call.overheadMs -= overhead;
    this.overheadMs += overhead;
    this.overheadWork += (overhead / 1000) * this.#speed;
    elapsed -= overhead;
    call.work -= (elapsed / 1000) * this.#speed;
    call.asOf = this.#clock.now;
  }

  #appoint(call: Call): void {
    const appointment = ++this.#appointment;
    if (this.#speed <= 0) return;
    const leftMs = call.overheadMs + (Math.max(call.work, 0) / this.#speed) * 1000;
    this.#clock.after(leftMs, () => {
      if (appointment === this.#appointment) this.#finish(call);
    });
  }

  #finish(call: Call): void {
    this.#advance();
    const { held } = call;
    const work = this.#workOf(call);
    this.workDone += work;
    this.noiseWork += call.noisyWork - work;
    if (!call.isWanted) this.workLost += work;
    this.#draw(call, !call.isWanted);
    this.lastCallEnd = this.#clock.now;
    this.#call = undefined;
    const isLast = held.next >= held.assign.tasks.length && this.#ahead?.held !== held;
    if (isLast) this.#held = this.#held.filter((each) => each !== held);
    // The next call is in the engine's hands before this one's result is on its way.
    this.#startNext();
    if (!call.isWanted) return;
    const seconds = (this.#clock.now - call.startedAt) / 1000;
    this.#report({ assign: held.assign, tasks: call.tasks, seconds, isLast });
  }

  #draw(call: Call, isLost: boolean): void {
    const { reason } = call.held.assign;
    const to = this.#clock.now;
    this.stretches.push({ from: call.startedAt, to, reason, isLost });
  }
}
