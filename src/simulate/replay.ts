/**
 * A recorded run, judged and run again.
 *
 * Owns: from a trace, what each device did when and how fast; the recorded run's bound and losses;
 * and a fleet and job like it, to see what today's policy would have made of them. A trace has no
 * lengths of single sequences: those of a batch count as equal, which they nearly are. Overhead is
 * part of the speeds.
 */
import { LARGEST_MAX, lowerBound, type SpeedChange } from "../scheduler/core/bound.ts";
import { type Fleet, parseFleet } from "./fleet.ts";
import { type Job, jobOf, largestWork, workSeconds } from "./job.ts";
import type { Lane } from "./timeline-svg.ts";
import type { RecordedAttempt } from "./trace.ts";

export interface Recorded {
  readonly bound_s: number;
  readonly achieved_s: number;
  readonly ratio: number;
  readonly repeated_work: number;
  readonly devices: number;
  readonly batches: number;
}

export interface Replay {
  readonly recorded: Recorded;
  /** The recorded devices, with the speeds they had. */
  readonly fleet: Fleet;
  readonly job: Job;
  readonly lanes: readonly Lane[];
}

/** A quarter faster or slower is another speed. */
const SPEED_STEP = Math.log(1.25);

interface Phase {
  readonly from: number;
  work: number;
  seconds: number;
}

interface DeviceRecord {
  readonly name: string;
  readonly attempts: RecordedAttempt[];
  readonly phases: Phase[];
  readonly from: number;
  readonly to: number;
  readonly isLost: boolean;
}

/** Reads a run out of its attempts. */
export function replayOf(attempts: readonly RecordedAttempt[], name: string): Replay {
  const devices = devicesOf(attempts);
  const committed = attempts.filter(({ outcome }) => outcome === "committed");
  const job = jobOf(lengthsOf(committed));
  const start = Math.min(...devices.map(({ from }) => from));
  const end = Math.max(...committed.map(({ finishedAt }) => finishedAt), start);
  const lanes = devices.map(laneOf);
  const boundMs = lowerBound(
    { total: job.work, largest: largestWork(job.lengths, LARGEST_MAX) },
    lanes,
    1000 * start,
  );
  const done = attempts.reduce((sum, attempt) => sum + workOf(attempt), 0);
  return {
    recorded: {
      bound_s: boundMs / 1000,
      achieved_s: end - start,
      ratio: (1000 * (end - start)) / boundMs,
      repeated_work: Math.max(done / job.work - 1, 0),
      devices: devices.length,
      batches: attempts.length,
    },
    fleet: fleetOf(devices, { name, start }),
    job,
    lanes: devices.map(({ name: label, attempts: own }) => ({
      label,
      stretches: own
        .filter(({ busySeconds }) => busySeconds > 0)
        .map(({ finishedAt, busySeconds, reason, outcome }) => ({
          from: 1000 * (finishedAt - busySeconds - start),
          to: 1000 * (finishedAt - start),
          reason,
          isLost: outcome !== "committed",
        })),
    })),
  };
}

/** Seconds at speed 1 of what an attempt ran, its sequences taken as equally long. */
function workOf({ tasks, tokens }: RecordedAttempt): number {
  return tasks > 0 ? tasks * workSeconds(tokens / tasks) : 0;
}

function devicesOf(attempts: readonly RecordedAttempt[]): DeviceRecord[] {
  const byName = new Map<string, RecordedAttempt[]>();
  for (const attempt of attempts) {
    const name = `${attempt.worker}/${attempt.device}`;
    const own = byName.get(name);
    if (own === undefined) byName.set(name, [attempt]);
    else own.push(attempt);
  }
  return [...byName.values()].map((own) => {
    own.sort((a, b) => a.finishedAt - b.finishedAt);
    const { worker, device } = own[0]!;
    return {
      // A worker's identity is long and random: its beginning tells it from the others.
      name: `${device} ${worker.slice(0, 4)}`,
      attempts: own,
      phases: phasesOf(own),
      from: Math.min(...own.map(({ assignedAt }) => assignedAt)),
      to: Math.max(...own.map(({ finishedAt }) => finishedAt)),
      isLost: own.at(-1)?.outcome === "lost",
    };
  });
}

function phasesOf(attempts: readonly RecordedAttempt[]): Phase[] {
  const phases: Phase[] = [];
  for (const attempt of attempts) {
    const { busySeconds: seconds, finishedAt } = attempt;
    const work = workOf(attempt);
    if (!(seconds > 0) || !(work > 0)) continue;
    const last = phases.at(-1);
    const step = last === undefined ? 0 : Math.log(work / seconds / (last.work / last.seconds));
    if (last === undefined || Math.abs(step) > SPEED_STEP) {
      phases.push({ from: finishedAt - seconds, work, seconds });
    } else {
      last.work += work;
      last.seconds += seconds;
    }
  }
  return phases;
}

function laneOf({ phases, from, to, isLost }: DeviceRecord): SpeedChange[] {
  const lane = phases.map((phase, index) => ({
    at: 1000 * (index === 0 ? from : phase.from),
    speed: phase.work / phase.seconds,
  }));
  return isLost ? [...lane, { at: 1000 * to, speed: 0 }] : lane;
}

function lengthsOf(committed: readonly RecordedAttempt[]): Uint32Array {
  const lengths: number[] = [];
  for (const { tasks, tokens } of committed) {
    const length = Math.max(1, Math.round(tokens / Math.max(tasks, 1)));
    for (let n = 0; n < tasks; n++) lengths.push(length);
  }
  return Uint32Array.from(lengths);
}

/** A fleet file of the devices that did anything. Overhead is in their speeds already. */
function fleetOf(
  devices: readonly DeviceRecord[],
  { name, start }: { readonly name: string; readonly start: number },
): Fleet {
  const able = devices.filter(({ phases }) => phases.length > 0);
  const lines = [`name = ${JSON.stringify(name)}`];
  const number = (value: number) => Number(Math.max(value, 1e-6).toPrecision(6));
  for (const { phases, from } of able) {
    const { work, seconds } = phases[0]!;
    const joins = from - start < 0.001 ? 0 : number(from - start);
    lines.push("[[devices]]", `speed = ${number(work / seconds)}`, `joins = ${joins}`);
    lines.push("overhead_ms = 0");
  }
  for (const [device, { phases, to, isLost }] of able.entries()) {
    for (const phase of phases.slice(1)) {
      lines.push("[[changes]]", `at = ${number(phase.from - start)}`, `device = ${device}`);
      lines.push(`speed = ${number(phase.work / phase.seconds)}`);
    }
    if (isLost) lines.push("[[losses]]", `at = ${number(to - start)}`, `device = ${device}`);
  }
  return parseFleet(lines.join("\n"), name);
}
