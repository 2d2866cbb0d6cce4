/**
 * A hostile world drawn from a seed.
 *
 * Owns: what can go wrong and how often: a network that drops, delays, doubles and reorders;
 * workers that crash, are cut off, drain or slow down; schedulers that are killed; items that fail
 * or kill. Every seed checks the invariants after every event and that the run ends.
 */
import assert from "node:assert/strict";
import { Random } from "../../src/base/random.ts";
import type { Command, Event } from "../../src/scheduler/core/events.ts";
import type { DeviceSpec } from "../../src/simulate/fleet.ts";
import { drawJob } from "../../src/simulate/job.ts";
import type { NetworkQuality } from "../../src/simulate/network.ts";
import type { Fate } from "../../src/simulate/surroundings.ts";
import { World } from "../../src/simulate/world.ts";
import { checkCore, Shadow } from "./invariants.ts";

/** A run that takes longer than this in virtual time hangs: deadlines are 30 s and a few minutes. */
const HANG_MS = 12 * 3_600_000;

export interface Outcome {
  readonly seed: number;
  readonly steps: number;
  readonly seconds: number;
  readonly committed: number;
  readonly quarantined: number;
  readonly end: string;
}

/** Runs one seed to its end. Throws an assertion, naming the seed, where something breaks. */
export function runSeed(seed: number, tell?: (line: string) => void): Outcome {
  try {
    return play(seed, tell);
  } catch (thrown) {
    throw new Error(`seed ${seed} breaks; replay it with: npm run sim -- ${seed}`, {
      cause: thrown,
    });
  }
}

function play(seed: number, tell: ((line: string) => void) | undefined): Outcome {
  const random = new Random(seed ^ 0x5eed_0000);
  const isCalm = random.chance(0.2);
  const count = 1 + random.below(300);
  const job = drawJob({ seed, count, giants: random.chance(0.2) ? [20_000] : [] });
  const fates = drawFates(random, count);
  const shadows = new WeakMap<object, Shadow>();
  let steps = 0;
  const world = new World({
    seed,
    job,
    quality: drawNetwork(random, isCalm),
    core: {
      recordsMax: 16,
      cancelGraceMs: 5_000,
      // Short batches: many leases, and so many things to go wrong.
      batchSecondsMax: random.between(0.05, 3),
      probeCost: 100 + random.below(1_000),
    },
    fate: (item) => fates.get(item) ?? "well",
    onStep: (scheduler, event, commands) => {
      steps += 1;
      tell?.(lineOf(world.clock.now, { event, commands }));
      const shadow = shadows.get(scheduler) ?? new Shadow();
      shadows.set(scheduler, shadow);
      shadow.onStep(event, commands);
      checkCore(scheduler.core);
    },
  });
  addWorkers(world, random);
  if (!isCalm) addTrouble(world, random);
  const isCancelled = random.chance(0.05);
  if (isCancelled) world.clock.at(random.between(0, 5_000), () => world.driver.cancel("enough"));
  world.driver.submit();
  assert(world.run(HANG_MS), `hangs with ${world.driver.openCount} of ${count} items open`);
  const { driver } = world;
  if (driver.outcome?.type === "done") judge(world, { count, fates, isCalm });
  else assert(isCancelled && driver.outcome?.type === "cancelled");
  let quarantined = 0;
  for (let item = 0; item < count; item++) if (driver.isQuarantined(item)) quarantined += 1;
  return {
    seed,
    steps,
    seconds: driver.endedAt! / 1000,
    committed: driver.committedCount,
    quarantined,
    end: driver.outcome.type,
  };
}

/** One step, readable: long lists of tasks by their number. */
function lineOf(
  now: number,
  { event, commands }: { event: Event; commands: readonly Command[] },
): string {
  const short = (_key: string, value: unknown) =>
    (value instanceof Uint32Array || Array.isArray(value)) && value.length > 4
      ? `${value.length} items`
      : value instanceof Uint32Array
        ? [...value]
        : value;
  const orders = commands.filter(({ type }) => type !== "wakeAt");
  const told = JSON.stringify(event, short);
  return `${(now / 1000).toFixed(3)} ${told} -> ${orders.map((each) => JSON.stringify(each, short)).join(" ")}`;
}

/** Guilty items are never committed; in a calm world only guilty ones are quarantined. */
function judge(
  { driver }: World,
  { count, fates, isCalm }: { count: number; fates: Map<number, Fate>; isCalm: boolean },
): void {
  for (let item = 0; item < count; item++) {
    const isGuilty = fates.has(item);
    assert.notEqual(driver.isCommitted(item), driver.isQuarantined(item));
    if (isGuilty) assert(driver.isQuarantined(item), `guilty item ${item} was committed`);
    else if (isCalm) assert(driver.isCommitted(item), `innocent item ${item} was quarantined`);
  }
}

function drawFates(random: Random, count: number): Map<number, Fate> {
  const fates = new Map<number, Fate>();
  const kinds: readonly Fate[] = ["fails", "hopeless", "kills"];
  if (random.chance(0.5)) {
    for (let n = random.below(4); n > 0; n--)
      fates.set(random.below(count), kinds[random.below(3)]!);
  }
  return fates;
}

function drawNetwork(random: Random, isCalm: boolean): NetworkQuality {
  const rate = (most: number) => (isCalm || random.chance(0.4) ? 0 : random.next() * most);
  return {
    latencyMs: random.between(0.1, 50),
    jitterMs: random.between(0, 20),
    dropRate: rate(0.03),
    doubleRate: rate(0.2),
    delayRate: rate(0.2),
    delayMaxMs: random.between(10, 8_000),
  };
}

function addWorkers(world: World, random: Random): void {
  const devices = 1 + random.below(6);
  for (let index = 0; index < devices; index++) {
    const spec: DeviceSpec = {
      speed: 2 ** random.between(-3, 3),
      overhead_ms: random.between(0, 30),
      noise: random.chance(0.5) ? 0.2 : 0,
      // Small ones cut leases into many engine calls; the first takes everything.
      cost_max: index === 0 || random.chance(0.5) ? 1_048_576 : 500 + random.below(20_000),
      prefetch: random.chance(0.7) ? 1 : 0,
      joins: 0,
      opening_seconds: random.chance(0.5) ? random.between(0, 3) : 0,
      cycle_seconds: undefined,
    };
    const worker = world.addWorker(spec);
    world.clock.at(index === 0 ? 0 : random.between(0, 4_000), () => worker.start());
  }
}

/** Trouble comes for a while; then what crashed is back, so that every run can end. */
function addTrouble(world: World, random: Random): void {
  const { clock, workers } = world;
  for (let n = random.below(8); n > 0; n--) {
    const worker = workers[random.below(workers.length)]!;
    const at = random.between(0, 20_000);
    switch (random.below(5)) {
      case 0: {
        const silent = random.chance(0.5);
        clock.at(at, () => worker.die({ silent }));
        clock.at(at + random.between(100, 20_000), () => worker.start());
        break;
      }
      case 1:
        clock.at(at, () => worker.cut(random.between(0.1, 15)));
        break;
      case 2: {
        const speed = worker.spec.speed;
        clock.at(at, () => worker.device.setSpeed(random.chance(0.5) ? 0.1 * speed : 0));
        clock.at(at + random.between(1_000, 60_000), () => worker.device.setSpeed(speed));
        break;
      }
      case 3:
        clock.at(at, () => world.restartScheduler(random.between(0.1, 5)));
        break;
      default:
        clock.at(at, () => {
          if (worker.isAlive) worker.drain(at + 10_000);
        });
        clock.at(at + 10_000, () => worker.die());
        clock.at(at + 15_000, () => worker.start());
    }
  }
}
