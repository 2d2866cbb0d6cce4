/**
 * What SLURM's queue says of an array of workers: in words for the user, and whether waiting helps.
 *
 * Owns: the meaning of states and reasons. Source: squeue(1), "JOB REASON CODES" and "JOB STATE CODES".
 */
import type { QueuedTask } from "./slurm-commands.ts";

/**
 * Reasons that do not pass by themselves: the request or its place must change. Deliberately not
 * here: what ends with other jobs (limits of use) or with nodes that come back (PartitionNodeLimit,
 * PartitionDown, ReqNodeNotAvail).
 */
const HOPELESS = new Set([
  ...["AccountNotAllowed", "BadConstraints", "DependencyNeverSatisfied", "InvalidAccount"],
  ...["InvalidQOS", "JobHeldAdmin", "JobHeldUser", "PartitionTimeLimit", "QOSNotAllowed"],
  ...["AssocMaxWallDurationPerJobLimit", "QOSMaxWallDurationPerJobLimit"],
]);

/** Whether SLURM has begun any of them. */
export function hasStarted(tasks: readonly QueuedTask[]): boolean {
  return tasks.some(({ state }) => state !== "PENDING" && state !== "CONFIGURING");
}

/** Why none of the tasks will ever start, if that is so. */
export function hopelessReason(tasks: readonly QueuedTask[]): string | undefined {
  const isHopeless = ({ state, reason }: QueuedTask) => state === "PENDING" && HOPELESS.has(reason);
  return tasks.every(isHopeless) ? tasks[0]?.reason : undefined;
}

/** `2 workers run, 3 wait (Resources)` */
export function describeQueue(tasks: readonly QueuedTask[]): string {
  const running = tasks.filter(({ state }) => state === "RUNNING").length;
  const pending = tasks.filter(({ state }) => state === "PENDING");
  const reasons = new Set(pending.map(({ reason }) => reason));
  reasons.delete("None");
  const doing = running === 0 ? "" : `${running} workers run`;
  const why = [...reasons].join(", ") || "to be placed";
  const waiting = pending.length === 0 ? "" : `${pending.length} wait (${why})`;
  return [doing, waiting].filter((each) => each !== "").join(", ") || "ending";
}
