/**
 * Where a fleet's capacity went.
 *
 * Owns: shares of the integral of all speeds from the start to the end of the run. They sum to 1
 * together with the useful work.
 */
import { capacityOf } from "../scheduler/core/bound.ts";
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
    capacity += capacityOf(device.lane, 0, endedAt);
    startUp += capacityOf(device.lane, 0, Math.min(device.firstCallAt ?? endedAt, endedAt));
    tail += capacityOf(device.lane, Math.min(device.lastCallEnd, endedAt), endedAt);
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
