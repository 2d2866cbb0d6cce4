/**
 * What the parts of a virtual world see of one another.
 *
 * Owns: the interfaces between scheduler, worker and driver models, so that none of them imports
 * another and world.ts alone puts them together.
 */

import type { Random } from "../base/random.ts";
import type {
  Attempt,
  Balance,
  Command,
  DeviceId,
  Event,
  RunId,
  RunOutcome,
  Task,
  TaskFailure,
  WorkerId,
} from "../scheduler/core/events.ts";
import type { Core } from "../scheduler/core/state.ts";
import type { Assign, TakeBack } from "./device-model.ts";
import type { EventQueue } from "./event-queue.ts";
import type { Link } from "./network.ts";

/**
 * What becomes of an item that runs. `kills`: its worker dies of it; `fails`: always, though the
 * worker thinks it might not; `hopeless`: so says the worker.
 */
export type Fate = "well" | "fails" | "hopeless" | "kills";

/** A scheduler as workers and drivers see it. */
export interface SchedulerEnd {
  readonly core: Core;
  readonly isAlive: boolean;
  openRuns(): Iterable<RunId>;
  /** Takes a connection; it lasts until either end breaks it. */
  accept(worker: WorkerEnd): WorkerId;
  connectionBroke(id: WorkerId, reason: string): void;
  tell(event: Event): void;
}

/** A worker as its scheduler sees it. */
export interface WorkerEnd {
  connectionBroke(connection: WorkerId): void;
  openRun(run: RunId): void;
  order(connection: WorkerId, order: Assign | TakeBack): void;
  heard(): void;
}

/** A run's driver as scheduler and workers see it. */
export interface DriverEnd {
  lengthsOf(run: RunId): Uint32Array;
  itemOf(run: RunId, task: Task): number;
  committed(run: RunId, tasks: readonly Task[]): void;
  quarantined(run: RunId, failures: readonly TaskFailure[]): void;
  ended(run: RunId, outcome: RunOutcome): void;
}

/** Called after every step of a core. */
export type StepListener = (
  scheduler: SchedulerEnd,
  event: Event,
  commands: readonly Command[],
) => void;

/** The world around each part. */
export interface Surroundings {
  readonly clock: EventQueue;
  readonly random: Random;
  readonly fate: (item: number) => Fate;
  readonly onStep: StepListener | undefined;
  /** Every attempt that a core recorded. */
  readonly attempts: Attempt[];
  readonly driver: DriverEnd;
  /** The one that lives, or the last that did. */
  readonly scheduler: SchedulerEnd;
  /** What the core makes of the run that ended last. */
  balance: Balance | undefined;
  nextRun(): RunId;
  nextDevice(): DeviceId;
  link(): Link;
}
