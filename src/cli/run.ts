/**
 * `raysidue run list | explain | cancel`: the runs on a scheduler.
 */
import type { Command } from "@commander-js/extra-typings";
import { printJson } from "./exit.ts";

export function addRunCommand(program: Command): void {
  const run = program.command("run").description("the runs on a scheduler");
  run
    .command("list")
    .description("open runs and how far they are")
    .requiredOption("--address <url>", "the scheduler, grpc://HOST:PORT")
    .option("--json", "one JSON value on standard output")
    .action(async ({ address, json }) => {
      await using session = await connectTo(address);
      const { runs } = await session.status();
      if (json) return printJson({ runs });
      for (const { runId, kind, model, name, progress } of runs) {
        const done = `${progress?.committed ?? 0} of ${progress?.submitted ?? 0}`;
        process.stdout.write(`${[runId, kind, model, done, name].join("\t")}\n`);
      }
    });
  run
    .command("explain <run> [subject]")
    .description("why a task (a number) ran where and when, or why a device idled; of an open run")
    .requiredOption("--address <url>", "the scheduler, grpc://HOST:PORT")
    .option("--json", "one JSON value on standard output")
    .action(async (runId, subject, { address, json }) => {
      await using session = await connectTo(address);
      const lines = await session.explain(runId, subject);
      if (json) return printJson({ lines });
      for (const line of lines) process.stdout.write(`${line}\n`);
    });
  run
    .command("cancel <run>")
    .description("end a run; what is done is kept, and its command resumes it")
    .requiredOption("--address <url>", "the scheduler, grpc://HOST:PORT")
    .action(async (runId, { address }) => {
      await using session = await connectTo(address);
      process.stdout.write(`${await session.cancelRun(runId, "cancelled by `run cancel`")}\n`);
    });
}

async function connectTo(address: string) {
  const { connect } = await import("../driver/api.ts");
  return connect({ address });
}
