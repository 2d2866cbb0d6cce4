/**
 * One command on every kind of fleet: embedded, by hand, shared by several runs.
 *
 * Proves: the same files come out whatever fleet it was, each process is real and gone at the end,
 * and who is not let in or finds nobody is told so.
 */
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { composition, fastaOf, randomSequences } from "../support/fasta-text.ts";
import { readEmbeddings, readReport, readTrace, readVectors } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { Sandbox } from "../support/sandbox.ts";

const sequences = randomSequences(60, { from: 20, to: 120 });

test("embedded: three kinds of processes of its own do the work", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences));
  // Slow enough for its processes to be seen.
  const command = sandbox.start([
    "embed",
    "a.fasta",
    "-o",
    "out",
    "-m",
    "emulate",
    "--emulate",
    "speed=2",
  ]);
  const seen = await until("an engine process", () => {
    const processes = sandbox.processes();
    return processes.some(({ command: line }) => line.includes("engine/process.js")) && processes;
  });
  const count = (word: string) => seen.filter(({ command: line }) => line.includes(word)).length;
  assert.deepEqual([count("scheduler start"), count("worker start")], [1, 1]);
  assert.ok(
    seen.every(({ command: line }) => !/token/i.test(line)),
    "a token stands on a command line, for everybody to read",
  );
  const { exit, stdout } = await command.ended;
  assert.equal(exit, 0);
  assert.equal(stdout, `${sandbox.path("out")}\n`);
  const rows = await readEmbeddings(sandbox.path("out"));
  assert.deepEqual(
    rows.map(({ id, length }) => [id, length]),
    sequences.map(({ id, sequence }) => [id, sequence.length]),
  );
  for (const [i, { sequence }] of sequences.entries()) {
    const expected = composition(sequence);
    rows[i]!.vectors.embedding!.forEach((value, at) => {
      assert.ok(Math.abs(value - expected[at]!) < 1e-6, `row ${i}`);
    });
  }
  const { counts } = readReport(sandbox.path("out"));
  assert.deepEqual([counts.computed, counts.rows, counts.failed], [60, 60, 0]);
});

test("by hand: a scheduler, two workers, several runs at once, equal files", async () => {
  await using sandbox = new Sandbox();
  const { address } = await sandbox.startScheduler();
  const device = ["--emulate", "speed=1,overhead=20ms"];
  await Promise.all([sandbox.startWorker(address, device), sandbox.startWorker(address, device)]);

  const { stdout } = await sandbox.expect(0, ["node", "list", "--address", address, "--json"]);
  const status = JSON.parse(stdout) as { workers: { workerId: string; state: string }[] };
  assert.deepEqual(
    status.workers.map(({ state }) => state),
    ["ready", "ready"],
  );

  const runs = [1, 2, 3].map((seed) => {
    const own = randomSequences(80, { from: 20, to: 120, seed });
    sandbox.write(`${seed}.fasta`, fastaOf(own));
    return { name: `out${seed}`, input: `${seed}.fasta`, own };
  });
  await Promise.all(
    runs.map(({ name, input }) =>
      sandbox.expect(0, ["embed", input, "-o", name, "-m", "emulate", "--address", address]),
    ),
  );
  const busy = new Set<string>();
  for (const { name, own } of runs) {
    const rows = await readEmbeddings(sandbox.path(name));
    assert.deepEqual(
      rows.map(({ id }) => id),
      own.map(({ id }) => id),
    );
    rows.forEach(({ vectors }, i) => {
      const expected = composition(own[i]!.sequence);
      assert.ok(vectors.embedding!.every((value, at) => Math.abs(value - expected[at]!) < 1e-6));
    });
    for (const { worker, outcome } of await readTrace(sandbox.path(name))) {
      if (outcome === "committed") busy.add(worker);
    }
  }
  assert.deepEqual([...busy].sort(), status.workers.map(({ workerId }) => workerId).sort());

  // The same work on a fleet of its own, uncached: the same vectors.
  await sandbox.expect(0, ["embed", "1.fasta", "-o", "alone", "-m", "emulate", "--no-cache"]);
  assert.deepEqual(
    await readVectors(sandbox.path("alone")),
    await readVectors(sandbox.path("out1")),
  );
});

test("the token file that a scheduler makes lets in this user's commands, and nobody else", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 3)));
  const address = await sandbox.startFleet();
  const file = sandbox.path("home", ".config", "raysidue", "token");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const token = readFileSync(file, "utf8").trim();
  assert.ok(token.length >= 32);
  const embed = ["embed", "a.fasta", "-o", "out", "-m", "emulate", "--address", address];
  await sandbox.expect(0, embed);

  const wrong = { environment: { RAYSIDUE_TOKEN: "not the token" } };
  const refused = await sandbox.expect(69, embed, wrong);
  assert.match(refused.stderr, /refused the token; set RAYSIDUE_TOKEN/);
  assert.ok(!refused.stderr.includes(token));
  const worker = await sandbox.expect(69, ["worker", "start", "--address", address], wrong);
  assert.match(worker.stderr, /token/);
  const stranger = { environment: { HOME: sandbox.path("elsewhere") } };
  assert.match((await sandbox.expect(69, embed, stranger)).stderr, /no token: set RAYSIDUE_TOKEN/);
});

test("no scheduler there: said at once, with the address, and nothing written", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 3)));
  const environment = { RAYSIDUE_TOKEN: "some token" };
  // Port 1 is nobody's on a machine of ours.
  const embed = ["embed", "a.fasta", "-o", "out", "-m", "emulate", "--address"];
  const { stderr } = await sandbox.expect(69, [...embed, "grpc://127.0.0.1:1"], { environment });
  assert.match(stderr, /no scheduler answers at grpc:\/\/127\.0\.0\.1:1; start one/);
  const bad = await sandbox.expect(64, [...embed, "ftp://127.0.0.1:1"], { environment });
  assert.match(bad.stderr, /write grpc:\/\/HOST:PORT/);
  const worker = ["worker", "start", "--address", "grpc://127.0.0.1:1", "--grace", "0s"];
  assert.match(
    (await sandbox.expect(69, worker, { environment })).stderr,
    /no scheduler at 127\.0\.0\.1:1 for 0 s .* check the address/,
  );
});

test("a worker without work for its --max-idle ends well, one with work goes on", async () => {
  await using sandbox = new Sandbox();
  sandbox.write("a.fasta", fastaOf(sequences));
  const { address } = await sandbox.startScheduler();
  const embed = ["embed", "a.fasta", "-o", "out", "-m", "emulate", "--address", address];
  const driver = sandbox.start(embed);
  await driver.printed(/plan: /, "stderr");
  const worker = await sandbox.startWorker(address, ["--emulate", "speed=9", "--max-idle", "2s"]);
  assert.equal((await driver.ended).exit, 0);
  const { exit, stderr } = await worker.ended;
  assert.equal(exit, 0);
  assert.match(stderr, /no work for 2 s/);
});
