/**
 * The core's tunable numbers, each with the reason for its default.
 *
 * Owns: defaults only. Nothing here changes while a core lives.
 */

export interface CoreOptions {
  /** Epoch of the first worker. The shell gives each scheduler life its own range, so that a report
   * from before a restart never looks current; below 2^52. */
  readonly epochFirst: number;
  /** A worker that says nothing for so long is lost: three missed heartbeats of one second. */
  readonly lostAfterMs: number;
  /** A task is quarantined when so many workers or engines died or failed on it. */
  readonly retriesMax: number;
  /** How long a run that every worker refused waits for a worker that can serve it. */
  readonly refusalGraceMs: number;
  /** A cancelled run ends after this at the latest, though a device may still be busy with it. */
  readonly cancelGraceMs: number;
  /** Batches that a device holds besides the one it runs. One hides the way from scheduler to
   * device and back; none is for experiments on what that is worth. */
  readonly waitingMax: 0 | 1;
  /** First batch of a device whose speed is unknown, in cost units. */
  readonly probeCost: number;
  /** Tasks of one lease: keeps its message and the decision about it small. */
  readonly tasksMax: number;
  /** Cost of one lease: about the bytes of its residues, for `embed`. */
  readonly leaseCostMax: number;
  /** Longest batch. With 10 ms overhead 3 s lose 0.3 %; longer ones delay sharing and cancelling. */
  readonly batchSecondsMax: number;
  /** Longest batch while several runs share the fleet. */
  readonly sharedBatchSecondsMax: number;
  /** A batch lasts this share of what is left: ln(T/d)/share batches a device in all. */
  readonly horizonShare: number;
  /** Assumed time of an engine call until learned. */
  readonly overheadSeconds: number;
  /** Assumed quadratic part until learned: attention costs L/(6 width) of the dense work. */
  readonly quadraticPerCost: number;
  /** Assumed time for an order to travel and its answer to come back. */
  readonly roundTripMs: number;
  /** Closed attempts remembered a run, for `explain`. */
  readonly recordsMax: number;
}

export const DEFAULT_OPTIONS: CoreOptions = {
  epochFirst: 1,
  lostAfterMs: 3_000,
  retriesMax: 3,
  refusalGraceMs: 30_000,
  cancelGraceMs: 10_000,
  waitingMax: 1,
  probeCost: 1_024,
  tasksMax: 16_384,
  leaseCostMax: 4_194_304,
  batchSecondsMax: 3,
  sharedBatchSecondsMax: 1,
  horizonShare: 1 / 4,
  overheadSeconds: 0.01,
  quadraticPerCost: 1 / 6_144,
  roundTripMs: 5,
  recordsMax: 4_096,
};
