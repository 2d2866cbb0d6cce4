/**
 * A user of a SLURM of their own: a sandbox beside a cluster, for the tests of one file.
 *
 * Owns: both, their end, and the command that all of these tests run: 400 sequences (24,000 tokens)
 * embedded by jobs of that cluster.
 */
import { after, before } from "node:test";
import { fastaOf, randomSequences } from "./fasta-text.ts";
import { type Command, type CommandOptions, Sandbox } from "./sandbox.ts";
import { SlurmCluster } from "./slurm-cluster.ts";

export class SlurmUser {
  sandbox!: Sandbox;
  slurm!: SlurmCluster;

  /** To be made inside `describe`: there from before its first test until after its last one. */
  constructor(nodes: number) {
    before(async () => {
      this.slurm = await SlurmCluster.start(nodes);
      this.sandbox = new Sandbox();
      this.sandbox.write("a.fasta", fastaOf(randomSequences(400, { from: 40, to: 80, seed: 8 })));
    });
    after(async () => {
      try {
        await this.sandbox?.[Symbol.asyncDispose]();
      } finally {
        await this.slurm?.[Symbol.asyncDispose]();
      }
    });
  }

  /** Starts `embed`; `cost`: of a token, as `--emulate` takes it. */
  embed(
    output: string,
    flags: readonly string[],
    { cost, environment, ...options }: CommandOptions & { readonly cost: string },
  ): Command {
    const model = ["-m", "emulate", "--emulate", cost, "--no-cache"];
    const fleet = ["--address", "slurm:", "--cpus", "2", ...flags];
    return this.sandbox.start(["embed", "a.fasta", "-o", output, ...model, ...fleet], {
      ...options,
      environment: { ...this.slurm.environment, ...environment },
    });
  }

  /** The number of the job that a run has submitted. */
  async jobOf(run: Command): Promise<string> {
    const [, job] = await run.printed(/slurm job (\d+): \d+ workers asked for/, "stderr");
    return job!;
  }

  /** What `squeue` lists; empty: no job waits, runs or ends. */
  queue(): Promise<string> {
    return this.slurm.command("squeue", "--noheader");
  }
}
