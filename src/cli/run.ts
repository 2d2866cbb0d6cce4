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
    .description(
      "why a record ran where and when, or why a device idled: of a finished run by its output " +
        "folder (subject: a record's id or a device), of an open one by --address and its id " +
        "(subject: a task's number or a device)",
    )
    .option("--address <url>", "the scheduler of an open run, grpc://HOST:PORT")
    .option("--json", "one JSON value on standard output")
    .action(async (run, subject, { address, json }) => {
      const lines = await explain(run, subject, address);
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

async function explain(run: string, subject: string | undefined, address: string | undefined) {
  if (address === undefined) {
    const { explainOutput } = await import("../driver/api.ts");
    return explainOutput(run, subject);
  }
  await using session = await connectTo(address);
  return await session.explain(run, subject);
}

async function connectTo(address: string) {
  const { connect } = await import("../driver/api.ts");
  return connect({ address });
}
