#!/usr/bin/env node
/**
 * `raysidue`: the program. Defines the commands; each lives in a file of its own.
 *
 * Invariant: nothing heavy is imported before a command runs, so that `--help` is instant.
 */
import { Command as TypedCommand } from "@commander-js/extra-typings";
import { type Command, CommanderError } from "commander";
import { VERSION } from "../base/version.ts";
import { addAnalyzeCommand } from "./analyze.ts";
import { addAnnotateCommand } from "./annotate.ts";
import { addCacheCommand } from "./cache.ts";
import { addClusterCommand } from "./cluster.ts";
import { addComputeCommand } from "./compute.ts";
import { addDoctorCommand } from "./doctor.ts";
import { addEmbedCommand } from "./embed.ts";
import { EXIT_OF_CODE, reportFailure } from "./exit.ts";
import { addModelCommand } from "./model.ts";
import { addNodeCommand } from "./node.ts";
import { addRunCommand } from "./run.ts";
import { addSchedulerCommand } from "./scheduler.ts";
import { addScoreCommand } from "./score.ts";
import { applyFiles, nameEnvironment } from "./settings.ts";
import { addSimulateCommand } from "./simulate.ts";
import { addWorkerCommand } from "./worker.ts";

function createProgram(): Command {
  const program = new TypedCommand("raysidue")
    .description("Protein inference spread over a whole cluster.")
    .version(VERSION)
    .showHelpAfterError("(`--help` says what there is)")
    .addHelpText(
      "after",
      "\nEvery flag has a twin in the environment (--max-length: RAYSIDUE_MAX_LENGTH) and a key in" +
        "\nraysidue.toml. Progress goes to stderr; stdout carries data only. Exit codes: 0 all done," +
        "\n2 finished but some items failed, 64 usage, 65 bad input, 69 unavailable, 75 try again.",
    );
  addEmbedCommand(program);
  addScoreCommand(program);
  addAnnotateCommand(program as unknown as Command);
  addAnalyzeCommand(program);
  addComputeCommand(program as unknown as Command);
  addModelCommand(program);
  addCacheCommand(program);
  addSchedulerCommand(program);
  addWorkerCommand(program);
  addNodeCommand(program);
  addClusterCommand(program);
  addRunCommand(program);
  addSimulateCommand(program);
  addDoctorCommand(program);
  return program as unknown as Command;
}

/** Applies `act` to a command and everything below it. */
function forAll(command: Command, act: (each: Command) => void): void {
  act(command);
  for (const below of command.commands) forAll(below, act);
}

async function main(): Promise<void> {
  // `raysidue model list | head`: the reader has what it wanted.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
  const program = createProgram();
  nameEnvironment(program);
  forAll(program, (command) => command.exitOverride());
  const isJson = process.argv.includes("--json");
  try {
    await applyFiles(program);
    await program.parseAsync();
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) return reportFailure(thrown, { isJson });
    // Commander has printed its message; help and version are no errors.
    process.exitCode = thrown.exitCode === 0 ? 0 : EXIT_OF_CODE.usage;
  }
}

await main();
