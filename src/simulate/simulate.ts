/**
 * One simulation from a fleet to its figures.
 *
 * Owns: making the world of a fleet file, letting happen what the file says, and the sums at the
 * end. The figures come from the devices' truth, not from what the core believes.
 */
import { RaysidueError } from "../base/errors.ts";
import { LARGEST_MAX, lowerBound } from "../scheduler/core/bound.ts";
import type { CoreOptions } from "../scheduler/core/options.ts";
import { deviceSpecs, type Fleet, timeMs } from "./fleet.ts";
import { drawJob, type Job, largestWork } from "./job.ts";
import { type Losses, lossesOf } from "./losses.ts";
import { GOOD_NETWORK } from "./network.ts";
import { World } from "./world.ts";

export interface SimulateOptions {
  /** Seconds the job would take the fleet as it is at the start, without any loss. */
  readonly idealSeconds: number;
  readonly seed: number;
  /** So many sequences, whatever time they take. */
  readonly sequenceCount?: number;
  /** This work instead of a drawn one. */
  readonly job?: Job;
  readonly core?: Partial<CoreOptions>;
}

export interface Simulation {
  readonly fleet: string;
  readonly seed: number;
  readonly devices: number;
  readonly sequences: number;
  readonly ideal_s: number;
  readonly bound_s: number;
  readonly achieved_s: number;
  /** Achieved over bound. */
  readonly ratio: number;
  /** Work done more than once or in vain, over all work. */
  readonly repeated_work: number;
  /** Where the fleet's capacity went, as shares of it. */
  readonly losses: Losses;
  readonly batches: number;
}

/** Runs the fleet. Throws RaysidueError "bad-input" if its devices can never do the work. */
export function simulate(
  fleet: Fleet,
  options: SimulateOptions,
): { readonly simulation: Simulation; readonly world: World } {
  const specs = deviceSpecs(fleet);
  const speed = specs.reduce(
    (sum, spec) => sum + (timeMs(spec.joins, 1) === 0 ? spec.speed : 0),
    0,
  );
  const job =
    options.job ??
    drawJob({
      seed: options.seed,
      giants: fleet.job.giants,
      ...(options.sequenceCount === undefined
        ? { work: options.idealSeconds * speed }
        : { count: options.sequenceCount }),
    });
  const idealMs = (job.work / speed) * 1000;
  const world = new World({
    seed: options.seed,
    job,
    quality: {
      ...GOOD_NETWORK,
      latencyMs: fleet.network.latency_ms,
      jitterMs: fleet.network.jitter_ms,
    },
    ...(options.core === undefined ? {} : { core: options.core }),
  });
  plan(world, fleet, idealMs);
  world.driver.submit();
  if (!world.run(100 * idealMs + 3_600_000)) {
    const text = `fleet ${fleet.name}: the run never ended; do all devices die or stop?`;
    throw new RaysidueError("bad-input", text);
  }
  const simulation = figures(world, { fleet, job, idealMs, seed: options.seed });
  return { simulation, world };
}

/** Puts on the clock what the fleet file says. */
function plan(world: World, fleet: Fleet, idealMs: number): void {
  const { clock } = world;
  const due = (at: number | string, action: () => void) => clock.at(timeMs(at, idealMs), action);
  for (const spec of deviceSpecs(fleet)) {
    const worker = world.addWorker(spec);
    due(spec.joins, () => worker.start());
    const { cycle_seconds: cycle } = spec;
    if (cycle === undefined) continue;
    const leave = () => {
      worker.die();
      clock.after(cycle * 1000, () => {
        worker.start();
        clock.after(cycle * 1000, leave);
      });
    };
    clock.at(timeMs(spec.joins, idealMs) + cycle * 1000, leave);
  }
  const of = (device: number) => world.workers[device]!;
  for (const { at, device, speed } of fleet.changes) {
    due(at, () => of(device).device.setSpeed(speed));
  }
  for (const { at, device, silent } of fleet.losses) due(at, () => of(device).die({ silent }));
  for (const { at, device, seconds } of fleet.cuts) due(at, () => of(device).cut(seconds));
  for (const { at, device, warning_seconds: warning } of fleet.ends) {
    const endsAt = timeMs(at, idealMs);
    clock.at(endsAt - warning * 1000, () => of(device).drain(endsAt));
    clock.at(endsAt, () => of(device).die());
  }
  for (const { at, seconds } of fleet.restarts) due(at, () => world.restartScheduler(seconds));
}

function figures(
  world: World,
  { fleet, job, idealMs, seed }: { fleet: Fleet; job: Job; idealMs: number; seed: number },
): Simulation {
  const achievedMs = world.driver.endedAt!;
  const devices = world.workers.map(({ device }) => device);
  // What still runs now, runs for nobody.
  for (const device of devices) device.die();
  const largest = largestWork(job.lengths, LARGEST_MAX);
  // Noise is luck, not policy: what it made of the work is part of the work.
  const noise = devices.reduce((sum, device) => sum + device.noiseWork, 0);
  const boundMs = lowerBound(
    { total: job.work + noise, largest },
    devices.map(({ lane }) => lane),
    0,
  );
  const done = devices.reduce((sum, device) => sum + device.workDone, 0);
  return {
    fleet: fleet.name,
    seed,
    devices: devices.length,
    sequences: job.lengths.length,
    ideal_s: idealMs / 1000,
    bound_s: boundMs / 1000,
    achieved_s: achievedMs / 1000,
    ratio: achievedMs / boundMs,
    repeated_work: Math.max(done / job.work - 1, 0),
    losses: lossesOf(devices, { work: job.work, noise, endedAt: achievedMs }),
    batches: devices.reduce((sum, { callCount }) => sum + callCount, 0),
  };
}
