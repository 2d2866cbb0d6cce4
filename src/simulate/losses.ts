/**
 * Where a fleet's capacity went.
 *
 * Owns: shares of the integral of all speeds from the start to the end of the run. They sum to 1
 * together with the useful work.
 */
import type { DeviceModel } from "./device-model.ts";

export interface Losses {
  /** Before a device's first batch. */
  readonly start_up: number;
  /** What engine calls take besides their work. */
  readonly batch_overhead: number;
  /** After a device's last batch. */
  readonly idle_tail: number;
  /** Between batches. */
  readonly idle_between: number;
  /** Work done more than once or in vain. */
  readonly repeated_work: number;
}

export function lossesOf(
  devices: readonly DeviceModel[],
  {
    work,
    noise,
    endedAt,
  }: { readonly work: number; readonly noise: number; readonly endedAt: number },
): Losses {
  let [capacity, startUp, tail, overhead, done] = [0, 0, 0, 0, 0];
  for (const device of devices) {
    capacity += capacityOf(device, 0, endedAt);
    startUp += capacityOf(device, 0, Math.min(device.firstCallAt ?? endedAt, endedAt));
    tail += capacityOf(device, Math.min(device.lastCallEnd, endedAt), endedAt);
    overhead += device.overheadWork;
    done += device.workDone;
  }
  const repeated = Math.max(done - work, 0);
  const between = capacity - work - noise - startUp - tail - overhead - repeated;
  return {
    start_up: startUp / capacity,
    batch_overhead: overhead / capacity,
    idle_tail: tail / capacity,
    idle_between: Math.max(between, 0) / capacity,
    repeated_work: repeated / capacity,
  };
}

/** Integral of a device's speed, in seconds at speed 1. */
function capacityOf({ lane }: DeviceModel, from: number, to: number): number {
  let sum = 0;
  for (const [index, { at, speed }] of lane.entries()) {
    const until = Math.min(lane[index + 1]?.at ?? to, to);
    const since = Math.max(at, from);
    if (until > since) sum += (speed * (until - since)) / 1000;
  }
  return sum;
}
