/**
 * `raysidue compute`: a kind of the user's own, by an engine of their own.
 */
import { type Command, InvalidArgumentError } from "commander";
import { addJobOptions, type JobFlags, runJob } from "./job-options.ts";

interface ComputeFlags extends JobFlags {
  readonly engine?: string;
  readonly engineVersion: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
}

export function addComputeCommand(program: Command): void {
  const command = program
    .command("compute <kind> <input...>")
    .description("compute a kind of your own for the sequences of FASTA files")
    .option(
      "--engine <name[=command]>",
      "what computes it (default: the engine of the kind's name); with a command or a folder, " +
        "as `worker start --engine` takes it, it runs on this machine, or in jobs of SLURM",
    )
    .option("--engine-version <text>", "results of another version are not taken for these", "1")
    .option("--parameters <json>", "an object for the engine", parseObject);
  addJobOptions(command);
  command.action(async (kind: string, inputs: string[], flags: ComputeFlags) => {
    const { engine, engineVersion, parameters } = flags;
    const isCommand = engine?.includes("=") === true;
    const name = isCommand ? engine.slice(0, engine.indexOf("=")).trim() : engine;
    await runJob(inputs, flags, {
      ...(isCommand && { connect: { ownEngines: [engine] } }),
      run: async (session, options) => {
        const { compute } = await import("../driver/sequences/compute.ts");
        return compute(session, {
          ...options,
          kind,
          engineVersion,
          ...(name !== undefined && { engine: name }),
          ...(parameters !== undefined && { parameters }),
        });
      },
    });
  });
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw new InvalidArgumentError("write a JSON object, e.g. '{\"ph\": 7.4}'.");
}
