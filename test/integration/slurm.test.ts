/**
 * Workers as jobs of a real SLURM of three nodes: losses, requeues, the walltime's warning, refusals.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { readReport, shardNames } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { prepareEngine } from "../support/python-engines.ts";
import type { Command, CommandOptions } from "../support/sandbox.ts";
import { noSlurm } from "../support/slurm-cluster.ts";
import { SlurmUser } from "../support/slurm-user.ts";

const skip = noSlurm() ?? false;
/** Of a token: 24,000 of them take eight seconds of one device. */
const COST = "cost=0.3ms";
/** For three devices: the queue is looked at every two seconds. */
const SLOW_COST = "cost=1.5ms";

/** Answers with the GPU that it sees, and those of its job; slowly, so that both engines get work. */
const GPU_ENGINE = `import json, os, time
from raysidue_engine import serve

class Gpus:
    description = "which GPU is seen"
    tokens_max = 400

    def run(self, items):
        time.sleep(0.2)
        seen = [os.environ.get(name, "") for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS")]
        return [json.dumps(seen).encode() for _ in items]

serve(lambda opening: Gpus())
`;

describe("SLURM", { skip }, () => {
  const user = new SlurmUser(3);
  const embed = (
    output: string,
    flags: readonly string[],
    options: CommandOptions & { readonly cost?: string } = {},
  ) => user.embed(output, flags, { cost: COST, ...options });
  /** Work is under way. */
  const hasRows = (output: string) =>
    until("a shard", () => shardNames(user.sandbox.path(output)).length > 0);
  const isDone = async (run: Command, output: string) => {
    const { exit, stderr } = await run.ended;
    assert.equal(exit, 0, stderr);
    const { counts } = readReport(user.sandbox.path(output));
    assert.deepEqual([counts.rows, counts.computed], [400, 400]);
    // Nothing is left in the queue.
    assert.equal(await user.queue(), "");
    return stderr;
  };

  test("a node set down and a task requeued in mid-run cost no row", async () => {
    const run = embed("out", ["--min-workers", "3", "--max-workers", "3"], { cost: SLOW_COST });
    const job = await user.jobOf(run);
    await run.printed(/3 workers run/, "stderr");
    await hasRows("out");
    await user.slurm.command("scontrol", "update", "NodeName=c1", "State=DOWN", "Reason=test");
    await user.slurm.command("scontrol", "requeue", `${job}_1`);
    await isDone(run, "out");
  });

  test("at its walltime's warning a worker drains, and another one goes on", async () => {
    // What an enclosing job and a site's defaults say must not reach the workers' jobs.
    const odd = { SLURM_CPUS_PER_TASK: "7", SLURM_TIME_FORMAT: "relative", SBATCH_EXPORT: "NONE" };
    const run = embed("drained", ["--max-workers", "1", "--time", "10"], { environment: odd });
    const job = await user.jobOf(run);
    await hasRows("drained");
    const [worker] = user.sandbox.processes(/worker start/);
    const walltime = Number(/ --ends-in (\d+)s/.exec(worker!.command)![1]);
    assert.ok(walltime > 540 && walltime <= 600, worker!.command);
    assert.match(worker!.command, / --engines 2 /);
    await user.slurm.command("scancel", "--batch", "--signal=USR1", `${job}_0`);
    const stderr = await isDone(run, "drained");
    assert.match(stderr, /is over and work is left; submitting again/);
    // Drained, not lost: nothing ran twice.
    assert.doesNotMatch(stderr, /worker .* lost/);
  });

  test("an interrupted run takes its jobs with it", async () => {
    const run = embed("interrupted", ["--max-workers", "1"]);
    await user.jobOf(run);
    await hasRows("interrupted");
    run.kill("SIGINT");
    assert.equal((await run.ended).exit, 130);
    assert.equal(await user.queue(), "");
  });

  test("a killed driver's workers end by themselves, and the same command resumes", async () => {
    const run = embed("killed", ["--max-workers", "2", "--min-workers", "2"], {
      environment: { RAYSIDUE_GRACE: "1s" },
    });
    await user.jobOf(run);
    await hasRows("killed");
    run.kill("SIGKILL");
    await run.ended;
    await until("an empty queue", async () => (await user.queue()) === "");
    await until("no process", () => user.sandbox.processes().length === 0);
    user.sandbox.mayLeaveTemporaries = true;
    const again = embed("killed", ["--min-workers", "2"]);
    assert.equal((await again.ended).exit, 0, again.stderr);
    const { counts } = readReport(user.sandbox.path("killed"));
    assert.ok(counts.rows === 400 && counts.computed! < 400, JSON.stringify(counts));
    // Neither driver's token is left.
    const left = readdirSync(user.sandbox.path("killed", ".raysidue"));
    assert.deepEqual(
      left.filter((name) => name.startsWith("slurm-")),
      [],
    );
  });

  test("each engine sees one of the GPUs that SLURM gave, and no other", async (context) => {
    const engine = await prepareEngine("examples", "own-kind");
    if (engine.missing !== undefined) return context.skip(`no engine: ${engine.missing}`);
    user.sandbox.write("engine.py", GPU_ENGINE);
    user.sandbox.write("few.fasta", fastaOf(randomSequences(60, { from: 40, to: 80, seed: 9 })));
    const own = ["--engine", `gpus=${engine.python} ${user.sandbox.path("engine.py")}`];
    const fleet = ["--address", "slurm:", "--cpus", "2", "--max-workers", "1", "--gres"];
    const args = ["compute", "gpus", "few.fasta", "--no-cache", ...own, ...fleet];
    const environment = user.slurm.environment;
    await user.sandbox.expect(0, [...args, "gpu:2", "-o", "two"], { environment });
    await user.sandbox.expect(0, [...args, "gpu:1", "-o", "one"], { environment });
    const seen = (output: string) => {
      const lines = user.sandbox.read(output, "results.ndjson").trim().split("\n");
      const results = lines.map((line) => (JSON.parse(line) as { result: string[] }).result);
      return [...new Set(results.map((result) => result.join(" of ")))].sort();
    };
    assert.deepEqual(seen("two"), ["0 of 0,1", "1 of 0,1"]);
    assert.match(seen("one").join(), /^([01]) of \1$/);
    assert.equal(await user.queue(), "");
  });

  interface Refusal {
    readonly what: string;
    readonly flags?: readonly string[];
    readonly environment?: Readonly<Record<string, string>>;
    readonly exit: number;
    readonly says: RegExp;
  }
  const refusals: readonly Refusal[] = [
    {
      what: "a partition that is not there",
      flags: ["--partition", "nowhere"],
      exit: 64,
      says: /sbatch: .*[Ii]nvalid partition/,
    },
    {
      what: "more GPUs than any node has",
      flags: ["--gres", "gpu:9"],
      exit: 64,
      says: /sbatch: .*node configuration is not available/,
    },
    {
      what: "a job that will never start",
      flags: ["--sbatch=--hold"],
      exit: 69,
      says: /will not start \(JobHeldUser\)/,
    },
    {
      what: "a job that waits for too long",
      flags: ["--sbatch=--begin=now+1hour", "--max-wait", "4s"],
      exit: 75,
      says: /no worker started within 4 s: 1 wait \(BeginTime\)/,
    },
    {
      what: "workers that cannot work",
      flags: ["--sbatch=--export=NONE"],
      exit: 69,
      says: /workers end without a result .*RAYSIDUE_ADDRESS: name the scheduler/,
    },
    {
      what: "a machine without SLURM",
      environment: { PATH: "/nonexistent" },
      exit: 69,
      says: /no scontrol on this machine; run raysidue on a login node/,
    },
    {
      what: "a controller that does not answer",
      environment: { SLURM_CONF: "elsewhere.conf" },
      exit: 75,
      says: /scontrol: .*; is slurmctld up\?/,
    },
  ];
  test("what SLURM refuses is said in one line and leaves nothing", async () => {
    const elsewhere = "ClusterName=x\nSlurmctldHost=x(127.0.0.1)\nSlurmctldPort=1\n";
    const SLURM_CONF = user.sandbox.write("elsewhere.conf", elsewhere);
    await Promise.all(
      refusals.map(async ({ what, flags = [], environment = {}, exit: expected, says }, i) => {
        const at = "SLURM_CONF" in environment ? { SLURM_CONF } : environment;
        const { exit, stderr } = await embed(`refused${i}`, flags, { environment: at }).ended;
        assert.equal(exit, expected, `${what}: ${stderr}`);
        const errors = stderr.split("\n").filter((line) => line.startsWith("raysidue: error:"));
        assert.equal(errors.length, 1, `${what}: ${stderr}`);
        assert.match(errors[0]!, says);
      }),
    );
    assert.equal(await user.queue(), "");
  });
});
