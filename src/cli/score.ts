/**
 * `raysidue score`: docking poses of antibody-antigen complexes to a ranking.
 */
import { type Command, Option } from "@commander-js/extra-typings";
import type { Command as UntypedCommand } from "commander";
import { RaysidueError } from "../base/errors.ts";
import type { NamedModel } from "../driver/detached/run-cargo.ts";
import { addChainOptions, type ChainFlags, chainsOf } from "./chain-options.ts";
import { addDetachOption, type DetachFlags, detachJob } from "./detach.ts";
import { addDeviceOptions, addFleetOptions, type FleetFlags } from "./fleet-options.ts";
import { runJob } from "./job-options.ts";
import { parseBytes, parseCount, parseSeconds, parseShare } from "./option-values.ts";

/** Poses that --copy-poses copies where nobody says how many. */
const TOP_COPIED = 10;

export function addScoreCommand(program: Command): void {
  const command = defineScore(program);
  addDeviceOptions(command as unknown as UntypedCommand);
  addFleetOptions(command as unknown as UntypedCommand);
  addDetachOption(command as unknown as UntypedCommand);
  command.action((inputs, flags: ScoreFlags) => {
    if (flags.detach !== true) return runScore(inputs, flags);
    return detachJob(command as unknown as UntypedCommand, inputs, flags, {
      items: "poses",
      files: ["regions", "scalars"],
      models: (say) => modelsOf(flags, say),
    });
  });
}

function defineScore(program: Command) {
  const command = program
    .command("score <input...>")
    .description("rank docking poses (PDB, mmCIF, quiver; gzip; several models a file; folders)")
    .requiredOption("-o, --output <folder>", "where results go; the same command again resumes");
  addChainOptions(command as unknown as UntypedCommand);
  return command
    .addOption(
      new Option("--check <how>", "look at a sample of the poses: tell what is odd, or refuse")
        .choices(["off", "warn", "strict"] as const)
        .default("warn" as const),
    )
    .option("--cure", "leave out hydrogens and terminal oxygens, which --check finds")
    .option("-m, --model <model>", "a scoring network of the catalogue", "deeprank-ab")
    .option(
      "--embed-model <model>",
      "embeds the residues: a model as for embed, or none, which moves scores by <= 0.015 (default: esm2_t33_650M_UR50D, or none where its weights cannot be had)",
    )
    .addOption(
      new Option("--scalars <file>", "embeddings of your own: sequence, scalars").conflicts(
        "embedModel",
      ),
    )
    .option("--regions <file>", "numberings of your own: sequence, regions (default: annotated)")
    .option("--compat", "exactly the original, its faults included")
    .addOption(
      new Option("--centre <where>", "what the coordinates' origin is: scores depend on it")
        .choices(["file", "com"] as const)
        .default("file" as const),
    )
    .addOption(
      new Option("--radii <which>", "of atoms in buried areas")
        .choices(["original", "consistent"] as const)
        .default("original" as const),
    )
    .addOption(
      new Option("--align <how>", "labels by residue number, or by residue (mends inner hetero)")
        .choices(["original", "residues"] as const)
        .default("original" as const),
    )
    .option("--top <n>", "show the n best poses (with --copy-poses: 10)", parseCount(1))
    .option("--copy-poses", "copy the best poses into top/ of the output folder")
    .option("--keep-graphs", "write the graphs into graphs/, as HDF5 in the original's layout")
    .option(
      "--partial-every <time>",
      "how often scores.partial.tsv has the best so far; 0 for never (default: 5s)",
      parseSeconds,
    )
    .option("-r, --recursive", "search folders below folders too")
    .option("--address <url>", "of a scheduler, a Ray cluster, or slurm: (default: this machine)")
    .option(
      "--engines <n>",
      "engine processes on this machine (default: one a core)",
      parseCount(1),
    )
    .option("--threads <n>", "threads of each engine (default: 1)", parseCount(1))
    .option("--memory <size>", "memory that all engines together may use", parseBytes)
    .option("--weight <share>", "share of the fleet against other runs", parseShare, 1)
    .option("--cache-dir <folder>", "results shared by runs (default: in the user's cache)")
    .option("--scratch <folder>", "a fast local disk for poses on their way (default: the output)")
    .option("--no-cache", "neither read nor write the shared results")
    .option("--offline", "never touch the network")
    .option("--json", "one JSON value on standard output");
}

type ScoreFlags = ReturnType<ReturnType<typeof defineScore>["opts"]> &
  ChainFlags &
  FleetFlags &
  Pick<DetachFlags, "detach" | "keep">;

async function runScore(inputs: string[], flags: ScoreFlags): Promise<void> {
  const [api, { resolve }] = await Promise.all([import("../driver/api.ts"), import("node:path")]);
  const { regions, scalars, scratch, partialEvery, top } = flags;
  await runJob(inputs, flags, {
    items: "poses",
    run: async (session, options) => {
      const parameters = parametersOf(flags);
      const chains = chainsOf(flags);
      const embedding =
        scalars === undefined ? flags.embedModel : await api.openScalarTable(scalars);
      return api.score(session, {
        ...options,
        chains,
        check: flags.check,
        cures: flags.cure === true,
        regions:
          regions === undefined
            ? api.annotatedRegions({ asOriginal: flags.compat === true })
            : await api.openRegionTable(regions),
        ...(embedding !== undefined && { embedding }),
        parameters,
        model: flags.model,
        top: top ?? (flags.copyPoses ? TOP_COPIED : 0),
        ...(partialEvery !== undefined && { partialEveryMs: 1000 * partialEvery }),
        keepsGraphs: flags.keepGraphs === true,
        copiesTop: flags.copyPoses === true,
        isOffline: flags.offline === true,
        ...(scratch !== undefined && { scratch: resolve(scratch) }),
      });
    },
    tell: ({ statistics, best }) => [
      ...api.formatStatistics(statistics),
      ...best.map(
        ({ rank, score, pose }) => `${rank}. ${score.toFixed(4)} ${JSON.stringify(pose)}`,
      ),
    ],
  });
}

/** `--compat` says in one word what the defaults are, and excludes what departs from them. */
function parametersOf({ align, centre, radii, compat }: ScoreFlags) {
  if (compat && (align !== "original" || centre !== "file" || radii !== "original")) {
    const text = "--compat excludes --align residues, --centre com and --radii consistent";
    throw new RaysidueError("usage", text);
  }
  return { align, centre, radii };
}

/** What a run of these flags needs, brought here; flags and tables are checked on the way. */
async function modelsOf(flags: ScoreFlags, say: (text: string) => void): Promise<NamedModel[]> {
  chainsOf(flags);
  parametersOf(flags);
  const [api, { ensureScorer }, { openScalars }, { showPull }] = await Promise.all([
    import("../driver/api.ts"),
    import("../model/pull.ts"),
    import("../driver/poses/embedded-scalars.ts"),
    import("./pull-progress.ts"),
  ]);
  const { regions, scalars, output: outputFolder, embedModel } = flags;
  const isOffline = flags.offline === true;
  const onModel = showPull("model");
  if (regions !== undefined) await api.openRegionTable(regions);
  const source =
    scalars === undefined
      ? await openScalars({ model: embedModel, outputFolder, isOffline, onModel })
      : await api.openScalarTable(scalars);
  if (source.caveat !== undefined) say(source.caveat.text);
  const scorer = await ensureScorer(flags.model, { offline: isOffline, onProgress: onModel });
  return [
    { flag: "--model", model: scorer },
    ...(source.models ?? []).map((model) => ({ flag: "--embed-model", model })),
  ];
}
