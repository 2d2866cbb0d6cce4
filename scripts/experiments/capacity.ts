/**
 * What the scheduler can take: `node dist/scripts/experiments/capacity.js [--workers 64]
 * [--sequences 4000000] [--task-ms 0.02,0.002]`.
 *
 * One scheduler process, 64 worker processes with a stream each over real gRPC, and this process as
 * the driver, all on one machine. The workers are light: they speak the protocol and answer at once,
 * without engines or shards; so everything measured is the scheduler, the protocol and the driver's
 * stream. Writes docs/experiments/capacity.{md,json}.
 */
import { strict as assert } from "node:assert";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { performance } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Random } from "../../src/base/random.ts";
import { makeToken } from "../../src/rpc/channel.ts";
import type { RunSpec } from "../../src/rpc/messages.ts";
import { SchedulerConnection } from "../../src/rpc/scheduler-service.ts";
import { Circumstances, quantile, writeReport } from "./report.ts";

const { values } = parseArgs({
  options: {
    workers: { type: "string", default: "64" },
    sequences: { type: "string", default: "4000000" },
    "task-ms": { type: "string", default: "0.02,0.002" },
    /** Node flags of the scheduler's process, such as --cpu-prof. */
    "scheduler-flags": { type: "string", default: "" },
  },
});
const workerCount = Number(values.workers);
const sequenceCount = Number(values.sequences);

/** Residues of a short sequence: peptides, the hardest case for whoever counts tasks. */
const [LENGTH_MIN, LENGTH_SPREAD] = [20, 40];
/** Items a message: what driver/plan/plan.ts sends at such lengths. */
const FRAME_ITEMS = 4096;

interface SchedulerFigures {
  readonly decisions: number;
  readonly decision_ms: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly loop_ms: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly cpu_s: number;
  readonly memory_bytes: number;
}

interface Row extends SchedulerFigures {
  readonly task_ms: number;
  readonly sequences_per_second: number;
  readonly seconds: number;
  readonly tasks_a_batch: number;
  /** Report to next batch as a worker sees it, both ways of the network and all queues included. */
  readonly round_trip_ms: { readonly p50: number; readonly p99: number };
}

interface Child {
  readonly process: ChildProcess;
  readonly lines: AsyncIterator<string>;
}

function start(name: string, options: { flags?: string[]; args?: string[]; token: string }): Child {
  const path = fileURLToPath(new URL(`${name}.js`, import.meta.url));
  const child = spawn(process.execPath, [...(options.flags ?? []), path, ...(options.args ?? [])], {
    env: { ...process.env, RAYSIDUE_TOKEN: options.token, RAYSIDUE_LOG: "warn" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return {
    process: child,
    lines: createInterface({ input: child.stdout! })[Symbol.asyncIterator](),
  };
}

async function lineOf(child: Child): Promise<string> {
  const { value } = await child.lines.next();
  assert(typeof value === "string", "a child ended without a word");
  return value;
}

const spec: RunSpec = {
  runId: "",
  name: "capacity",
  kind: "embed",
  engine: "emulate",
  model: "emulate",
  fingerprint: "",
  expectedGflop: 0,
  parameters: "{}",
  shardFolder: "",
  probeName: "",
  probeToken: "",
  weight: 1,
};

async function measure(taskMs: number): Promise<Row> {
  const token = makeToken();
  const flags = values["scheduler-flags"].split(" ").filter((flag) => flag !== "");
  const scheduler = start("capacity-scheduler", { flags, token });
  const address = await lineOf(scheduler);
  const connection = new SchedulerConnection(address, token);
  const args = [address, String(taskMs)];
  const workers = Array.from({ length: workerCount }, () =>
    start("capacity-worker", { args, token }),
  );
  try {
    await untilJoined(connection);
    process.kill(scheduler.process.pid!, "SIGUSR2");
    const seconds = await drive(connection);
    const waits: number[] = [];
    for (const worker of workers) {
      const reported = JSON.parse(await lineOf(worker)) as { waits: number[] };
      waits.push(...reported.waits);
    }
    process.kill(scheduler.process.pid!, "SIGTERM");
    const figures = JSON.parse(await lineOf(scheduler)) as SchedulerFigures;
    await once(scheduler.process, "exit");
    return {
      ...figures,
      task_ms: taskMs,
      sequences_per_second: sequenceCount / seconds,
      seconds,
      tasks_a_batch: sequenceCount / figures.decisions,
      round_trip_ms: { p50: quantile(waits, 0.5), p99: quantile(waits, 0.99) },
    };
  } finally {
    connection.close();
    for (const { process: child } of [...workers, scheduler]) {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    }
  }
}

async function untilJoined(connection: SchedulerConnection): Promise<void> {
  for (;;) {
    const { workers } = await connection.status(60_000);
    if (workers.length === workerCount) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Submits all sequences and follows the run to its end; returns the seconds this took. */
async function drive(connection: SchedulerConnection): Promise<number> {
  const random = new Random(1);
  const sizes = Array.from({ length: FRAME_ITEMS }, () => LENGTH_MIN + random.below(LENGTH_SPREAD));
  const costs = sizes.map((size) => size + 2);
  const data = randomBytes(sizes.reduce((sum, size) => sum + size, 0));
  const keys = randomBytes(FRAME_ITEMS * 32);
  const startedAt = performance.now();
  const stream = connection.drive();
  stream.send({ type: "open", ...spec, runId: randomUUID() });
  let [creditBytes, nextTask, committed] = [0, 0, 0];
  const submit = () => {
    while (nextTask < sequenceCount && creditBytes >= data.byteLength) {
      const count = Math.min(FRAME_ITEMS, sequenceCount - nextTask);
      const tasks = Array.from({ length: count }, (_, i) => nextTask + i);
      const bytes = sizes.slice(0, count).reduce((sum, size) => sum + size, 0);
      stream.send({
        type: "submit",
        data: data.subarray(0, bytes),
        sizes: sizes.slice(0, count),
        tasks,
        costs: costs.slice(0, count),
        keys: keys.subarray(0, 32 * count),
      });
      creditBytes -= bytes;
      nextTask += count;
      if (nextTask === sequenceCount) stream.send({ type: "endOfInput" });
    }
  };
  let outcome = "";
  for await (const event of stream.messages()) {
    if (event.type === "credit") creditBytes += event.bytes;
    else if (event.type === "committed") committed += event.rows?.tasks.length ?? 0;
    else if (event.type === "ended") outcome = event.outcome;
    submit();
  }
  assert.equal(outcome, "done");
  assert.equal(committed, sequenceCount, "each sequence is committed once");
  return (performance.now() - startedAt) / 1000;
}

const circumstances = new Circumstances();
const rows: Row[] = [];
for (const taskMs of values["task-ms"].split(",").map(Number)) {
  rows.push(await measure(taskMs));
  process.stderr.write(`${JSON.stringify(rows.at(-1))}\n`);
}

const ms = (value: number) => value.toFixed(value < 1 ? 2 : 1);
await writeReport(
  {
    name: "capacity",
    title: "Capacity of the scheduler",
    paragraphs: [
      `${sequenceCount.toLocaleString("en-US")} sequences of ${LENGTH_MIN} to ${LENGTH_MIN + LENGTH_SPREAD - 1} residues ` +
        `go from one driver process through one scheduler process to ${workerCount} worker processes, each with a gRPC stream of its own, ` +
        "and their commits come back to the driver, all on this machine. The workers are light: they answer each batch at once, without engine or shard, " +
        "and claim a time a task, which sets how many tasks the policy puts into a batch.",
      "Decision: from hearing a report to having written the commit and the next batch, in the scheduler. Loop: delay of the scheduler's event loop. " +
        "Round trip: from a worker's report to its next batch as the worker sees it, with every queue and the wait for a core in it " +
        "(all processes of the run share the machine's cores, and the driver's too when the queue runs dry).",
    ],
    tables: [
      {
        columns: [
          "claimed ms a task",
          "tasks a batch",
          "sequences/s",
          "decision p50 / p99 (ms)",
          "loop p50 / p99 / max (ms)",
          "round trip p50 / p99 (ms)",
          "scheduler CPU (us a sequence)",
          "scheduler memory (MiB)",
        ],
        rows: rows.map((row) => [
          row.task_ms,
          row.tasks_a_batch.toFixed(0),
          Math.round(row.sequences_per_second).toLocaleString("en-US"),
          `${ms(row.decision_ms.p50)} / ${ms(row.decision_ms.p99)}`,
          `${ms(row.loop_ms.p50)} / ${ms(row.loop_ms.p99)} / ${ms(row.loop_ms.max)}`,
          `${ms(row.round_trip_ms.p50)} / ${ms(row.round_trip_ms.p99)}`,
          ((1e6 * row.cpu_s) / sequenceCount).toFixed(2),
          (row.memory_bytes / 2 ** 20).toFixed(0),
        ]),
      },
    ],
    data: { workers: workerCount, sequences: sequenceCount, rows },
  },
  circumstances,
);
