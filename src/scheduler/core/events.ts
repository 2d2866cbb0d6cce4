/**
 * What the scheduler's core hears and what it orders: its whole border.
 *
 * Owns: the types of `step(state, event, now) -> commands`. Events are past tense, commands
 * imperative. Pure: no I/O, no clock (`now` is an argument, in milliseconds), no generated types.
 * Numbers name things on the hot path; the shell (scheduler/server) keeps names, bytes and sockets.
 */

/** One attached worker daemon's connection; a reconnecting daemon gets a new one. */
export type WorkerId = number & { readonly brand: "WorkerId" };
/** A device of one connection; numbered across the fleet, never reused. */
export type DeviceId = number & { readonly brand: "DeviceId" };
export type RunId = number & { readonly brand: "RunId" };
/** A lease's number; never reused. */
export type LeaseId = number & { readonly brand: "LeaseId" };
/** A task's number within its run, 0-based in order of submission; below 2^32. */
export type Task = number;

export type Event =
  /** `endsAt`: its walltime ends then, if it has one. */
  | { readonly type: "workerJoined"; readonly worker: WorkerId; readonly endsAt?: number }
  | { readonly type: "workerHeard"; readonly worker: WorkerId }
  /** The connection broke, or the shell knows it is gone. Its leases are requeued at once. */
  | { readonly type: "workerLost"; readonly worker: WorkerId; readonly reason: string }
  /** It finishes what it runs and takes nothing new; waiting batches are taken back. */
  | { readonly type: "workerDraining"; readonly worker: WorkerId; readonly endsAt?: number }
  /** A device can serve a run from now on. The first such event makes the device known. */
  | {
      readonly type: "engineReady";
      readonly worker: WorkerId;
      readonly device: DeviceId;
      readonly run: RunId;
      /** Largest single task that fits the device's memory, in cost units (tokens). */
      readonly costMax: number;
      /** What one engine call takes, the grain at which a lease can be split; absent: costMax. */
      readonly callCost?: number;
    }
  | {
      readonly type: "engineFailed";
      readonly worker: WorkerId;
      readonly run: RunId;
      readonly device?: DeviceId;
      readonly reason: string;
      readonly retryable: boolean;
    }
  | { readonly type: "runOpened"; readonly run: RunId; readonly weight: number }
  /** Tasks `first .. first + costs.length - 1`, each with its cost in tokens (1 or more). */
  | {
      readonly type: "tasksSubmitted";
      readonly run: RunId;
      readonly first: Task;
      readonly costs: Uint32Array;
    }
  | { readonly type: "inputEnded"; readonly run: RunId }
  | { readonly type: "runCancelled"; readonly run: RunId; readonly reason: string }
  /** Some tasks of a lease are durable, some failed; `finished` closes the lease. */
  | {
      readonly type: "batchProgressed";
      readonly worker: WorkerId;
      readonly lease: LeaseId;
      readonly epoch: number;
      readonly tasks: readonly Task[];
      readonly failures: readonly TaskFailure[];
      readonly finished: boolean;
      /** Engine time since this lease's last report, in seconds. */
      readonly busySeconds: number;
    }
  /** Answer to `takeBack`: these tasks were not started and will not be. */
  | {
      readonly type: "batchReturned";
      readonly worker: WorkerId;
      readonly lease: LeaseId;
      readonly epoch: number;
      readonly tasks: readonly Task[];
      readonly finished: boolean;
    }
  /** Time passed. Sent at the latest when the last `wakeAt` said, and at least once a second. */
  | { readonly type: "ticked" };

export interface TaskFailure {
  readonly task: Task;
  readonly reason: string;
  readonly retryable: boolean;
}

export type Command =
  | {
      readonly type: "assignBatch";
      readonly lease: LeaseId;
      readonly epoch: number;
      readonly worker: WorkerId;
      readonly device: DeviceId;
      readonly run: RunId;
      readonly tasks: Uint32Array;
      readonly deadlineMs: number;
      /** As in `Attempt`; for logs and timelines. */
      readonly reason: string;
    }
  | {
      readonly type: "takeBack";
      readonly lease: LeaseId;
      readonly epoch: number;
      readonly worker: WorkerId;
      /** Leave the lease alone if its first micro-batch has started. */
      readonly keepRunning: boolean;
    }
  /** These results count: the first commit of each. Never sent twice for one task. */
  | {
      readonly type: "commitTasks";
      readonly run: RunId;
      readonly worker: WorkerId;
      readonly lease: LeaseId;
      readonly tasks: readonly Task[];
    }
  | {
      readonly type: "quarantineTasks";
      readonly run: RunId;
      readonly worker: WorkerId;
      readonly failures: readonly TaskFailure[];
    }
  | {
      readonly type: "endRun";
      readonly run: RunId;
      readonly outcome: RunOutcome;
      /** Bound, achieved and losses; absent if nothing was committed. */
      readonly balance?: Balance;
    }
  /** The worker broke its word (no heartbeat): close its connection. */
  | { readonly type: "dropWorker"; readonly worker: WorkerId; readonly reason: string }
  /** One batch attempt is over: a row of trace.tsv. */
  | { readonly type: "recordAttempt"; readonly attempt: Attempt }
  | { readonly type: "notify"; readonly run: RunId; readonly text: string }
  /** Send `ticked` at this time (milliseconds, same clock as `now`) if nothing happens before. */
  | { readonly type: "wakeAt"; readonly at: number };

export type RunOutcome =
  | { readonly type: "done" }
  | { readonly type: "cancelled"; readonly reason: string }
  | { readonly type: "failed"; readonly reason: string };

export interface Attempt {
  readonly run: RunId;
  readonly lease: LeaseId;
  readonly worker: WorkerId;
  readonly device: DeviceId;
  readonly taskCount: number;
  readonly cost: number;
  readonly assignedAt: number;
  readonly finishedAt: number;
  readonly busySeconds: number;
  readonly outcome: "committed" | "returned" | "lost" | "stale" | "failed";
  /** Why it was cut for this device: "longest first", "tail", "backup copy", "giant". */
  readonly reason: string;
}

/** Names as in run.json and in the simulation's figures. */
export interface Balance {
  readonly bound_s: number;
  readonly achieved_s: number;
  /** Achieved over bound; 0 while there is none. */
  readonly ratio: number;
  /** Work done more than once or in vain, over all work. */
  readonly repeated_work: number;
  readonly losses: {
    /** Before a device's first batch. */
    readonly start_up: number;
    /** What engine calls take besides their work. */
    readonly batch_overhead: number;
    /** After a device's last batch. */
    readonly idle_tail: number;
    /** Between batches. */
    readonly idle_between: number;
    readonly repeated_work: number;
  };
  readonly devices: number;
  readonly batches: number;
}

/** What a person sees of a run. */
export interface RunProgress {
  readonly submitted: number;
  readonly committed: number;
  readonly quarantined: number;
  readonly costSubmitted: number;
  readonly costCommitted: number;
  readonly devices: number;
  /** Of the fleet, as learned; 0 while unknown. */
  readonly costPerSecond: number;
  /** Lower bound for what is left, in seconds; 0 while unknown. */
  readonly idealSeconds: number;
}
