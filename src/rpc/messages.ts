/**
 * What driver, scheduler and worker daemon say to one another, in the project's own types.
 *
 * Owns: the messages' shapes. Invariant: codec.ts converts each of them to and from proto/, and the
 * compiler refuses a field that one of the two lacks. proto/raysidue/v1 documents each field.
 */

/** Items packed without an object per item: item i is `sizes[i]` bytes of `data`, in order. */
export interface Frame {
  readonly data: Uint8Array;
  readonly sizes: readonly number[];
  readonly tasks: readonly number[];
  readonly costs: readonly number[];
  /** `[items, 32]`: content keys. */
  readonly keys: Uint8Array;
}

export interface RunSpec {
  readonly runId: string;
  readonly name: string;
  readonly kind: string;
  readonly engine: string;
  readonly model: string;
  readonly fingerprint: string;
  /** Canonical JSON of the kind's parameters. */
  readonly parameters: string;
  readonly shardFolder: string;
  readonly probeName: string;
  readonly probeToken: string;
  readonly weight: number;
  /** 2 x weights x tokens / 10^9 of the whole run; 0: not known. */
  readonly expectedGflop: number;
}

export interface ShardRows {
  readonly shard: string;
  readonly segmentOffset: number;
  readonly payloadOffset: number;
  readonly tasks: readonly number[];
  readonly sizes: readonly number[];
}

export interface TaskFailure {
  readonly task: number;
  readonly reason: string;
  readonly retryable: boolean;
}

export interface DeviceInfo {
  readonly device: number;
  readonly name: string;
  readonly type: string;
  readonly threads: number;
  readonly memoryBytes: number;
}

export interface Registration {
  readonly workerId: string;
  readonly host: string;
  readonly pid: number;
  readonly protocol: number;
  readonly version: string;
  readonly bulkAddress: string;
  /** Until its walltime ends; 0 where it has none. */
  readonly endsInMs: number;
}

export interface BatchProgress {
  readonly lease: number;
  readonly epoch: number;
  readonly rows: ShardRows | undefined;
  readonly failures: readonly TaskFailure[];
  readonly finished: boolean;
  readonly busySeconds: number;
  readonly paddedTokens: number;
  readonly tokens: number;
}

export type WorkerReport =
  | ({ readonly type: "register" } & Registration)
  | { readonly type: "heartbeat" }
  | {
      readonly type: "engineReady";
      readonly runId: string;
      readonly device: DeviceInfo;
      readonly tokensMax: number;
      readonly itemTokensMax: number;
      readonly sharedStorage: boolean;
    }
  | {
      readonly type: "engineFailed";
      readonly runId: string;
      readonly device: DeviceInfo | undefined;
      readonly reason: string;
      readonly retryable: boolean;
    }
  | ({ readonly type: "batchProgress" } & BatchProgress)
  | {
      readonly type: "batchReturned";
      readonly lease: number;
      readonly epoch: number;
      readonly tasks: readonly number[];
      readonly finished: boolean;
    }
  | { readonly type: "draining"; readonly reason: string };

export interface AssignedBatch {
  readonly lease: number;
  readonly epoch: number;
  readonly runId: string;
  readonly device: number;
  readonly frame: Frame;
  readonly deadlineMs: number;
}

export type WorkerOrder =
  | {
      readonly type: "registered";
      readonly epoch: number;
      readonly heartbeatMs: number;
      readonly lostAfterMs: number;
    }
  | ({ readonly type: "openRun" } & RunSpec)
  | { readonly type: "closeRun"; readonly runId: string }
  | ({ readonly type: "assign" } & AssignedBatch)
  | {
      readonly type: "takeBack";
      readonly lease: number;
      readonly epoch: number;
      readonly keepRunning: boolean;
    }
  | { readonly type: "drain"; readonly reason: string };

export type DriverRequest =
  | ({ readonly type: "open" } & RunSpec)
  | ({ readonly type: "submit" } & Frame)
  | { readonly type: "endOfInput" }
  | { readonly type: "cancel"; readonly reason: string };

export interface Progress {
  readonly submitted: number;
  readonly committed: number;
  readonly quarantined: number;
  readonly tokensSubmitted: number;
  readonly tokensCommitted: number;
  readonly workers: number;
  readonly devices: number;
  readonly tokensPerSecond: number;
  readonly idealSeconds: number;
}

export interface AttemptRow {
  readonly lease: number;
  readonly workerId: string;
  readonly device: string;
  readonly tasks: number;
  readonly tokens: number;
  readonly paddedTokens: number;
  readonly assignedAt: number;
  readonly finishedAt: number;
  readonly busySeconds: number;
  readonly outcome: string;
  readonly reason: string;
}

export type DriverEvent =
  | { readonly type: "opened"; readonly runId: string }
  | { readonly type: "credit"; readonly bytes: number }
  | {
      readonly type: "committed";
      readonly rows: ShardRows | undefined;
      readonly workerId: string;
      readonly bulkAddress: string;
      readonly lease: number;
    }
  | {
      readonly type: "quarantined";
      readonly failures: readonly TaskFailure[];
      readonly workerId: string;
    }
  | ({ readonly type: "progress" } & Progress)
  | { readonly type: "attempts"; readonly rows: readonly AttemptRow[] }
  | {
      readonly type: "ended";
      readonly outcome: string;
      readonly code: string;
      readonly message: string;
      readonly balance: string;
    }
  | { readonly type: "notice"; readonly text: string };

export interface WorkerStatus {
  readonly workerId: string;
  readonly host: string;
  readonly pid: number;
  readonly devices: readonly DeviceInfo[];
  readonly state: string;
  readonly secondsSinceHeard: number;
}

export interface RunStatus {
  readonly runId: string;
  readonly name: string;
  readonly kind: string;
  readonly model: string;
  readonly progress: Progress | undefined;
}

export interface SchedulerStatus {
  readonly version: string;
  readonly workers: readonly WorkerStatus[];
  readonly runs: readonly RunStatus[];
}
