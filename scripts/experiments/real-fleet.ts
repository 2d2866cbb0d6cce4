/**
 * A fleet of real processes with emulated devices: scheduler, a worker daemon a device, a driver.
 *
 * Owns: starting, disturbing and ending them, and the bound of what the fleet truly was: emulated
 * speeds from the moment each engine was ready until its worker was lost. Everything is a process
 * of its own, as on a cluster; only the devices' work is emulated (they sleep).
 */
import { strict as assert } from "node:assert";
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DaemonChild } from "../../src/base/child-process.ts";
import { Random } from "../../src/base/random.ts";
import { connect, embed, openRun, type Session } from "../../src/driver/api.ts";
import { makeToken } from "../../src/rpc/channel.ts";
import { lowerBound, type SpeedChange } from "../../src/scheduler/core/bound.ts";
import { deviceSpecs, type Fleet, timeMs } from "../../src/simulate/fleet.ts";
import { type Job, largestWork } from "../../src/simulate/job.ts";

const PROGRAM = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
const LETTERS = "ACDEFGHIKLMNPQRSTVWY";
/** As the bound sees it: enough of the largest tasks. */
const LARGEST = 64;

export interface RealResult {
  readonly boundSeconds: number;
  readonly achievedSeconds: number;
  readonly ratio: number;
  readonly repeatedWork: number;
}

export interface RealOptions {
  /** Open every engine before the job: so many processes at once are busy for long on few cores. */
  readonly isWarm?: boolean;
}

/** Runs `job` on `fleet`; `idealMs` is what "50 %" refers to. */
export async function runReal(
  fleet: Fleet,
  job: Job,
  idealMs: number,
  { isWarm = false }: RealOptions = {},
): Promise<RealResult> {
  const folder = await mkdtemp(join(tmpdir(), "raysidue-fleet-"));
  const environment = { RAYSIDUE_TOKEN: makeToken(), RAYSIDUE_CACHE_DIR: join(folder, "cache") };
  const log = (name: string) => join(folder, `${name}.ndjson`);
  const children: DaemonChild[] = [];
  try {
    const fasta = join(folder, "job.fasta");
    await writeFasta(fasta, job);
    const { child, line: address } = await DaemonChild.start({
      what: "scheduler",
      arguments: [PROGRAM, "scheduler", "start", "--listen", "127.0.0.1:0", "--with-parent"],
      environment,
      logPath: log("scheduler"),
    });
    children.push(child);
    const startWorker = async (index: number) => {
      const { child: worker } = await DaemonChild.start({
        what: `worker ${index}`,
        arguments: [
          PROGRAM,
          "worker",
          "start",
          "--with-parent",
          "--emulate",
          emulation(fleet, index, idealMs),
        ],
        environment: { ...environment, RAYSIDUE_ADDRESS: address },
        logPath: log(`worker-${index}`),
      });
      children.push(worker);
      workers.set(index, worker);
    };
    const workers = new Map<number, DaemonChild>();
    const specs = deviceSpecs(fleet);
    const joinsLater = specs.flatMap((spec, index) => (spec.joins === 0 ? [] : [index]));
    for (const index of specs.keys()) if (!joinsLater.includes(index)) await startWorker(index);

    await using session = await connect({ address, token: environment.RAYSIDUE_TOKEN });
    if (isWarm) await warmUp(session, workers.size);
    const timers: NodeJS.Timeout[] = [];
    let isDisturbed = false;
    const disturb = () => {
      // Times count from the first engine's readiness, as the emulated slow-downs do.
      if (isDisturbed) return;
      isDisturbed = true;
      for (const { at, device } of fleet.losses) {
        const kill = () => process.kill(workers.get(device)!.pid, "SIGKILL");
        timers.push(setTimeout(kill, timeMs(at, idealMs)));
      }
      for (const index of joinsLater) {
        const at = timeMs(specs[index]!.joins, idealMs);
        timers.push(setTimeout(() => void startWorker(index), at));
      }
    };
    const summary = await embed(session, {
      inputs: [fasta],
      outputFolder: join(folder, "out"),
      model: "emulate",
      cacheFolder: null,
      observer: { onProgress: ({ devices }) => devices > 0 && disturb() },
    });
    for (const timer of timers) clearTimeout(timer);
    assert(summary.balance !== undefined && summary.computed === summary.plan.distinct);
    return measure({
      fleet,
      job,
      idealMs,
      log: await readFile(log("scheduler"), "utf8"),
      workers,
      summary: summary.balance,
    });
  } finally {
    for (const child of children.reverse()) await child.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Opens a run, waits until every device is ready for it, and leaves it; engines stay for the next. */
export async function warmUp(
  session: Session,
  deviceCount: number,
  model = "emulate",
): Promise<void> {
  await using _ = await openRun(session, { kind: "embed", model, cacheFolder: null });
  for (;;) {
    const { workers } = await session.status();
    if (workers.reduce((sum, { devices }) => sum + devices.length, 0) === deviceCount) return;
    await delay(100);
  }
}

/** The specification of a device's emulation, slow-downs included. */
function emulation(fleet: Fleet, index: number, idealMs: number): string {
  const { speed, overhead_ms, noise } = deviceSpecs(fleet)[index]!;
  const slow = fleet.changes
    .filter((change) => change.device === index)
    .map((change) => `slow=${speed / change.speed}@${timeMs(change.at, idealMs) / 1000}`);
  return [
    `speed=${speed}`,
    `overhead=${overhead_ms}ms`,
    "cost=0.1ms",
    `noise=${noise}`,
    ...slow,
  ].join(",");
}

/** One record a length; residues are drawn, so that all are distinct. */
export async function writeFasta(path: string, { lengths }: Job): Promise<void> {
  const random = new Random(1);
  const file = createWriteStream(path);
  for (const [index, length] of lengths.entries()) {
    let residues = "";
    for (let i = 0; i < length; i++) residues += LETTERS[random.below(LETTERS.length)];
    if (!file.write(`>s${index}\n${residues}\n`)) {
      await new Promise<void>((resolve) => file.once("drain", () => resolve()));
    }
  }
  await new Promise<void>((resolve) => file.end(() => resolve()));
}

function measure(parts: {
  fleet: Fleet;
  job: Job;
  idealMs: number;
  log: string;
  workers: ReadonlyMap<number, DaemonChild>;
  summary: { readonly achieved_s: number; readonly repeated_work: number };
}): RealResult {
  const { fleet, job, idealMs, workers } = parts;
  const events = parts.log
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const specs = deviceSpecs(fleet);
  const at = (event: Record<string, unknown>) => Date.parse(String(event.time));
  const ready = new Map<number, number>();
  for (const event of events) {
    if (event.msg !== "engine ready") continue;
    const pid = Number(String(event.device).split("/").at(-2));
    for (const [index, worker] of workers) if (worker.pid === pid) ready.set(index, at(event));
  }
  const from = Math.min(...ready.values());
  const lanes = specs.map(({ speed }, index): SpeedChange[] => {
    const readyAt = ready.get(index);
    if (readyAt === undefined) return [];
    const lane: SpeedChange[] = [{ at: readyAt - from, speed }];
    for (const change of fleet.changes.filter((each) => each.device === index)) {
      lane.push({ at: readyAt - from + timeMs(change.at, idealMs), speed: change.speed });
    }
    for (const loss of fleet.losses.filter((each) => each.device === index)) {
      lane.push({ at: timeMs(loss.at, idealMs), speed: 0 });
    }
    return lane;
  });
  const work = { total: job.work, largest: largestWork(job.lengths, LARGEST) };
  const boundSeconds = lowerBound(work, lanes, 0) / 1000;
  const { achieved_s: achievedSeconds, repeated_work: repeatedWork } = parts.summary;
  return { boundSeconds, achievedSeconds, ratio: achievedSeconds / boundSeconds, repeatedWork };
}
