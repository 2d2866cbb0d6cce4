/**
 * Workers as jobs of a real SLURM of three nodes: losses, requeues, the walltime's warning, refusals.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { readReport } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { type Command, Sandbox } from "../support/sandbox.ts";
import { noSlurm, SlurmCluster } from "../support/slurm-cluster.ts";

const skip = noSlurm() ?? false;
/** The runs below take some eight seconds of one device's time. */
const DEVICE = ["--emulate", "cost=0.3ms"];

describe("SLURM", { skip }, () => {
  let sandbox: Sandbox;
  let slurm: SlurmCluster;
  before(async () => {
    slurm = await SlurmCluster.start(3);
    sandbox = new Sandbox();
    sandbox.write("a.fasta", fastaOf(randomSequences(400, { from: 40, to: 80, seed: 8 })));
  });
  after(async () => {
    await sandbox?.[Symbol.asyncDispose]();
    await slurm?.[Symbol.asyncDispose]();
  });

  const embed = (output: string, ...flags: string[]): Command => {
    const model = ["-m", "emulate", ...DEVICE, "--no-cache"];
    const fleet = ["--address", "slurm:", "--cpus", "2", ...flags];
    const args = ["embed", "a.fasta", "-o", output, ...model, ...fleet];
    return sandbox.start(args, { environment: slurm.environment });
  };
  const jobOf = async (run: Command) => {
    const [, job] = await run.printed(/slurm job (\d+): \d+ workers asked for/, "stderr");
    return job!;
  };
  /** Work is under way. */
  const hasRows = (output: string) =>
    until("a shard", () => {
      const shards = readdirSync(sandbox.path(output, ".raysidue", "shards"));
      return shards.some((name) => !name.startsWith("."));
    });
  const isDone = async (run: Command, output: string) => {
    const { exit, stderr } = await run.ended;
    assert.equal(exit, 0, stderr);
    const { counts } = readReport(sandbox.path(output));
    assert.deepEqual([counts.rows, counts.computed], [400, 400]);
    // Nothing is left in the queue.
    assert.equal(await slurm.command("squeue", "--noheader"), "");
    return stderr;
  };

  test("a node set down and a task requeued in mid-run cost no row", async () => {
    const run = embed("out", "--min-workers", "3", "--max-workers", "3");
    const job = await jobOf(run);
    await run.printed(/3 workers run/, "stderr");
    await hasRows("out");
    await slurm.command("scontrol", "update", "NodeName=c1", "State=DOWN", "Reason=test");
    await slurm.command("scontrol", "requeue", `${job}_1`);
    await isDone(run, "out");
  });

  test("at its walltime's warning a worker drains, and another one goes on", async () => {
    const run = embed("drained", "--max-workers", "1");
    const job = await jobOf(run);
    await hasRows("drained");
    await slurm.command("scancel", "--batch", "--signal=USR1", `${job}_0`);
    const stderr = await isDone(run, "drained");
    assert.match(stderr, /is over and work is left; submitting again/);
    // Drained, not lost: nothing ran twice.
    assert.doesNotMatch(stderr, /worker .* lost/);
  });

  test("an interrupted run takes its jobs with it", async () => {
    const run = embed("interrupted", "--max-workers", "1");
    await jobOf(run);
    await hasRows("interrupted");
    run.kill("SIGINT");
    assert.equal((await run.ended).exit, 130);
    assert.equal(await slurm.command("squeue", "--noheader"), "");
  });

  test("what SLURM refuses is said in its words", async () => {
    const refused = embed("refused", "--partition", "nowhere");
    const { exit, stderr } = await refused.ended;
    assert.equal(exit, 64, stderr);
    assert.match(stderr, /raysidue: error: sbatch: .*[Ii]nvalid partition/);
  });

  test("without SLURM, or without its controller, the error says which", async () => {
    const args = ["embed", "a.fasta", "-o", "none", "-m", "emulate", "--address", "slurm:"];
    const none = await sandbox.expect(69, args, { environment: { PATH: "/nonexistent" } });
    assert.match(none.stderr, /no scontrol on this machine; run raysidue on a login node/);
    const missing = sandbox.write("slurm.conf", "ClusterName=x\nSlurmctldHost=x(127.0.0.1)\n");
    const environment = { SLURM_CONF: missing };
    const { exit, stderr } = await sandbox.run(args, { environment });
    assert.ok(exit === 75 || exit === 69, stderr);
    assert.match(stderr, /scontrol: /);
  });
});
