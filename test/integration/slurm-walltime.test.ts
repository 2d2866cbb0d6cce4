/**
 * Jobs of a real SLURM whose walltime ends in mid-run, with SLURM's warning and without.
 *
 * Proves: a worker that is warned drains before its walltime ends; one that is not has no batch
 * under way when SLURM ends it. Either way another array goes on, nothing is lost and no row is
 * computed twice. SLURM counts walltimes in minutes: this takes three, so scripts/test-slurm runs it
 * and scripts/test does not.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readReport, readTrace } from "../support/outputs.ts";
import { noSlurm } from "../support/slurm-cluster.ts";
import { SlurmUser } from "../support/slurm-user.ts";

const RUN_MS = 420_000;

interface Case {
  readonly name: string;
  readonly flags: readonly string[];
  /** Of a token; 24,000 are to be computed by one device. */
  readonly cost: string;
  /** What SLURM says of the first job in the end. */
  readonly ends: string;
}

const CASES: readonly Case[] = [
  { name: "warned", flags: ["--time", "2"], cost: "cost=6ms", ends: "COMPLETED" },
  {
    name: "not warned",
    // A signal that nobody heeds in the place of ours.
    flags: ["--time", "1", "--sbatch=--signal=B:URG@1"],
    cost: "cost=4ms",
    ends: "TIMEOUT",
  },
];

describe("the end of a walltime", { skip: noSlurm() ?? false, concurrency: true }, () => {
  const user = new SlurmUser(2);

  for (const { name, flags, cost, ends } of CASES) {
    test(`${name}: the run goes on in another job, and no row is computed twice`, async () => {
      const output = name.replace(" ", "-");
      const run = user.embed(output, ["--max-workers", "1", ...flags], { cost, timeoutMs: RUN_MS });
      const job = await user.jobOf(run);
      const { exit, stderr } = await run.ended;
      assert.equal(exit, 0, stderr);
      assert.match(stderr, new RegExp(`job ${job} is over and work is left; submitting again`));
      const { counts } = readReport(user.sandbox.path(output));
      assert.deepEqual([counts.rows, counts.computed], [400, 400]);
      const leases = await readTrace(user.sandbox.path(output));
      const committed = leases.filter(({ outcome }) => outcome === "committed");
      const tasks = committed.reduce((sum, lease) => sum + Number(lease.tasks), 0);
      assert.equal(tasks, 400);
      assert.equal(new Set(committed.map(({ worker }) => worker)).size > 1, true);
      // What was given back had not begun.
      const others = new Set(leases.map(({ outcome }) => outcome));
      assert.deepEqual(
        [...others].filter((each) => !/^(committed|returned)$/.test(each)),
        [],
      );
      const said = await user.slurm.command("scontrol", "show", "job", `${job}_0`);
      assert.match(said, new RegExp(`JobState=${ends} `));
    });
  }
});
