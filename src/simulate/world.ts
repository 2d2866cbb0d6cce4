/**
 * Everything of one simulation: clock, chance, network, workers, scheduler, driver.
 *
 * Owns: how the parts find one another and how a scheduler is killed and replaced. A world with the
 * same seed runs the same way every time.
 */

import { Random } from "../base/random.ts";
import type { Attempt, Balance, DeviceId, RunId } from "../scheduler/core/events.ts";
import type { CoreOptions } from "../scheduler/core/options.ts";
import { DriverModel } from "./driver-model.ts";
import { EventQueue } from "./event-queue.ts";
import type { DeviceSpec } from "./fleet.ts";
import type { Job } from "./job.ts";
import { GOOD_NETWORK, Link, type NetworkQuality } from "./network.ts";
import { SchedulerModel } from "./scheduler-model.ts";
import type { Fate, StepListener, Surroundings } from "./surroundings.ts";
import { WorkerModel } from "./worker-model.ts";

/** Epochs of one scheduler life: more connections than any life sees. */
const EPOCHS_PER_LIFE = 1_000_000;

export interface WorldOptions {
  readonly seed: number;
  readonly job: Job;
  readonly quality?: NetworkQuality;
  readonly core?: Partial<CoreOptions>;
  /** What becomes of an item when it runs: well unless said otherwise. */
  readonly fate?: (item: number) => Fate;
  /** Called after every step of the core. */
  readonly onStep?: StepListener;
}

export class World implements Surroundings {
  readonly clock = new EventQueue();
  readonly random: Random;
  readonly driver: DriverModel;
  readonly workers: WorkerModel[] = [];
  readonly fate: (item: number) => Fate;
  readonly onStep: StepListener | undefined;
  /** Every attempt that the core recorded. */
  readonly attempts: Attempt[] = [];
  /** What the core makes of the run that ended last. */
  balance: Balance | undefined;
  scheduler: SchedulerModel;
  readonly #options: WorldOptions;
  #lives = 0;
  #runs = 0;
  #devices = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.random = new Random(options.seed);
    this.fate = options.fate ?? (() => "well");
    this.onStep = options.onStep;
    this.driver = new DriverModel(this, options.job);
    this.scheduler = this.#newScheduler();
  }

  nextRun(): RunId {
    return ++this.#runs as RunId;
  }

  nextDevice(): DeviceId {
    return this.#devices++ as DeviceId;
  }

  link(): Link {
    return new Link(this.clock, this.random, this.#options.quality ?? GOOD_NETWORK);
  }

  addWorker(spec: DeviceSpec): WorkerModel {
    const worker = new WorkerModel(this, { name: this.workers.length, spec });
    this.workers.push(worker);
    return worker;
  }

  /** Kills the scheduler; a new one that knows nothing starts after `seconds`. */
  restartScheduler(seconds: number): void {
    if (!this.scheduler.isAlive) return;
    this.scheduler.die();
    this.clock.after(seconds * 1000, () => {
      this.scheduler = this.#newScheduler();
      this.driver.resubmit();
    });
  }

  /** Runs until the driver's run has ended; false if `untilMs` passes first or nothing is due. */
  run(untilMs: number): boolean {
    while (this.driver.outcome === undefined) {
      if (this.clock.now > untilMs || !this.clock.runNext()) return false;
    }
    return true;
  }

  #newScheduler(): SchedulerModel {
    const epochFirst = 1 + this.#lives++ * EPOCHS_PER_LIFE;
    return new SchedulerModel(this, { ...this.#options.core, epochFirst });
  }
}
