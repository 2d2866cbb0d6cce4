/**
 * Numberings of antibody sequences from the `annotate` kind, on the run's own fleet.
 *
 * Owns: the question, and a domain as a string of regions. Invariant: an annotation is known by its
 * sequence alone and shared with `raysidue annotate`.
 */
import {
  ANNOTATE_ENGINE,
  ANNOTATE_FINGERPRINT,
  canonicalAnnotate,
  decodeAnnotation,
  resolveAnnotate,
} from "../../kind/annotate.ts";
import { domainRegions } from "../../kind/domain-regions.ts";
import { type AskingJob, askOfSequences, type SequenceAnswers } from "../run/sequence-answers.ts";
import type { RegionSource } from "./region-source.ts";

const IDENTITY = {
  kind: "annotate",
  fingerprint: ANNOTATE_FINGERPRINT,
  parameters: canonicalAnnotate(resolveAnnotate({})),
} as const;

/**
 * Regions by annotation of the sequences. `onlyFirst`: of each chain's first domain, as in the
 * original, so that of a merged Fv one half has no regions.
 */
export function annotatedRegions({ onlyFirst = false } = {}): RegionSource {
  return {
    name: `annotate ${ANNOTATE_FINGERPRINT}${onlyFirst ? "" : ", merged Fv"}`,
    regionsOf: (sequences, job) => regionsOf(sequences, job, { onlyFirst }),
  };
}

function regionsOf(
  sequences: ReadonlySet<string>,
  job: AskingJob,
  counted: { readonly onlyFirst: boolean },
): Promise<SequenceAnswers<string>> {
  const question = {
    name: "annotate",
    space: { ...IDENTITY, model: ANNOTATE_ENGINE },
    request: { ...IDENTITY, model: "", engine: ANNOTATE_ENGINE },
    itemOf: (sequence: string) => ({ data: Buffer.from(sequence), cost: sequence.length }),
    gflopOf: () => 0,
    prepare: () => job.session.prepareEngine(ANNOTATE_ENGINE, job.onWarning),
    // A sequence without a domain has a numbering without regions, which its pose's failure tells.
    decode: (payload: Uint8Array, { length }: { length: number }) =>
      domainRegions(decodeAnnotation(payload, length), length, counted) ?? "",
  };
  return askOfSequences(sequences, question, job);
}
