/**
 * A light worker of the capacity experiment: `node capacity-worker.js ADDRESS TASK_MS`.
 *
 * Speaks a worker daemon's protocol over its own connection and answers every batch at once: no
 * engine, no shard, no disk. It claims that each task took TASK_MS, which sets the length of
 * the batches it is given. At the stream's end it prints one JSON line: for each batch, how long the
 * next one took to come after its report (milliseconds, as this process saw it).
 */
import { hostname } from "node:os";
import { performance } from "node:perf_hooks";
import { VERSION } from "../../src/base/version.ts";
import { PROTOCOL } from "../../src/rpc/codec.ts";
import type { AssignedBatch } from "../../src/rpc/messages.ts";
import { SchedulerConnection } from "../../src/rpc/scheduler-service.ts";

const [address = "", taskMs = "1"] = process.argv.slice(2);
const token = process.env.RAYSIDUE_TOKEN ?? "";
/** An engine's row of 20 float32, as the emulated engine's. */
const ROW_BYTES = 80;

const connection = new SchedulerConnection(address, token);
const stream = connection.work();
const reportedAt: number[] = [];
const waits: number[] = [];
let assignCount = 0;
let taskCount = 0;

stream.send({
  type: "register",
  workerId: `light-${process.pid}`,
  host: hostname(),
  pid: process.pid,
  protocol: PROTOCOL,
  version: VERSION,
  bulkAddress: "",
  endsInMs: 0,
});
const heartbeat = setInterval(() => stream.send({ type: "heartbeat" }), 1000);

function answer({ lease, epoch, frame }: AssignedBatch): void {
  const { tasks } = frame;
  taskCount += tasks.length;
  const now = performance.now();
  // One batch runs and one waits: a report is answered by the batch after the next.
  if (assignCount >= 2) waits.push(now - reportedAt[assignCount - 2]!);
  assignCount++;
  stream.send({
    type: "batchProgress",
    lease,
    epoch,
    rows: {
      shard: "none",
      segmentOffset: 0,
      payloadOffset: 0,
      tasks,
      sizes: new Array<number>(tasks.length).fill(ROW_BYTES),
    },
    failures: [],
    finished: true,
    busySeconds: (tasks.length * Number(taskMs)) / 1000,
    paddedTokens: frame.data.byteLength,
    tokens: frame.data.byteLength,
  });
  reportedAt.push(performance.now());
}

process.once("SIGTERM", () => stream.end());
try {
  for await (const order of stream.messages()) {
    if (order.type === "openRun") {
      const device = { device: 0, name: "light0", type: "emulate", threads: 1, memoryBytes: 0 };
      const { runId } = order;
      stream.send({
        type: "engineReady",
        runId,
        device,
        tokensMax: 1 << 20,
        itemTokensMax: 0,
        sharedStorage: true,
      });
    } else if (order.type === "assign") answer(order);
    else if (order.type === "takeBack") {
      // What was assigned is reported already: nothing is left to give back.
      const { lease, epoch } = order;
      stream.send({ type: "batchReturned", lease, epoch, tasks: [], finished: false });
    } else if (order.type === "closeRun") stream.end();
  }
} finally {
  clearInterval(heartbeat);
  connection.close();
  process.stdout.write(`${JSON.stringify({ waits, taskCount })}\n`);
}
