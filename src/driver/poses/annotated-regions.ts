/**
 * Numberings of antibody sequences from the `annotate` kind, on the run's own fleet.
 *
 * Owns: the question, and a domain as a string of regions. Invariant: an annotation is known by its
 * sequence alone and shared with `raysidue annotate --numbering anarci`: labels are ANARCI's, as the
 * original's are.
 */
import {
  canonicalAnnotate,
  decodeAnnotation,
  NUMBERINGS,
  resolveAnnotate,
} from "../../kind/annotate.ts";
import { domainRegions } from "../../kind/domain-regions.ts";
import { type AskingJob, askOfSequences, type SequenceAnswers } from "../run/sequence-answers.ts";
import type { RegionSource } from "./region-source.ts";

/** Poses are labelled by it. */
export const POSE_NUMBERING = "anarci";

const { engine, fingerprint } = NUMBERINGS[POSE_NUMBERING];
const IDENTITY = {
  ...{ kind: "annotate", fingerprint },
  parameters: canonicalAnnotate(resolveAnnotate({})),
} as const;

/** Residues of a chain that the original has numbered. */
const ORIGINAL_RESIDUES = 130;

/**
 * Regions by annotation of the sequences. `asOriginal`: of the first domain in each chain's first
 * ORIGINAL_RESIDUES, so that of a merged Fv one half has no regions.
 */
export function annotatedRegions({ asOriginal = false } = {}): RegionSource {
  return {
    name: `annotate ${fingerprint}${asOriginal ? `, first ${ORIGINAL_RESIDUES}` : ", merged Fv"}`,
    regionsOf: (sequences, job) => regionsOf(sequences, job, { asOriginal }),
  };
}

function regionsOf(
  sequences: ReadonlySet<string>,
  job: AskingJob,
  { asOriginal }: { readonly asOriginal: boolean },
): Promise<SequenceAnswers<string>> {
  const residuesMax = asOriginal ? ORIGINAL_RESIDUES : Infinity;
  const question = {
    name: "annotate",
    space: { ...IDENTITY, model: engine },
    request: { ...IDENTITY, model: "", engine },
    itemOf: (sequence: string) => {
      const data = Buffer.from(sequence.slice(0, residuesMax));
      return { data, cost: data.length };
    },
    gflopOf: () => 0,
    prepare: () => job.session.prepareEngine(engine, job.onWarning),
    // A sequence without a domain has a numbering without regions, which its pose's failure tells.
    decode: (payload: Uint8Array, item: { length: number; sequence: string }) =>
      domainRegions(decodeAnnotation(payload, item.length), item.sequence.length, {
        onlyFirst: asOriginal,
      }) ?? "",
  };
  return askOfSequences(sequences, question, job);
}
