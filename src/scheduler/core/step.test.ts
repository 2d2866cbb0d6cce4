import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command, DeviceId, Event, RunId, WorkerId } from "./events.ts";
import type { CoreOptions } from "./options.ts";
import { progressOf } from "./progress.ts";
import { type Core, createCore, epochOf } from "./state.ts";
import { step } from "./step.ts";

type Assign = Extract<Command, { type: "assignBatch" }>;
type Of<T extends Command["type"]> = Extract<Command, { type: T }>;

const RUN = 1 as RunId;

/** A core, its clock and everything it ordered; workers are what the test makes them. */
class Bench {
  readonly core: Core;
  readonly commands: Command[] = [];
  now = 0;

  constructor(options: Partial<CoreOptions> = {}) {
    this.core = createCore(options);
  }

  tell(event: Event, seconds = 0): Command[] {
    this.now += seconds * 1000;
    const commands = step(this.core, event, this.now);
    this.commands.push(...commands);
    return commands;
  }

  open(costs: readonly number[], run = RUN, weight = 1): void {
    this.tell({ type: "runOpened", run, weight });
    this.tell({ type: "tasksSubmitted", run, first: 0, costs: Uint32Array.from(costs) });
    this.tell({ type: "inputEnded", run });
  }

  join(
    worker: number,
    { run = RUN, costMax = 1e6, devices = 1, endsAt = Number.POSITIVE_INFINITY } = {},
  ): void {
    const joined = { type: "workerJoined", worker: worker as WorkerId } as const;
    this.tell(endsAt === Number.POSITIVE_INFINITY ? joined : { ...joined, endsAt });
    for (let index = 0; index < devices; index++) {
      const device = (worker * 100 + index) as DeviceId;
      this.tell({ type: "engineReady", worker: worker as WorkerId, device, run, costMax });
    }
  }

  all<T extends Command["type"]>(type: T): Of<T>[] {
    return this.commands.filter((command): command is Of<T> => command.type === type);
  }

  /** Assignments not finished by `finish` yet. */
  pending(): Assign[] {
    return this.all("assignBatch").filter(({ lease }) => this.core.leases.has(lease));
  }

  /** Ends a lease after the time of a device of speed 1: 10 ms a call and 0.1 ms a token. */
  finish(
    assign: Assign,
    seconds = this.seconds(assign),
    tasks: readonly number[] = [...assign.tasks],
  ): Command[] {
    return this.tell(
      {
        type: "batchProgressed",
        worker: assign.worker,
        lease: assign.lease,
        epoch: assign.epoch,
        tasks,
        failures: [],
        finished: true,
        busySeconds: seconds,
      },
      seconds,
    );
  }

  seconds({ lease, tasks }: Assign): number {
    const costs = this.core.leases.get(lease)?.run.tasks.costs;
    return tasks.reduce((sum, task) => sum + 1e-4 * (costs?.[task] ?? 0), 0.01);
  }

  committed(): number[] {
    return this.all("commitTasks").flatMap(({ tasks }) => [...tasks]);
  }

  /** Answers every takeBack of a lease that has not begun. */
  giveBack(): void {
    for (const { worker, lease, epoch } of this.all("takeBack")) {
      const held = this.core.leases.get(lease);
      if (held === undefined || held.device.running === held) continue;
      const tasks = [...held.tasks];
      this.tell({ type: "batchReturned", worker, lease, epoch, tasks, finished: true });
    }
  }

  /** Runs everything to its end on whatever workers are there. */
  drain(): void {
    for (let assign = this.pending()[0]; assign; assign = this.pending()[0]) this.finish(assign);
  }
}

const inOrder = (tasks: readonly number[]) => [...tasks].sort((a, b) => a - b);
const range = (count: number) => Array.from({ length: count }, (_, index) => index);
const lengths = (count: number) => range(count).map((index) => 50 + ((index * 7919) % 700));

test("every task is committed exactly once and the run ends", () => {
  const bench = new Bench();
  bench.open(lengths(2000));
  bench.join(1, { devices: 2 });
  bench.join(2);
  bench.drain();
  assert.deepEqual(inOrder(bench.committed()), range(2000));
  assert.deepEqual(
    bench.all("endRun").map(({ outcome }) => outcome.type),
    ["done"],
  );
  assert.equal(bench.core.leases.size, 0);
  assert.equal(progressOf(bench.core, RUN), undefined);
});

test("a device holds one running and one waiting lease, never more", () => {
  const bench = new Bench();
  bench.open(lengths(5000));
  bench.join(1);
  assert.equal(bench.pending().length, 2);
  for (let round = 0; round < 50; round++) {
    bench.finish(bench.pending()[0]!);
    assert.ok(bench.pending().length <= 2);
  }
});

test("after a probe the longest come first", () => {
  const bench = new Bench();
  bench.open([...lengths(500), 9000]);
  bench.join(1);
  const [probe, second] = bench.pending() as [Assign, Assign];
  assert.ok(!probe.tasks.includes(500), "the giant waits until the device is known");
  bench.finish(probe, 0.2);
  bench.finish(second, 0.2);
  assert.ok(bench.all("assignBatch").some(({ tasks }) => tasks.length === 1 && tasks[0] === 500));
});

test("a lost worker's tasks go to others at once, and its late reports are stale", () => {
  const bench = new Bench();
  bench.open(lengths(300));
  bench.join(1);
  const held = bench.pending();
  bench.join(2);
  bench.tell({ type: "workerLost", worker: 1 as WorkerId, reason: "connection closed" });
  for (const assign of held) {
    const commands = bench.finish(assign);
    assert.ok(!commands.some(({ type }) => type === "commitTasks"));
  }
  bench.drain();
  assert.deepEqual(inOrder(bench.committed()), range(300));
  const outcomes = bench.all("recordAttempt").map(({ attempt }) => attempt.outcome);
  assert.equal(outcomes.filter((outcome) => outcome === "lost").length, 2);
  assert.equal(outcomes.filter((outcome) => outcome === "stale").length, 2);
});

test("what had begun on a lost worker goes ahead of what waits elsewhere", () => {
  const bench = new Bench();
  bench.open(lengths(3000));
  for (const worker of [1, 2, 3]) bench.join(worker);
  // Until the devices are known and full.
  for (let i = 0; i < 12; i++) bench.finish(bench.pending()[0]!);
  const begun = new Set(bench.core.devices.get(100 as DeviceId)!.running!.tasks);
  bench.tell({ type: "workerLost", worker: 1 as WorkerId, reason: "connection closed" });
  bench.giveBack();
  const waiting = [200, 300].map((id) => bench.core.devices.get(id as DeviceId)!.waiting!);
  for (const { reason, tasks } of waiting) {
    assert.equal(reason, "retry");
    assert.ok([...tasks].every((task) => begun.has(task)));
  }
  bench.drain();
  assert.deepEqual(inOrder(bench.committed()), range(3000));
});

test("a report under another epoch, of another worker or of tasks not held changes nothing", () => {
  const bench = new Bench();
  bench.open(lengths(300));
  bench.join(1);
  bench.join(2);
  const assign = bench.pending()[0]!;
  assert.equal(assign.epoch, epochOf(bench.core, assign.worker));
  bench.finish({ ...assign, epoch: assign.epoch + 1 });
  bench.finish({ ...assign, worker: 2 as WorkerId });
  assert.equal(bench.committed().length, 0);
  const strangers = range(300).filter((task) => !assign.tasks.includes(task));
  bench.finish(assign, 0.1, [...strangers, 4_000_000_000, -1, 0.5]);
  assert.equal(bench.committed().length, 0);
  bench.drain();
  assert.deepEqual(inOrder(bench.committed()), range(300));
});

test("a report in parts, twice and out of order commits each task once", () => {
  const bench = new Bench();
  bench.open(lengths(100));
  bench.join(1);
  const assign = bench.pending()[0]!;
  const { worker, lease, epoch } = assign;
  const report = (tasks: number[]) =>
    bench.tell({
      type: "batchProgressed",
      worker,
      lease,
      epoch,
      tasks,
      failures: [],
      finished: false,
      busySeconds: 0.1,
    });
  const half = [...assign.tasks].reverse().slice(0, Math.ceil(assign.tasks.length / 2));
  report(half);
  report(half);
  report([...assign.tasks]);
  assert.deepEqual(inOrder(bench.committed()), inOrder([...assign.tasks]));
  bench.drain();
  assert.deepEqual(inOrder(bench.committed()), range(100));
});

test("a task that kills its worker is quarantined alone, the rest is computed", () => {
  const bench = new Bench();
  const guilty = 123;
  bench.open(lengths(400));
  let deaths = 0;
  let next = 1;
  bench.join(next);
  while (bench.core.runs.size > 0) {
    const running = bench.pending()[0]!;
    if (running.tasks.includes(guilty)) {
      deaths += 1;
      bench.tell({ type: "workerLost", worker: running.worker, reason: "killed by signal 9" });
      bench.join(++next);
    } else bench.finish(running);
  }
  assert.equal(deaths, 3);
  const failures = bench.all("quarantineTasks").flatMap(({ failures }) => failures);
  assert.deepEqual(
    failures.map(({ task }) => task),
    [guilty],
  );
  assert.match(failures[0]!.reason, /3 workers or engines failed on it: killed by signal 9/);
  assert.equal(bench.committed().length, 399);
});

test("a task that cannot succeed is quarantined with the worker's reason", () => {
  const bench = new Bench();
  bench.open(lengths(20));
  bench.join(1);
  const { worker, lease, epoch, tasks } = bench.pending()[0]!;
  const [bad, ...good] = tasks as unknown as [number, ...number[]];
  const failures = [{ task: bad, reason: "residue J at 7", retryable: false }];
  bench.tell({
    type: "batchProgressed",
    worker,
    lease,
    epoch,
    tasks: good,
    failures,
    finished: true,
    busySeconds: 0.1,
  });
  bench.drain();
  assert.deepEqual(bench.all("quarantineTasks")[0]!.failures, failures);
  assert.equal(bench.committed().length, 19);
  assert.equal(bench.all("endRun")[0]!.outcome.type, "done");
});

test("a silent worker is dropped, one that speaks is kept", () => {
  const bench = new Bench();
  bench.open(lengths(2000));
  bench.join(1);
  bench.join(2);
  for (let second = 0; second < 7; second++) {
    bench.tell({ type: "workerHeard", worker: 2 as WorkerId }, 1);
    bench.tell({ type: "ticked" });
  }
  assert.deepEqual(
    bench.all("dropWorker").map(({ worker }) => worker),
    [1],
  );
  bench.drain();
  assert.deepEqual(inOrder(bench.committed()), range(2000));
});

test("a draining worker gives back what waits and gets nothing new", () => {
  const bench = new Bench();
  bench.open(lengths(2000));
  bench.join(1);
  const [running, waiting] = bench.pending() as [Assign, Assign];
  bench.tell({ type: "workerDraining", worker: 1 as WorkerId });
  assert.ok(bench.all("takeBack").every(({ keepRunning }) => keepRunning));
  const { worker, lease, epoch } = waiting;
  bench.tell({
    type: "batchReturned",
    worker,
    lease,
    epoch,
    tasks: [...waiting.tasks],
    finished: true,
  });
  bench.finish(running);
  assert.equal(bench.pending().length, 0);
  bench.join(2);
  bench.drain();
  assert.deepEqual(inOrder(bench.committed()), range(2000));
});

test("a cancelled run ends when its leases have, and frees its devices", () => {
  const bench = new Bench();
  bench.open(lengths(2000));
  bench.join(1);
  const [running, waiting] = bench.pending() as [Assign, Assign];
  bench.tell({ type: "runCancelled", run: RUN, reason: "interrupted" });
  assert.equal(bench.all("takeBack").length, 2);
  const { worker, lease, epoch, tasks } = waiting;
  bench.tell({ type: "batchReturned", worker, lease, epoch, tasks: [...tasks], finished: true });
  assert.equal(bench.all("endRun").length, 0);
  bench.finish(running);
  assert.deepEqual(bench.all("endRun")[0]!.outcome, { type: "cancelled", reason: "interrupted" });
  assert.deepEqual(inOrder(bench.committed()), inOrder([...running.tasks]));
});

test("a cancelled run ends though a device never answers", () => {
  const bench = new Bench({ cancelGraceMs: 2000 });
  bench.open(lengths(100));
  bench.join(1);
  bench.tell({ type: "runCancelled", run: RUN, reason: "interrupted" });
  bench.tell({ type: "workerHeard", worker: 1 as WorkerId }, 2.5);
  assert.equal(bench.all("endRun").length, 1);
});

test("a run that every worker refuses fails after the grace, with the reason", () => {
  const bench = new Bench({ refusalGraceMs: 3000, lostAfterMs: 1e9 });
  bench.open(lengths(100));
  bench.tell({ type: "workerJoined", worker: 1 as WorkerId });
  const reason = "model digest differs";
  bench.tell({ type: "engineFailed", worker: 1 as WorkerId, run: RUN, reason, retryable: false });
  for (const seconds of [1, 1, 1]) bench.tell({ type: "ticked" }, seconds);
  assert.equal(bench.all("endRun").length, 0);
  bench.tell({ type: "ticked" }, 2);
  const { outcome } = bench.all("endRun")[0]!;
  assert.ok(outcome.type === "failed" && outcome.reason.includes(reason));
});

test("an engine's death costs its device only; the task that it died on is suspected", () => {
  const bench = new Bench();
  bench.open(lengths(500));
  bench.join(1, { devices: 2 });
  const device = 100 as DeviceId;
  const died = { worker: 1 as WorkerId, run: RUN, device, reason: "engine died", retryable: true };
  bench.tell({ type: "engineFailed", ...died });
  assert.ok(bench.pending().every((assign) => assign.device !== device));
  const ready = { worker: 1 as WorkerId, run: RUN, device, costMax: 1e6 };
  bench.tell({ type: "engineReady", ...ready });
  assert.ok(bench.pending().some((assign) => assign.device === device));
  bench.drain();
  assert.deepEqual(inOrder(bench.committed()), range(500));
});

test("a task too large for every device is quarantined, the rest is computed", () => {
  const bench = new Bench({ refusalGraceMs: 1000, lostAfterMs: 1e9 });
  bench.open([100, 5000, 200, 300]);
  bench.join(1, { costMax: 1000 });
  bench.drain();
  bench.tell({ type: "ticked" }, 0.5);
  bench.tell({ type: "ticked" }, 2);
  const [failure] = bench.all("quarantineTasks").flatMap(({ failures }) => failures);
  assert.equal(failure?.task, 1);
  assert.match(failure?.reason ?? "", /needs 5000 tokens at once; the largest device takes 1000/);
  assert.equal(bench.all("endRun").length, 1);
});

test("what a device never answers for is computed by another; the first commit wins", () => {
  const bench = new Bench({ lostAfterMs: 1e9 });
  bench.open(lengths(10));
  bench.join(1);
  const silent = bench.pending()[0]!;
  bench.join(2);
  for (let round = 0; round < 40 && bench.core.runs.size > 0; round++) {
    for (const assign of bench.pending()) if (assign.worker === 2) bench.finish(assign);
    bench.tell({ type: "ticked" }, 20);
  }
  assert.deepEqual(inOrder(bench.committed()), range(10));
  assert.equal(bench.all("endRun")[0]?.outcome.type, "done");
  bench.finish(silent);
  assert.equal(bench.committed().length, 10);
});

test("a small run is not stuck behind a huge one", () => {
  const bench = new Bench();
  bench.open(lengths(20_000));
  bench.join(1);
  for (let round = 0; round < 20; round++) bench.finish(bench.pending()[0]!);
  const small = 2 as RunId;
  const openedAt = bench.now;
  bench.open(lengths(20), small);
  const ready = { worker: 1 as WorkerId, device: 100 as DeviceId, costMax: 1e6 };
  bench.tell({ type: "engineReady", run: small, ...ready });
  for (let round = 0; round < 60 && bench.core.runs.has(small); round++) {
    bench.giveBack();
    bench.finish(bench.pending()[0]!);
  }
  assert.ok(!bench.core.runs.has(small));
  // Alone it takes 0.9 s; with half a device, behind a running batch of up to 3 s and one of 1 s.
  assert.ok(bench.now - openedAt < 6000, `took ${bench.now - openedAt} ms`);
  assert.ok(bench.core.runs.has(RUN));
});

test("tasks out of order or without cost fail the run, a repeated frame is ignored", () => {
  const costs = Uint32Array.of(10, 20);
  for (const [first, bad] of [
    [5, costs],
    [2, Uint32Array.of(10, 0)],
  ] as const) {
    const bench = new Bench();
    bench.tell({ type: "runOpened", run: RUN, weight: 1 });
    bench.tell({ type: "tasksSubmitted", run: RUN, first: 0, costs });
    bench.tell({ type: "tasksSubmitted", run: RUN, first: 0, costs });
    assert.equal(progressOf(bench.core, RUN)?.submitted, 2);
    bench.tell({ type: "tasksSubmitted", run: RUN, first, costs: bad });
    assert.equal(bench.all("endRun")[0]?.outcome.type, "failed");
  }
});

test("an empty run ends as soon as its input does", () => {
  const bench = new Bench();
  bench.open([]);
  assert.equal(bench.all("endRun")[0]?.outcome.type, "done");
});

test("no batch lasts beyond its worker's walltime, and another worker has the rest", () => {
  const bench = new Bench();
  // 60 s of work at 0.1 ms a token, in tasks of a second.
  bench.open(Array(60).fill(10_000));
  const endsAt = 20_000;
  bench.join(1, { endsAt });
  for (let lease = bench.pending()[0]; lease !== undefined; lease = bench.pending()[0]) {
    bench.finish(lease);
    assert.ok(bench.now <= endsAt, `a batch ended ${bench.now - endsAt} ms after the walltime`);
  }
  const done = bench.committed().length;
  assert.ok(done >= 15 && done < 20, `${done} tasks before the walltime's end`);
  bench.join(2);
  for (let lease = bench.pending()[0]; lease !== undefined; lease = bench.pending()[0]) {
    bench.finish(lease);
  }
  assert.equal(new Set(bench.committed()).size, 60);
});
