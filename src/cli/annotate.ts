/**
 * `raysidue annotate`: the IMGT numbering and CDRs of antibody sequences.
 */
import { type Command, Option } from "commander";
import type { AnnotateInput } from "../driver/api.ts";
import { addDetachOption, type DetachFlags, detachJob } from "./detach.ts";
import { addJobOptions, type JobFlags, runJob } from "./job-options.ts";
import { parseFraction, parseList } from "./option-values.ts";

type AnnotateFlags = JobFlags &
  DetachFlags &
  Required<Pick<AnnotateInput, "chains" | "minConfidence">>;

export function addAnnotateCommand(program: Command): void {
  const command = program
    .command("annotate <input...>")
    .description("number the antibody domains of FASTA files (IMGT): residues, CDRs, loci")
    .addOption(
      new Option("--chains <chains>", "H, K, L of antibodies; A, B, G, D of T-cell receptors")
        .argParser(parseList(["H", "K", "L", "A", "B", "G", "D"]))
        .default(["H", "K", "L"]),
    )
    .option("--min-confidence <share>", "of a domain's alignment, 0 to 1", parseFraction, 0.5);
  addJobOptions(command);
  addDetachOption(command);
  command.action(async (inputs: string[], flags: AnnotateFlags) => {
    if (flags.detach === true) {
      return detachJob(command, inputs, flags, { items: "sequences", models: async () => [] });
    }
    await runJob(inputs, flags, {
      run: async (session, options) => {
        const { annotate, formatDomains } = await import("../driver/sequences/annotate.ts");
        const { chains, minConfidence } = flags;
        const parameters = { chains, minConfidence };
        const summary = await annotate(session, { ...options, parameters });
        options.observer?.onNotice?.(formatDomains(summary));
        return summary;
      },
    });
  });
}
