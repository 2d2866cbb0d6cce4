/**
 * How long a device may be trusted with a batch.
 *
 * Owns: the lifetimes of lost workers, and from them the expected time to the next loss of one of a
 * given age. What a device does between losses that are M apart is best reported every sqrt(2 o M)
 * seconds at a cost of o each (Young 1974, on checkpoints). A fleet that never lost anybody is
 * trusted without limit.
 */
import type { Core, WorkerState } from "./state.ts";

/** Losses remembered: the latest are the ones that tell. */
const LIFETIMES_MAX = 64;
/** Losses within so long after an age tell about that age. */
const WINDOW_MS = 10_000;

export function noteLoss(core: Core, worker: WorkerState, now: number): void {
  core.lifetimesMs.push(now - worker.joinedAt);
  if (core.lifetimesMs.length > LIFETIMES_MAX) core.lifetimesMs.shift();
}

/** Longest batch, in seconds, for a device of this worker whose engine calls cost `overhead`. */
export function trustSeconds(
  core: Core,
  worker: WorkerState,
  { overhead, now }: { readonly overhead: number; readonly now: number },
): number {
  if (core.lifetimesMs.length === 0) return Number.POSITIVE_INFINITY;
  const ageMs = now - worker.joinedAt;
  let reached = core.workers.size;
  let lost = 0;
  for (const lifetimeMs of core.lifetimesMs) {
    if (lifetimeMs <= ageMs) continue;
    reached += 1;
    if (lifetimeMs <= ageMs + WINDOW_MS) lost += 1;
  }
  if (lost === 0) return Number.POSITIVE_INFINITY;
  const meanSeconds = ((WINDOW_MS / 1000) * reached) / lost;
  return Math.sqrt(2 * overhead * meanSeconds);
}
