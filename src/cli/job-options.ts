/**
 * Options that commands with jobs share, and what these commands do with them.
 *
 * Owns: connecting, interrupting, showing and ending such a command. What is computed is the
 * command's own.
 */
import { type Command, Option } from "commander";
import type { ConnectOptions, JobOptions, JobSummary, Session } from "../driver/api.ts";
import { EXIT_QUARANTINED, printJson } from "./exit.ts";
import { addFleetOptions, clusterOptions, type FleetFlags } from "./fleet-options.ts";
import { parseBytes, parseCount, parseShare } from "./option-values.ts";

/**
 * Adds the options to `command`; their values are a JobFlags. Deliberately untyped: the type checker
 * does not come to an end with a generic command and this many options.
 */
export function addJobOptions(command: Command): void {
  command
    .requiredOption("-o, --output <folder>", "where results go; the same command again resumes")
    .addOption(
      new Option("--on-invalid <what>", "with records that are no sequences")
        .choices(["fail", "skip"])
        .default("fail"),
    )
    .option("-r, --recursive", "search folders below folders too")
    .option(
      "--address <url>",
      "grpc:// of a scheduler, bridge:// or ray:// of a Ray cluster, slurm: (default: this machine)",
    )
    .option(
      "--engines <n>",
      "engine processes on this machine (default: one a core)",
      parseCount(1),
    )
    .option("--memory <size>", "memory that all engines together may use", parseBytes)
    .option("--weight <share>", "share of the fleet against other runs", parseShare, 1)
    .option("--cache-dir <folder>", "results shared by runs (default: in the user's cache)")
    .option("--no-cache", "neither read nor write the shared results")
    .option("--json", "one JSON value on standard output");
  addFleetOptions(command);
}

/** Values of the options above. */
export interface JobFlags extends FleetFlags {
  readonly output: string;
  readonly onInvalid?: "fail" | "skip";
  readonly recursive?: true | undefined;
  readonly address?: string | undefined;
  readonly engines?: number | undefined;
  readonly threads?: number | undefined;
  readonly emulate?: readonly string[] | undefined;
  readonly memory?: number | undefined;
  readonly weight: number;
  readonly cacheDir?: string | undefined;
  readonly cache: boolean;
  readonly json?: true | undefined;
}

/** Runs a job as the flags say: prints its summary, or why it failed, and sets the exit code. */
export async function runJob<Summary extends JobSummary>(
  inputs: readonly string[],
  flags: JobFlags,
  job: {
    /** What is computed, in the plural; absent: sequences. */
    readonly items?: string;
    readonly connect?: ConnectOptions;
    run(session: Session, options: JobOptions): Promise<Summary>;
    /** What a person reads besides the summary's own lines. */
    tell?(summary: Summary): readonly string[];
  },
): Promise<void> {
  const [{ connect }, { JobDisplay }, { abortOnSignals }, { join, resolve }] = await Promise.all([
    // Not the whole interface: a command loads what it uses.
    import("../driver/fleet/connect.ts"),
    import("./job-display.ts"),
    import("./signals.ts"),
    import("node:path"),
  ]);
  const outputFolder = resolve(flags.output);
  using interrupt = abortOnSignals();
  using display = new JobDisplay(job.items);
  try {
    await using session = await connect({
      logPath: join(outputFolder, "log.ndjson"),
      onNotice: (text) => display.onNotice(text),
      ...fleetOptions(flags),
      ...clusterOptions(flags, join(outputFolder, ".raysidue")),
      ...job.connect,
    });
    const summary = await job.run(session, {
      inputs,
      outputFolder,
      ...(flags.onInvalid !== undefined && { onInvalid: flags.onInvalid }),
      isRecursive: flags.recursive === true,
      weight: flags.weight,
      signal: interrupt.signal,
      observer: display,
      command: process.argv.slice(2),
      ...(!flags.cache && { cacheFolder: null }),
      ...(flags.cache && flags.cacheDir && { cacheFolder: resolve(flags.cacheDir) }),
    });
    display.onDone(summary);
    for (const line of job.tell?.(summary) ?? []) display.onNotice(line);
    if (summary.failed > 0) process.exitCode = EXIT_QUARANTINED;
    if (flags.json) printJson({ ...summary, exit: process.exitCode ?? 0 });
    else process.stdout.write(`${summary.outputFolder}\n`);
  } catch (thrown) {
    display[Symbol.dispose]();
    interrupt.report(thrown, { isJson: flags.json === true });
  }
}

function fleetOptions(flags: JobFlags): ConnectOptions {
  const { address, engines, threads, memory, emulate } = flags;
  return {
    ...(address !== undefined && { address }),
    ...(engines !== undefined && { engines }),
    ...(threads !== undefined && { threads }),
    ...(memory !== undefined && { memoryBytes: memory }),
    ...(emulate !== undefined && { emulate }),
  };
}
