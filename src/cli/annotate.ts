/**
 * `raysidue annotate`: the IMGT numbering and CDRs of antibody sequences.
 */
import { type Command, Option } from "commander";
import type { AnnotateInput } from "../driver/api.ts";
import { DEFAULT_NUMBERING, NUMBERINGS, type Numbering } from "../kind/annotate.ts";
import { addDetachOption, type DetachFlags, detachJob } from "./detach.ts";
import { addJobOptions, type JobFlags, runJob } from "./job-options.ts";
import { parseFraction, parseList } from "./option-values.ts";

type AnnotateFlags = JobFlags &
  DetachFlags &
  Required<Pick<AnnotateInput, "chains" | "minConfidence">> & {
    readonly numbering: Numbering;
    readonly species?: true | undefined;
  };

export function addAnnotateCommand(program: Command): void {
  const command = program
    .command("annotate <input...>")
    .description("number the antibody domains of FASTA files (IMGT): residues, CDRs, loci")
    .addOption(
      new Option("--chains <chains>", "H, K, L of antibodies; A, B, G, D of T-cell receptors")
        .argParser(parseList(["H", "K", "L", "A", "B", "G", "D"]))
        .default(["H", "K", "L"]),
    )
    .addOption(
      new Option("--numbering <by>", "immunum, or 20 ms a chain: anarci, as poses are labelled")
        .choices(Object.keys(NUMBERINGS))
        .default(DEFAULT_NUMBERING),
    )
    .option("--species", "tell species, V and J genes by the nearest germlines (fetched once)")
    .option("--min-confidence <share>", "of a domain's alignment, 0 to 1", parseFraction, 0.5);
  addJobOptions(command);
  addDetachOption(command);
  command.action(async (inputs: string[], flags: AnnotateFlags) => {
    if (flags.detach === true) {
      return detachJob(command, inputs, flags, {
        items: "sequences",
        models: () => modelsOf(flags),
      });
    }
    await runJob(inputs, flags, {
      run: async (session, options) => {
        const { annotate, formatDomains } = await import("../driver/sequences/annotate.ts");
        const { chains, minConfidence, numbering } = flags;
        const parameters = { chains, minConfidence };
        const species = flags.species === true;
        const summary = await annotate(session, { ...options, parameters, numbering, species });
        options.observer?.onNotice?.(formatDomains(summary));
        return summary;
      },
    });
  });
}

/** What a run of these flags needs, brought here. */
async function modelsOf({ species }: AnnotateFlags) {
  if (!species) return [];
  const [{ ensureGermlines }, { showPull }] = await Promise.all([
    import("../model/pull.ts"),
    import("./pull-progress.ts"),
  ]);
  return [
    { flag: "--species", model: await ensureGermlines({ onProgress: showPull("germlines") }) },
  ];
}
