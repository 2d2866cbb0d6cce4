/**
 * `cluster/slurm/ray.sbatch`: a Ray cluster inside one job of a real SLURM, by `ray symmetric-run`.
 *
 * Proves: the recipe as it stands starts Ray on both nodes of the job, the command on the head uses
 * both, its exit code is the job's, and Ray ends with it. The nodes have networks and processes of
 * their own (test/support/node-namespaces.ts). Takes three minutes: scripts/test-slurm runs it.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { readEmbeddings, readTrace } from "../support/outputs.ts";
import { absence } from "../support/ray-nodes.ts";
import { REPOSITORY, Sandbox } from "../support/sandbox.ts";
import { noSlurm, SlurmCluster } from "../support/slurm-cluster.ts";

const PROGRAM = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
const JOB_MS = 420_000;

describe("Ray inside a SLURM job", { skip: noSlurm() ?? absence() ?? false }, () => {
  let slurm: SlurmCluster;
  let bin: string;
  before(async () => {
    bin = execFileSync(join(REPOSITORY, "scripts", "ray-venv"), { encoding: "utf8" }).trim();
    slurm = await SlurmCluster.startApart();
  });
  after(() => slurm?.[Symbol.asyncDispose]());

  const submit = async (sandbox: Sandbox, ...command: string[]) => {
    const script = join(REPOSITORY, "cluster", "slurm", "ray.sbatch");
    const flags = ["--nodes=2", "--wait", `--output=${sandbox.path("job.log")}`];
    const { exit } = await sandbox.startProgram(["sbatch", ...flags, script, ...command], {
      through: slurm.through,
      timeoutMs: JOB_MS,
      environment: {
        ...slurm.environment,
        PATH: `${bin}:${process.env.PATH}`,
        TMPDIR: "/tmp",
        RAYSIDUE_PROGRAM: PROGRAM,
        RAYSIDUE_NODE: process.execPath,
        RAY_AUTH_MODE: "disabled",
        RAY_worker_niceness: "0",
      },
    }).ended;
    return { exit, log: sandbox.read("job.log") };
  };

  test("both nodes work for the command on the head, and all ends with it", async () => {
    await using sandbox = new Sandbox();
    sandbox.write("a.fasta", fastaOf(randomSequences(400, { from: 40, to: 80, seed: 8 })));
    const model = ["-m", "emulate", "--emulate", "cost=3ms", "--no-cache"];
    const { exit, log } = await submit(sandbox, "embed", "a.fasta", "-o", "out", ...model);
    assert.equal(exit, 0, log);
    assert.equal((await readEmbeddings(sandbox.path("out"))).length, 400);
    const workers = new Set((await readTrace(sandbox.path("out"))).map(({ worker }) => worker));
    assert.equal(workers.size, 2, log);
    assert.deepEqual(sandbox.processes(), []);
  });

  test("a command that fails fails the job, with its own words", async () => {
    await using sandbox = new Sandbox();
    const command = ["embed", "nowhere.fasta", "-o", "out", "-m", "emulate"];
    const { exit, log } = await submit(sandbox, ...command);
    assert.equal(exit, 65, log);
    assert.match(log, /nowhere\.fasta: no such file/);
  });
});
