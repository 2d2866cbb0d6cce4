/**
 * Which tasks a device gets next, and for how long.
 *
 * Owns: batch lengths. A batch lasts a share of what is left once the device has done what it
 * holds, between a few overheads and a maximum; unknown devices start small, and no batch is far
 * larger than what the device has shown to do. None lasts beyond the walltime of its worker. Longest first, except what would take this device
 * past the end while a faster one does it in time.
 */
import { BUCKET_COUNT, bucketFloor, bucketOf } from "./buckets.ts";
import { costWithin, isKnown, predictSeconds } from "./cost-model.ts";
import { isShared } from "./fairness.ts";
import { horizonSeconds, largestTakenAt } from "./horizon.ts";
import { backlogSeconds } from "./lease.ts";
import { trustSeconds } from "./reliability.ts";
import type { Core, LeaseReason, Serving, WorkerState } from "./state.ts";

/** What a batch may be. */
export interface Measure {
  readonly seconds: number;
  readonly cost: number;
  /** No single task beyond this. */
  readonly taskCostMax: number;
  readonly reason: LeaseReason;
}

/** Batches shorter than this many overheads waste more than they balance. */
const OVERHEADS_MIN = 3;
const SECONDS_MIN = 0.005;
/** A batch may cost so many times the largest that the device has done. */
const GROWTH = 4;
/** Rows must be on disk and reported when a worker's walltime ends. */
const REPORT_SECONDS = 1;
/** A device of unknown speed gets nothing in the last moments of its walltime. */
const PROBE_SECONDS = 5;
/** A task may go to a device that needs this many times the fastest one's time, late or not. */
const SLOWER_MAX = 2;

/** How large the next batch of a device should be; undefined if it should get none now. */
export function measureBatch(core: Core, serving: Serving, now: number): Measure | undefined {
  const { device, run, model } = serving;
  const { options } = core;
  const isWaiting = device.running !== undefined;
  const untilEnd = secondsUntilEnd(device.worker, now);
  if (!isKnown(model)) {
    if (untilEnd < PROBE_SECONDS) return undefined;
    return {
      seconds: Number.POSITIVE_INFINITY,
      cost: options.probeCost,
      taskCostMax: serving.costMax,
      reason: "probe",
    };
  }
  const backlog = backlogSeconds(device, now);
  // Its running batch is another run's first one: nobody knows when it ends.
  if (backlog === undefined) return undefined;
  const horizon = horizonSeconds(core, run)!;
  const room = Math.max(horizon - backlog, 0);
  const least = Math.max(OVERHEADS_MIN * model.overhead, SECONDS_MIN);
  const left = untilEnd - backlog;
  if (left < least) return undefined;
  // Soon out of work: let who is free first have the rest. While input comes in, nobody knows.
  if (isWaiting && room < least && run.isInputEnded) return undefined;
  const most = Math.min(
    isShared(core) ? options.sharedBatchSecondsMax : options.batchSecondsMax,
    trustSeconds(core, device.worker, { overhead: model.overhead, now }),
    left,
  );
  const seconds = Math.min(Math.max(options.horizonShare * room, least), Math.max(most, least));
  return {
    seconds,
    cost: Math.min(GROWTH * model.costSeenMax, options.leaseCostMax),
    taskCostMax: Math.min(serving.costMax, taskCostMax(serving, room), costWithin(model, left)),
    reason: options.horizonShare * room < most ? "tail" : "longest first",
  };
}

/** Until the worker's walltime ends, results reported; infinite where it has none. */
export function secondsUntilEnd({ endsAt }: WorkerState, now: number): number {
  if (endsAt === undefined) return Number.POSITIVE_INFINITY;
  return (endsAt - now) / 1000 - REPORT_SECONDS;
}

/** The largest task that this device may take: one that it ends in time, or that is left to it. */
function taskCostMax({ run, model, speed }: Serving, room: number): number {
  // Somebody has to go on, whatever was predicted.
  if (run.leases.size === 0) return Number.POSITIVE_INFINITY;
  if (SLOWER_MAX * speed >= run.fastest) return Number.POSITIVE_INFINITY;
  const takenByFaster = largestTakenAt(run, SLOWER_MAX * speed);
  const top = run.queue.bucketAtMost(BUCKET_COUNT - 1);
  if (top < 0 || run.tasks.costs[run.queue.peek(top)]! > takenByFaster) {
    return Number.POSITIVE_INFINITY;
  }
  return costWithin(model, room);
}

/** Takes tasks for a batch out of the queue; undefined if none fits. */
export function cutBatch(
  core: Core,
  serving: Serving,
  measure: Measure,
): { readonly tasks: Uint32Array; readonly reason: LeaseReason } | undefined {
  const { run, model } = serving;
  const { queue } = run;
  const { costs } = run.tasks;
  const known = isKnown(model);
  const top = topBucket(serving, measure);
  if (top < 0) return undefined;
  const taken: number[] = [];
  let [cost, square, bucket] = [0, 0, top];
  while (taken.length < core.options.tasksMax) {
    const c = costs[queue.peek(bucket)]!;
    const tooMuch =
      cost + c > measure.cost ||
      (known && predictSeconds(model, cost + c, square + c * c) > measure.seconds);
    if (tooMuch && taken.length > 0) break;
    taken.push(queue.pop(bucket));
    cost += c;
    square += c * c;
    if (tooMuch || queue.count === 0) break;
    bucket = queue.bucketAtMost(bucket);
    if (bucket < 0) break;
  }
  const isGiant =
    known &&
    taken.length === 1 &&
    predictSeconds(model, cost, square) > core.options.batchSecondsMax;
  return { tasks: Uint32Array.from(taken), reason: isGiant ? "giant" : measure.reason };
}

/** Where cutting begins: the longest task allowed, or for a probe one that is small. */
function topBucket(serving: Serving, measure: Measure): number {
  const { queue } = serving.run;
  const { costs } = serving.run.tasks;
  let bucket = BUCKET_COUNT - 1;
  const isProbe = measure.reason === "probe";
  const limit = isProbe ? Math.min(measure.cost, measure.taskCostMax) : measure.taskCostMax;
  if (limit < 1) return -1;
  if (limit < 0xffff_ffff) bucket = bucketOf(Math.floor(limit));
  bucket = queue.bucketAtMost(bucket);
  // A bucket that straddles the limit may begin with a task above it.
  if (bucket >= 0 && bucketFloor(bucket) <= limit && costs[queue.peek(bucket)]! > limit) {
    bucket = bucket === 0 ? -1 : queue.bucketAtMost(bucket - 1);
  }
  if (bucket < 0 && isProbe) {
    bucket = queue.lowestBucket();
    if (bucket >= 0 && costs[queue.peek(bucket)]! > measure.taskCostMax) return -1;
  }
  return bucket;
}
