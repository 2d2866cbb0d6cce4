/**
 * `raysidue embed`: sequences of FASTA files to vectors of a protein language model.
 */
import { type Command, Option } from "@commander-js/extra-typings";
import type { Command as UntypedCommand } from "commander";
import { TABLE_FORMATS } from "../driver/output/table-format.ts";
import { addDetachOption, type DetachFlags, detachJob } from "./detach.ts";
import { addDeviceOptions, addFleetOptions, type FleetFlags } from "./fleet-options.ts";
import { runJob } from "./job-options.ts";
import {
  collect,
  parseBytes,
  parseCount,
  parseInteger,
  parseList,
  parseShare,
} from "./option-values.ts";

export function addEmbedCommand(program: Command): void {
  const command = defineEmbed(program);
  addDeviceOptions(command as unknown as UntypedCommand);
  addFleetOptions(command as unknown as UntypedCommand);
  addDetachOption(command as unknown as UntypedCommand);
  command.action((inputs, flags: EmbedFlags) => {
    if (flags.detach !== true) return runEmbed(inputs, flags);
    return detachJob(command as unknown as UntypedCommand, inputs, flags, {
      items: "sequences",
      models: () => modelsOf(flags),
    });
  });
}

/** What a run of these flags needs, brought here; its parameters are checked. */
async function modelsOf(flags: EmbedFlags) {
  const [{ resolveTarget }, { showPull }] = await Promise.all([
    import("../driver/sequences/embed-target.ts"),
    import("./pull-progress.ts"),
  ]);
  const { model } = await resolveTarget({
    model: flags.model,
    parameters: parametersOf(flags),
    isOffline: flags.offline === true,
    onModel: showPull("model"),
  });
  return [{ flag: "--model", model }];
}

function defineEmbed(program: Command) {
  return program
    .command("embed <input...>")
    .description("embed the sequences of FASTA files (plain, gzip, - for stdin, folders)")
    .requiredOption("-o, --output <folder>", "where results go; the same command again resumes")
    .option(
      "-m, --model <model>",
      "catalogue name, owner/name on the hub, or a folder",
      "antiberty",
    )
    .option(
      "--pool <pools>",
      "mean, max, bos, several with commas, or none",
      (text) => (text === "none" ? [] : parseList(["mean", "max", "bos"])(text)),
      ["mean"] as ("mean" | "max" | "bos")[],
    )
    .option("--per-residue", "also one vector a residue, in per_residue/")
    .option("--scalar", "also one number a residue: the mean of its vector, in per_residue/")
    .option("--layer <n>", "hidden state: 0 the embedding, -1 the last", parseInteger, -1)
    .addOption(
      new Option("--dtype <dtype>", "of the output")
        .choices(["float32", "float16"] as const)
        .default("float32" as const),
    )
    .option("--max-length <n>", "residues (default: what the model was made for)", parseCount(1))
    .addOption(
      new Option("--on-long <what>", "with longer sequences")
        .choices(["error", "truncate", "window"] as const)
        .default("error" as const),
    )
    .option("--window-overlap <n>", "residues that neighbouring windows share", parseCount(0))
    .addOption(
      new Option("--on-invalid <what>", "with records that cannot be embedded")
        .choices(["fail", "skip"] as const)
        .default("fail" as const),
    )
    .addOption(
      new Option("--format <format>", "of embeddings/")
        .choices(TABLE_FORMATS)
        .default("parquet" as const),
    )
    .option("-r, --recursive", "search folders below folders too")
    .option(
      "--address <url>",
      "grpc:// of a scheduler, bridge:// or ray:// of a Ray cluster, slurm: (default: this machine)",
    )
    .option("--engines <n>", "engine processes on this machine (default: measured)", parseCount(1))
    .option("--threads <n>", "threads of each engine (default: measured)", parseCount(1))
    .option("--memory <size>", "memory that all engines together may use", parseBytes)
    .option("--emulate <device>", "with -m emulate: an emulated device; repeatable", collect)
    .option("--weight <share>", "share of the fleet against other runs", parseShare, 1)
    .option("--cache-dir <folder>", "results shared by runs (default: in the user's cache)")
    .option("--no-cache", "neither read nor write the shared results")
    .option("--offline", "never touch the network")
    .option("--json", "one JSON value on standard output");
}

type EmbedFlags = ReturnType<ReturnType<typeof defineEmbed>["opts"]> &
  FleetFlags &
  Pick<DetachFlags, "detach" | "keep">;

function runEmbed(inputs: string[], flags: EmbedFlags): Promise<void> {
  return runJob(inputs, flags, {
    run: async (session, options) => {
      const { embed } = await import("../driver/sequences/embed.ts");
      return embed(session, {
        ...options,
        model: flags.model,
        parameters: parametersOf(flags),
        format: flags.format,
        isOffline: flags.offline === true,
      });
    },
  });
}

function parametersOf(flags: EmbedFlags) {
  return {
    pools: flags.pool,
    perResidue: flags.perResidue === true,
    scalar: flags.scalar === true,
    layer: flags.layer,
    dtype: flags.dtype,
    onLong: flags.onLong,
    ...(flags.maxLength !== undefined && { maxLength: flags.maxLength }),
    ...(flags.windowOverlap !== undefined && { windowOverlap: flags.windowOverlap }),
  };
}
