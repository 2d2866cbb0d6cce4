/**
 * All that the core knows: workers, devices, runs and leases.
 *
 * Owns: the records and how they come to be. Invariant: a device holds at most one running and one
 * waiting lease; a lease is in `core.leases` exactly while it holds its device's credit. The state
 * is changed only within `step`.
 */
import { BUCKET_COUNT, TaskQueue } from "./buckets.ts";
import { type CostModel, createModel, type Shape } from "./cost-model.ts";
import type { Command, DeviceId, LeaseId, RunId, RunOutcome, WorkerId } from "./events.ts";
import { type CoreOptions, DEFAULT_OPTIONS } from "./options.ts";
import { Story } from "./story.ts";
import { TaskTable } from "./tasks.ts";

export interface Core {
  readonly options: CoreOptions;
  readonly workers: Map<WorkerId, WorkerState>;
  readonly devices: Map<DeviceId, DeviceState>;
  readonly runs: Map<RunId, RunState>;
  readonly leases: Map<LeaseId, Lease>;
  /** Devices with a free credit. */
  readonly hungry: Set<DeviceState>;
  /** Those of them whose credit came free in this step. */
  readonly fresh: Set<DeviceState>;
  /** Who held the leases closed last, so that a late report can be recorded as stale. */
  readonly closed: Map<LeaseId, Lease>;
  /** Of the workers lost last. */
  readonly lifetimesMs: number[];
  nextLease: number;
  /** Orders of the step that is under way. */
  commands: Command[];
  /** When this step wants to be called again; infinity if it does not. */
  wakeAt: number;
  hungryCheckedAt: number;
  tailCheckedAt: number;
  sweptAt: number;
}

export interface WorkerState {
  readonly id: WorkerId;
  /** Of every lease of this connection. */
  readonly epoch: number;
  readonly devices: Set<DeviceState>;
  readonly joinedAt: number;
  heardAt: number;
  isDraining: boolean;
  /** When it will be gone (walltime), if it said so. */
  endsAt: number | undefined;
  /** Runs that it cannot serve, with the reason. */
  readonly refusals: Map<RunId, string>;
}

export interface DeviceState {
  readonly id: DeviceId;
  readonly worker: WorkerState;
  /** The runs it is ready for. */
  readonly servings: Map<RunId, Serving>;
  running: Lease | undefined;
  waiting: Lease | undefined;
  /** Since when nothing runs; undefined while something does. */
  idleSince: number | undefined;
}

/** A device that is ready for a run. */
export interface Serving {
  readonly device: DeviceState;
  readonly run: RunState;
  readonly costMax: number;
  /** Of one engine call: the grain at which its leases can be split. */
  readonly callCost: number;
  readonly model: CostModel;
  /** What of its speed is counted in the run's `speed`. */
  speed: number;
}

/** Why a lease was cut as it was; the words of `Attempt.reason`. */
export type LeaseReason =
  | "probe"
  | "longest first"
  | "giant"
  | "tail"
  | "retry"
  | "backup copy"
  | "overdue copy";

export interface Lease {
  readonly id: LeaseId;
  readonly epoch: number;
  readonly run: RunState;
  readonly device: DeviceState;
  readonly tasks: Uint32Array;
  /** By position in `tasks`: 1 once reported or returned. */
  readonly reported: Uint8Array;
  readonly reason: LeaseReason;
  readonly assignedAt: number;
  readonly deadlineAt: number;
  /** Where the next report is expected to go on in `tasks`. */
  cursor: number;
  /** Position of each task, made when a report does not follow the order. */
  positions: Map<number, number> | undefined;
  /** Sums over the tasks not yet reported. */
  openCount: number;
  openCost: number;
  openSquare: number;
  /** Since when its device works on what is open. */
  startedAt: number;
  busySeconds: number;
  ranCount: number;
  ranCost: number;
  returnedCount: number;
  failedCount: number;
  committedCount: number;
  /** What was asked back: nothing, all if not begun, or whatever has not begun. */
  takeBack: "none" | "waiting" | "rest";
  takeBackAt: number;
  /** Its open tasks were given to others as well. */
  isCopied: boolean;
  isClosed: boolean;
}

/** Tasks that are handed out as they are rather than by bucket. */
export interface Group {
  readonly tasks: Uint32Array;
  readonly reason: "retry" | "backup copy" | "overdue copy";
  /** Not here: where they run or failed already. */
  readonly avoid: DeviceId | undefined;
}

export interface RunState {
  readonly id: RunId;
  readonly weight: number;
  readonly openedAt: number;
  readonly tasks: TaskTable;
  queue: TaskQueue;
  groups: Group[];
  readonly servings: Map<DeviceId, Serving>;
  readonly leases: Set<Lease>;
  readonly shape: Shape;
  readonly story: Story;
  /** Submitted tasks a bucket, for the bound. */
  readonly histogram: Float64Array;
  isInputEnded: boolean;
  outcome: RunOutcome | undefined;
  cancelled: { readonly reason: string; readonly at: number } | undefined;
  /** Since when no attached worker can serve it. */
  refusedAt: number | undefined;
  /** Since when a task waits that is too large for every device. */
  oversizeAt: number | undefined;
  committedCount: number;
  quarantinedCount: number;
  submittedCost: number;
  submittedSquare: number;
  committedCost: number;
  committedSquare: number;
  /** Sums over tasks neither committed nor quarantined. */
  openCost: number;
  openSquare: number;
  /** Sum of its known devices' speeds and their number. */
  speed: number;
  knownCount: number;
  /** No known device of it is faster. */
  fastest: number;
  /** Fleet time used, over weight: the run with the least is served next. */
  virtualSeconds: number;
  firstReadyAt: number | undefined;
  lastCommitAt: number | undefined;
}

export function createCore(options: Partial<CoreOptions> = {}): Core {
  return {
    options: { ...DEFAULT_OPTIONS, ...options },
    workers: new Map(),
    devices: new Map(),
    runs: new Map(),
    leases: new Map(),
    hungry: new Set(),
    fresh: new Set(),
    closed: new Map(),
    lifetimesMs: [],
    nextLease: 1,
    commands: [],
    wakeAt: Number.POSITIVE_INFINITY,
    hungryCheckedAt: Number.NEGATIVE_INFINITY,
    tailCheckedAt: Number.NEGATIVE_INFINITY,
    sweptAt: Number.NEGATIVE_INFINITY,
  };
}

/** The epoch of a worker's leases: what the shell tells the worker when it registers. */
export function epochOf(core: Core, worker: WorkerId): number {
  return core.options.epochFirst + worker;
}

export function createRun(
  core: Core,
  opening: { readonly id: RunId; readonly weight: number; readonly now: number },
): RunState {
  const { options } = core;
  const tasks = new TaskTable();
  return {
    id: opening.id,
    weight: opening.weight > 0 && Number.isFinite(opening.weight) ? opening.weight : 1,
    openedAt: opening.now,
    tasks,
    queue: new TaskQueue(tasks),
    groups: [],
    servings: new Map(),
    leases: new Set(),
    shape: {
      overheadSeconds: options.overheadSeconds,
      quadraticPerCost: options.quadraticPerCost,
    },
    story: new Story(options.recordsMax),
    histogram: new Float64Array(BUCKET_COUNT),
    isInputEnded: false,
    outcome: undefined,
    cancelled: undefined,
    refusedAt: undefined,
    oversizeAt: undefined,
    committedCount: 0,
    quarantinedCount: 0,
    submittedCost: 0,
    submittedSquare: 0,
    committedCost: 0,
    committedSquare: 0,
    openCost: 0,
    openSquare: 0,
    speed: 0,
    knownCount: 0,
    fastest: 0,
    virtualSeconds: 0,
    firstReadyAt: undefined,
    lastCommitAt: undefined,
  };
}

export function createServing(
  device: DeviceState,
  run: RunState,
  sizes: { readonly costMax: number; readonly callCost: number },
): Serving {
  return { device, run, ...sizes, model: createModel(), speed: 0 };
}

/** Notes that a device has a free credit. */
export function markHungry(core: Core, device: DeviceState): void {
  core.hungry.add(device);
  core.fresh.add(device);
}

/** Whether the run has work that could be handed out now. */
export function hasQueuedWork(run: RunState): boolean {
  return run.outcome === undefined && (run.queue.count > 0 || run.groups.length > 0);
}
