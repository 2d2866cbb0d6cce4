/**
 * The public API, on real processes: what a program that imports raysidue can rely on.
 *
 * Proves: every item gets one result, as it is committed; equal items are computed once; what cannot
 * be computed is a result too; a slow reader holds the source back; cancel, close and the death of
 * the fleet end a run with the right error; nothing is left behind.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  connect,
  embed,
  type ItemResult,
  openRun,
  type RunOptions,
  type SequenceItem,
} from "raysidue";
import { DaemonChild } from "../../src/base/child-process.ts";
import { Deferred } from "../../src/base/deferred.ts";
import { PROTOCOL } from "../../src/rpc/codec.ts";
import type { WorkerOrder } from "../../src/rpc/messages.ts";
import { SchedulerConnection } from "../../src/rpc/scheduler-service.ts";
import { listSpaces } from "../../src/store/cache-upkeep.ts";

const compiled = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const PROGRAM = compiled("src/cli/main.js");
const EXAMPLE = compiled("examples/embed-sequences.js");
const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));

const root = await mkdtemp(join(tmpdir(), "api-test-"));
const scratch = join(root, "tmp");
await mkdir(scratch);
// What runs and fleets put into the temporary folder can so be counted.
process.env.TMPDIR = scratch;
process.env.XDG_CACHE_HOME = join(root, "cache");
after(() => rm(root, { recursive: true, force: true }));

const EMULATED: RunOptions = { kind: "embed", model: "emulate", cacheFolder: null };
/** A device that would take hours. */
const ENDLESS = "speed=1,overhead=0ms,cost=100000ms";

const LETTERS = "ACDEFGHIKLMNPQRSTVWY";

/** The n-th of endlessly many distinct sequences, of `length` residues. */
function sequenceOf(n: number, length = 12): string {
  let text = "";
  for (let rest = n; rest > 0; rest = Math.floor(rest / 20)) text += LETTERS[rest % 20];
  return text.padEnd(length, "A");
}

function* itemsOf(count: number, length?: number): Generator<SequenceItem> {
  for (let n = 0; n < count; n++) yield { id: `s${n}`, sequence: sequenceOf(n, length) };
}

async function collect(results: AsyncIterable<ItemResult>): Promise<Map<string, ItemResult[]>> {
  const byId = new Map<string, ItemResult[]>();
  for await (const result of results) {
    byId.set(result.id, [...(byId.get(result.id) ?? []), result]);
  }
  return byId;
}

const hasCode = (code: string) => (thrown: unknown) => {
  assert.equal((thrown as { code?: string }).code, code, String(thrown));
  return true;
};

async function assertNothingLeft(): Promise<void> {
  assert.deepEqual(await readdir(scratch), []);
}

test("the example runs a real model and prints one line a record", async () => {
  const fasta = join(root, "example.fasta");
  await writeFile(fasta, ">a first\nMKTA\nYIAK\n>b\nEVQLVESGGG\n>c\nMKTAYIAK\n>d\nMK1A\n");
  const model = join(REPOSITORY, "test/data/esm2-tiny");
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [EXAMPLE, fasta, model]);
  const lines = stdout.trimEnd().split("\n").sort();
  assert.equal(lines.length, 4);
  const [a, b, c, d] = lines.map((line) => line.split("\t"));
  assert.deepEqual([a![0], a![1], a![2]], ["a", "ok", "64"]);
  assert.deepEqual([b![0], b![1]], ["b", "ok"]);
  assert.deepEqual(c!.slice(1), a!.slice(1), "equal sequences, equal vectors");
  assert.notEqual(a![3], b![3]);
  assert.match(d!.join(" "), /d failed letters the model does not know: 1 at 3/);
  assert.match(stderr, /4 results/);
  await assertNothingLeft();
});

test("every item gets one result; equal ones are computed once, in a run and across runs", async () => {
  const cacheFolder = join(root, "shared");
  const items: SequenceItem[] = [...itemsOf(700)];
  items.push({ id: "twin", sequence: items[3]!.sequence.toLowerCase() });
  items.push({ id: "s5", sequence: "WWW" });
  items.push({ id: "empty", sequence: "" }, { id: "odd", sequence: "AC?" });
  {
    // One device: several may run copies of the last batches.
    await using session = await connect({ emulate: ["instant"] });
    await using run = await openRun(session, { ...EMULATED, cacheFolder });
    const submitted = run.submit(items);
    const results = await collect(run.results());
    await submitted;
    assert.equal(results.size, 703);
    const mean = (id: string, which = 0) => {
      const result = results.get(id)![which]!;
      assert(result.status === "ok");
      return Array.from(result.vectors.mean!);
    };
    // The emulated mean is the composition: known without the program.
    assert.deepEqual(mean("s0"), [1, ...Array(19).fill(0)]);
    assert.deepEqual(mean("twin"), mean("s3"));
    assert.equal(results.get("s5")!.length, 2, "an id may come twice");
    for (const id of ["empty", "odd"]) {
      const result = results.get(id)![0]!;
      assert(result.status === "failed");
      assert.match(result.reason, /without residues|\? at 3/);
    }
    await assert.rejects(run.submit([]), hasCode("usage"));
    const folding = { kind: "fold" } as unknown as RunOptions;
    await assert.rejects(openRun(session, folding), hasCode("usage"));
  }
  const spaces = await listSpaces(cacheFolder);
  assert.deepEqual(
    spaces.map((space) => space.rowCount),
    [701],
  );
  {
    // These devices would take hours: whatever comes, comes from the cache.
    await using session = await connect({ emulate: [ENDLESS] });
    await using run = await openRun(session, { ...EMULATED, cacheFolder });
    const submitted = run.submit(items);
    assert.equal((await collect(run.results())).size, 703);
    await submitted;
  }
  await assertNothingLeft();
});

test("results come as they are committed: a source may wait for one", async () => {
  await using session = await connect({ emulate: ["instant"] });
  await using run = await openRun(session, {
    ...EMULATED,
    parameters: { pools: ["max"], perResidue: true, dtype: "float16" },
  });
  const first = new Deferred<void>();
  async function* source() {
    yield { id: "one", sequence: "CA" };
    await first.promise;
    yield { id: "two", sequence: "AC" };
  }
  const submitted = run.submit(source());
  const ids: string[] = [];
  for await (const result of run.results()) {
    assert(result.status === "ok");
    const { max } = result.vectors;
    // float16 comes as raw bits: 0x3c00 is 1.
    assert.deepEqual(Array.from(max!), [0x3c00, 0x3c00, ...Array(18).fill(0)]);
    assert.equal(result.perResidue?.length, 2 * 20);
    ids.push(result.id);
    first.resolve();
  }
  await submitted;
  assert.deepEqual(ids, ["one", "two"]);
});

test("who does not read results holds the source back", async () => {
  const length = 10_000;
  // Results that wait, the scheduler's credit with its step, and groups on their way.
  const aheadMax = 1024 + (1 + 1 / 16) * (2 ** 26 / length) + 3 * 256;
  const total = 9600;
  const isAhead = new Deferred<void>();
  let given = 0;
  let taken = 0;
  let aheadSeen = 0;
  function* source() {
    for (const item of itemsOf(total, length)) {
      given++;
      aheadSeen = Math.max(aheadSeen, given - taken);
      if (given === 7000) isAhead.resolve();
      yield item;
    }
  }
  await using session = await connect({ emulate: ["instant"] });
  await using run = await openRun(session, EMULATED);
  const submitted = run.submit(source());
  await isAhead.promise;
  for await (const result of run.results()) {
    assert.equal(result.status, "ok");
    taken++;
  }
  await submitted;
  assert.deepEqual([given, taken], [total, total]);
  assert(aheadSeen <= aheadMax, `${aheadSeen} items ahead of the reader, at most ${aheadMax}`);
});

test("cancel ends the run after what is committed, close at once", async () => {
  // Some seconds of work, in batches of parts of a second.
  await using session = await connect({ emulate: ["speed=1,overhead=1ms,cost=0.01ms"] });
  {
    await using run = await openRun(session, EMULATED);
    const submitted = run.submit(itemsOf(2000, 200));
    let count = 0;
    await assert.rejects(async () => {
      for await (const _ of run.results()) if (++count === 1) run.cancel("seen enough");
    }, hasCode("cancelled"));
    assert(count >= 1 && count < 2000);
    await submitted.catch(hasCode("cancelled"));
  }
  {
    const run = await openRun(session, EMULATED);
    const submitted = run.submit(itemsOf(2000, 200));
    const results = run.results();
    await results.next();
    await Promise.all([run.close(), run.close()]);
    // Whatever was taken from the queue before is still handed out; then it is over.
    for await (const _ of results) assert(_.id);
    await submitted.catch(hasCode("cancelled"));
  }
  {
    // A source that throws is the run's end, and its message is what a reader of results sees.
    await using run = await openRun(session, EMULATED);
    const submitted = run.submit(
      (function* () {
        yield* itemsOf(3);
        throw new Error("the source broke");
      })(),
    );
    await assert.rejects(collect(run.results()), /the source broke/);
    await assert.rejects(submitted, /the source broke/);
  }
  // The fleet serves on: a run after three that were left is a run like any other.
  const status = await session.status();
  assert.equal(status.workers.length, 1);
  await using run = await openRun(session, EMULATED);
  const submitted = run.submit(itemsOf(10));
  assert.equal((await collect(run.results())).size, 10);
  await submitted;
});

test("files are embedded into a folder by the same session", async () => {
  const fasta = join(root, "files.fasta");
  await writeFile(fasta, ">a\nACDE\n>b\nACDE\n>c\nWY\n");
  await using session = await connect({ emulate: ["instant"] });
  const plans: number[] = [];
  const summary = await embed(session, {
    inputs: [fasta],
    outputFolder: join(root, "out"),
    model: "emulate",
    format: "csv",
    cacheFolder: null,
    observer: { onPlan: (plan) => plans.push(plan.records, plan.distinct) },
  });
  assert.deepEqual(plans, [3, 2]);
  assert.deepEqual([summary.rows, summary.computed, summary.failed], [3, 2, 0]);
  const rows = (await readFile(join(root, "out/index.tsv"), "utf8")).trimEnd().split("\n");
  assert.deepEqual(
    rows.slice(1).map((row) => row.split("\t")[1]),
    ["a", "b", "c"],
  );
  const report = JSON.parse(await readFile(join(root, "out/run.json"), "utf8"));
  assert.equal(report.counts.computed, 2);
});

test("an embedded fleet that cannot be kept up ends the run with try-again", async () => {
  const notices: string[] = [];
  await using session = await connect({
    emulate: [ENDLESS],
    onNotice: (text) => notices.push(text),
  });
  await using run = await openRun(session, EMULATED);
  const broken = assert.rejects(collect(run.results()), hasCode("try-again"));
  const submitted = run.submit(itemsOf(100));
  const killed = new Set<number>();
  // Three restarts are allowed: the fourth death is the end.
  while (killed.size < 4) {
    const { workers } = await session.status();
    const fresh = workers.find((worker) => !killed.has(worker.pid));
    if (fresh === undefined) {
      await delay(20);
      continue;
    }
    killed.add(fresh.pid);
    process.kill(fresh.pid, "SIGKILL");
  }
  await broken;
  await submitted.catch(() => {});
  assert.equal(notices.length, 3, notices.join("\n"));
});

// ---- a fleet at an address ---------------------------------------------------------------------

const TOKEN = "a-token-of-this-test";

async function startDaemon(...words: string[]): Promise<{ daemon: DaemonChild; line: string }> {
  const { child, line } = await DaemonChild.start({
    what: words.slice(0, 2).join(" "),
    arguments: [PROGRAM, ...words, "--with-parent"],
    environment: { RAYSIDUE_TOKEN: TOKEN, RAYSIDUE_LOG: "silent" },
  });
  return { daemon: child, line };
}

test("a scheduler at an address serves with workers started by hand", async () => {
  const { daemon: scheduler, line: address } = await startDaemon(
    ...["scheduler", "start", "--listen", "127.0.0.1:0"],
  );
  const start = () => startDaemon("worker", "start", "--address", address, "--emulate", "instant");
  const workers = await Promise.all([start(), start()]);
  try {
    await assert.rejects(connect({ address, token: "another" }), hasCode("unauthenticated"));
    await using session = await connect({ address, token: TOKEN });
    while ((await session.status()).workers.length < 2) await delay(20);
    {
      await using run = await openRun(session, EMULATED);
      const submitted = run.submit(itemsOf(5000));
      assert.equal((await collect(run.results())).size, 5000);
      await submitted;
    }
    await Promise.all(workers.map(({ daemon }) => daemon.stop()));
    // Nobody is left to compute it; then the scheduler dies, and the program hears of it.
    await using run = await openRun(session, EMULATED);
    const submitted = run.submit(itemsOf(10));
    await submitted;
    process.kill(scheduler.pid, "SIGKILL");
    await assert.rejects(collect(run.results()), hasCode("try-again"));
    await scheduler.exited;
    await assert.rejects(connect({ address, token: TOKEN }), hasCode("unavailable"));
  } finally {
    await Promise.all([scheduler, ...workers.map(({ daemon }) => daemon)].map((d) => d.stop()));
  }
});

test("an item that was given up fails for its equals too, however late they come", async () => {
  const { daemon: scheduler, line: address } = await startDaemon(
    ...["scheduler", "start", "--listen", "127.0.0.1:0"],
  );
  const connection = new SchedulerConnection(address.replace("grpc://", ""), TOKEN);
  // A worker of 40 lines, which refuses every item: the protocol needs no more than this.
  const stream = connection.work();
  const device = { device: 0, name: "cpu0", type: "cpu", threads: 1, memoryBytes: 0 };
  const obey = (order: WorkerOrder) => {
    if (order.type === "openRun") {
      const { runId } = order;
      stream.send({
        type: "engineReady",
        runId,
        device,
        tokensMax: 4096,
        itemTokensMax: 0,
        sharedStorage: true,
      });
    } else if (order.type === "assign") {
      const { lease, epoch, frame } = order;
      const reason = "refused by the test's worker";
      const failures = frame.tasks.map((task) => ({ task, reason, retryable: false }));
      const measures = { busySeconds: 0.001, paddedTokens: 0, tokens: 0 };
      const rows = undefined;
      stream.send({
        type: "batchProgress",
        ...{ lease, epoch, rows, failures, finished: true, ...measures },
      });
    }
  };
  stream.send({
    type: "register",
    workerId: "test",
    host: "test",
    pid: process.pid,
    protocol: PROTOCOL,
    version: "test",
    bulkAddress: "",
    endsInMs: 0,
  });
  const working = (async () => {
    for await (const order of stream.messages()) obey(order);
  })();
  working.catch(() => {});
  try {
    await using session = await connect({ address, token: TOKEN });
    await using run = await openRun(session, EMULATED);
    const first = new Deferred<void>();
    async function* source() {
      yield { id: "early", sequence: "ACD" };
      await first.promise;
      yield { id: "late", sequence: "acd*" };
    }
    const submitted = run.submit(source());
    const failed: string[] = [];
    for await (const result of run.results()) {
      assert(result.status === "failed");
      assert.match(result.reason, /refused by the test's worker/);
      failed.push(result.id);
      first.resolve();
    }
    await submitted;
    assert.deepEqual(failed, ["early", "late"]);
  } finally {
    connection.close();
    await scheduler.stop();
  }
});
