/**
 * The scheduler of the capacity experiment, in a process of its own: `node capacity-scheduler.js`.
 *
 * Hosts the server as `raysidue scheduler start` does, and measures it from inside: the time from
 * hearing a report to having written what follows from it, and the delay of the event loop. Prints
 * its address, and on SIGTERM one JSON line of what it measured.
 */
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { createLog } from "../../src/base/log.ts";
import { VERSION } from "../../src/base/version.ts";
import { SchedulerServer } from "../../src/scheduler/server.ts";
import { SchedulerShell } from "../../src/scheduler/shell.ts";

/** The loop's timer fires so often; the histogram holds whole intervals, so this is taken off. */
const RESOLUTION_MS = 1;

const decisionMs: number[] = [];
const { hear } = SchedulerShell.prototype;
SchedulerShell.prototype.hear = function (this: SchedulerShell, id, report) {
  if (report.type !== "batchProgress") return hear.call(this, id, report);
  const startedAt = performance.now();
  hear.call(this, id, report);
  decisionMs.push(performance.now() - startedAt);
};

const server = new SchedulerServer({
  listen: "127.0.0.1:0",
  token: process.env.RAYSIDUE_TOKEN ?? "",
  log: createLog("scheduler"),
  version: VERSION,
  // 64 workers that start at once on few cores are silent longer than a fleet's.
  lostAfterMs: 60_000,
});
await server.start();
const loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
let usage = process.cpuUsage();
process.stdout.write(`${server.address}\n`);

// The first run has opened: what came before it is the start of many processes, not work.
process.on("SIGUSR2", () => {
  loop.enable();
  loop.reset();
  decisionMs.length = 0;
  usage = process.cpuUsage();
});
process.once("SIGTERM", () => {
  loop.disable();
  const quantile = (share: number) => Math.max(0, loop.percentile(share) / 1e6 - RESOLUTION_MS);
  decisionMs.sort((a, b) => a - b);
  const decision = (share: number) =>
    decisionMs[Math.min(decisionMs.length - 1, Math.floor((share / 100) * decisionMs.length))] ?? 0;
  const { user, system } = process.cpuUsage(usage);
  const result = {
    decisions: decisionMs.length,
    decision_ms: { p50: decision(50), p99: decision(99), max: decision(100) },
    loop_ms: { p50: quantile(50), p99: quantile(99), max: quantile(100) },
    cpu_s: (user + system) / 1e6,
    memory_bytes: process.memoryUsage.rss(),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
  server.close();
});
