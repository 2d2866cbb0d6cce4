/**
 * Clients of a scheduler that know its token and the published protocol, and nothing of manners.
 *
 * Proves: the .proto files are what the server speaks; a client that lies or talks nonsense is
 * told so and hurts itself only.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { readReport } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { type RawCall, RawClient, type RawMessage } from "../support/raw-client.ts";
import { type Command, Sandbox } from "../support/sandbox.ts";

const TOKEN = "a token that everybody here knows";
const INVALID_ARGUMENT = 3;
const FAILED_PRECONDITION = 9;
const UNIMPLEMENTED = 12;
const UNAUTHENTICATED = 16;

const spec = (runId: string): RawMessage => ({
  open: {
    ...{ run_id: runId, kind: "embed", engine: "emulate", model: "emulate", name: "raw" },
    ...{ weight: 1, parameters: PARAMETERS },
  },
});
const PARAMETERS =
  '{"dtype":"float32","layer":0,"perResidue":"none","pools":["mean"],"window":null}';
const frame = (count: number, changes: RawMessage = {}): RawMessage => ({
  submit: {
    data: Buffer.from("MKTAY".repeat(count)),
    sizes: Array(count).fill(5),
    tasks: Array.from({ length: count }, (_, i) => i),
    costs: Array(count).fill(7),
    keys: Buffer.from(Array.from({ length: 32 * count }, (_, i) => i % 251)),
    ...changes,
  },
});

describe("hostile clients", () => {
  let sandbox: Sandbox;
  let scheduler: Command;
  let address: string;
  let client: RawClient;
  before(async () => {
    sandbox = new Sandbox();
    const environment = { RAYSIDUE_TOKEN: TOKEN };
    ({ scheduler, address } = await sandbox.startScheduler({ environment }));
    await sandbox.startWorker(address, ["--emulate", "instant"], { environment });
    client = new RawClient(address, TOKEN);
  });
  after(async () => {
    client[Symbol.dispose]();
    await sandbox[Symbol.asyncDispose]();
  });

  const ended = (call: RawCall) => until("end of the call", () => call.ended, 10_000);
  const refuses = async (call: RawCall, codes: readonly number[], pattern: RegExp) => {
    const { code, details } = await ended(call);
    assert.match(details, pattern);
    assert.ok(codes.includes(code), `status ${code}: ${details}`);
  };
  /** The fleet works as if nothing had been. */
  const assertWell = async (name: string) => {
    assert.ok(scheduler.isRunning, scheduler.stderr);
    sandbox.write("a.fasta", fastaOf(randomSequences(20, { from: 5, to: 20, seed: 63 })));
    const args = ["embed", "a.fasta", "-o", name, "-m", "emulate", "--address", address];
    const environment = { RAYSIDUE_TOKEN: TOKEN };
    await sandbox.expect(0, [...args, "--no-cache"], { environment });
    assert.equal(readReport(sandbox.path(name)).counts.computed, 20);
    await until("no runs left", async () => {
      const { runs } = (await client.status()) as { runs?: unknown[] };
      return (runs ?? []).length === 0;
    });
  };

  test("a whole run in the published protocol", async () => {
    const call = client.drive();
    call.send(spec("raw run"));
    await until("credit", () => call.first("credit"));
    call.send(frame(3));
    call.send({ end_of_input: {} });
    const { code } = await ended(call);
    assert.equal(code, 0);
    assert.equal(call.first("ended")?.outcome, "done");
    const committed = call.received.flatMap((message) =>
      "committed" in message
        ? [(message.committed as { rows: { tasks: number[] } }).rows.tasks]
        : [],
    );
    assert.deepEqual(committed.flat().sort(), [0, 1, 2]);
    const bulk = call.first("committed") as { bulk_address: string };
    assert.match(bulk.bulk_address, /:\d+$/, "no folder was named: rows are to be fetched");
  });

  test("without the token nothing is answered", async () => {
    using stranger = new RawClient(address, "guess");
    await refuses(stranger.drive(), [UNAUTHENTICATED], /token/);
    await refuses(stranger.work(), [UNAUTHENTICATED], /token/);
    await assert.rejects(stranger.status(), { code: UNAUTHENTICATED });
  });

  const bad = [FAILED_PRECONDITION, INVALID_ARGUMENT];
  const lies: [string, RawMessage][] = [
    ["sizes that exceed the data", { sizes: [5, 5, 500] }],
    ["sizes that overflow", { sizes: [5, 5, 0xffffffff] }],
    ["fewer tasks than items", { tasks: [0] }],
    ["keys cut short", { keys: Buffer.alloc(31) }],
    ["items without cost", { costs: [7, 0, 7] }],
    ["task numbers out of order", { tasks: [2, 1, 0] }],
    ["task numbers far ahead", { tasks: [4_000_000_000, 4_000_000_001, 4_000_000_002] }],
    ["the same task twice", { tasks: [0, 0, 1] }],
  ];
  for (const [what, change] of lies) {
    test(`a driver's frame with ${what}`, async () => {
      const call = client.drive();
      call.send(spec(`lie: ${what}`));
      call.send(frame(3, change));
      await refuses(call, bad, /inconsistent|order of submission/);
    });
  }

  test("a driver out of turn", async () => {
    const early = client.drive();
    early.send(frame(1));
    await refuses(early, bad, /sent submit unopened/);
    const empty = client.drive();
    empty.send({});
    await refuses(empty, bad, /empty message/);
    const twice = client.drive();
    twice.send(spec("one"));
    twice.send(spec("two"));
    await refuses(twice, bad, /one run a stream|opened/);
    const first = client.drive();
    first.send(spec("same"));
    await until("opened", () => first.first("opened"));
    const second = client.drive();
    second.send(spec("same"));
    await refuses(second, bad, /run same is open already/);
    first.stream.cancel();
    await assertWell("after-drivers");
  });

  test("a driver that sends more than its credit", async () => {
    const call = client.drive();
    // An engine that no worker has: nothing is ever settled.
    const { open } = spec("greedy") as { open: RawMessage };
    call.send({ open: { ...open, engine: "onnx", model: "no such model" } });
    const credit = await until("credit", () => call.first("credit"));
    const size = 8 << 20;
    const data = Buffer.alloc(size);
    for (let task = 0; task * size <= 2 * Number(credit.bytes); task++) {
      call.send({
        submit: { data, sizes: [size], tasks: [task], costs: [7], keys: Buffer.alloc(32) },
      });
    }
    await refuses(call, bad, /credit/);
    await assertWell("after-greed");
  });

  test("a worker out of turn, of another version, and with nonsense in its reports", async () => {
    const mute = client.work();
    mute.send({ heartbeat: {} });
    await refuses(mute, bad, /sent heartbeat unregistered/);
    const register = { worker_id: "w", host: "h", pid: 1, version: "9", bulk_address: "h:1" };
    const other = client.work();
    other.send({ register: { ...register, protocol: 99 } });
    await refuses(other, [UNIMPLEMENTED], /speaks protocol 99.*install the same/);

    const liar = client.work();
    liar.send({ register: { ...register, protocol: 1 } });
    await until("registered", () => liar.first("registered"));
    const rows = { shard: "../../x", tasks: [0, 1, 2], sizes: [1], payload_offset: 0 };
    const nonsense: RawMessage[] = [
      { batch_progress: { lease: 999_999, epoch: 1, finished: true, busy_seconds: Number.NaN } },
      { batch_progress: { lease: 1, epoch: 1, rows, finished: true } },
      { batch_returned: { lease: 12_345, epoch: 0, tasks: [1, 2, 3], finished: true } },
      { engine_ready: { run_id: "none", device: { device: 7 }, tokens_max: 0 } },
      { engine_failed: { run_id: "none", reason: "x".repeat(10_000), retryable: true } },
      { heartbeat: {} },
    ];
    for (const message of nonsense) liar.send(message);
    // One that is silent for seconds is dropped: on a busy machine the next run takes as long.
    const beat = setInterval(() => liar.send({ heartbeat: {} }), 500);
    await assertWell("after-lies").finally(() => clearInterval(beat));
    assert.equal(liar.ended, undefined, "what is merely stale is ignored");
    liar.send({ register: { ...register, protocol: 1 } });
    await refuses(liar, bad, /registers once/);
    const bare = client.work();
    bare.send({ register: { ...register, worker_id: "w2", protocol: 1 } });
    bare.send({ engine_ready: { run_id: "none", tokens_max: 5 } });
    await refuses(bare, bad, /without its device/);
  });

  test("bytes that are no gRPC at all", async () => {
    const [host, port] = address.replace("grpc://", "").split(":");
    for (const bytes of ["GET / HTTP/1.1\r\n\r\n", "\0".repeat(100), "\x16\x03\x01\x02\x00"]) {
      const socket = connect(Number(port), host);
      const closed = new Promise((resolve) => socket.on("close", resolve));
      socket.on("error", () => {});
      socket.on("data", () => {});
      socket.end(bytes);
      await closed;
    }
    await assertWell("after-garbage");
  });
});
