/**
 * What the sequences of poses are known for: their regions and the scalars of their residues.
 *
 * Owns: asking for what is distinct, once, and adding the answers to a pose on its way to an engine.
 * Invariant: only poses that are left in the plan are asked for; a pose of which a sequence has no
 * answer is sent with the reason, and fails alone.
 */
import { decodePose } from "../../kind/pose-item.ts";
import { dressPose } from "../../kind/score.ts";
import { type Alignment, type PreparedComplex, poseSequences } from "../../science/prepare.ts";
import type { Plan } from "../plan/plan.ts";
import type { AskingJob, SequenceAnswers } from "../run/sequence-answers.ts";
import { itemsOf } from "../run/task-stream.ts";
import type { RegionSource } from "./region-source.ts";
import type { ScalarSource } from "./scalar-source.ts";

export interface PoseQuestion {
  readonly regions: RegionSource;
  readonly scalars: ScalarSource;
  readonly align: Alignment;
  readonly job: AskingJob;
}

/** Annotates and embeds the distinct sequences of the poses that are left. */
export async function askOfPoses(plan: Plan, question: PoseQuestion): Promise<KnownSequences> {
  const { regions, scalars, align, job } = question;
  const [domains, chains] = [new Set<string>(), new Set<string>()];
  for (const submission of plan.remaining()) {
    for (const item of itemsOf(submission)) {
      const { heavy, light, antibody, antigen } = sequencesOf(item, align);
      for (const sequence of [heavy, light]) domains.add(sequence);
      for (const sequence of [antibody, antigen]) chains.add(sequence);
    }
  }
  domains.delete("");
  chains.delete("");
  // Without a pose left nothing is asked: no engine starts for it.
  const none = { known: new Map(), failed: new Map() };
  if (domains.size === 0) return new KnownSequences(align, none, none);
  // Embedding comes first: a fleet that starts for it must be given the model.
  const embedded = await scalars.scalarsOf(chains, job);
  return new KnownSequences(align, await regions.regionsOf(domains, job), embedded);
}

export class KnownSequences {
  readonly #align: Alignment;
  readonly #regions: SequenceAnswers<string>;
  readonly #scalars: SequenceAnswers<Float32Array>;

  constructor(
    align: Alignment,
    regions: SequenceAnswers<string>,
    scalars: SequenceAnswers<Float32Array>,
  ) {
    this.#align = align;
    this.#regions = regions;
    this.#scalars = scalars;
  }

  /** A pose's item with what is known of its sequences. */
  dress(item: Uint8Array): Uint8Array {
    const sequences = sequencesOf(item, this.#align);
    const { heavy, light, antibody, antigen } = sequences;
    return dressPose(item, {
      heavy: this.#regions.known.get(heavy) ?? "",
      light: this.#regions.known.get(light) ?? "",
      antibodyScalars: padded(this.#scalars.known.get(antibody), antibody.length),
      antigenScalars: padded(this.#scalars.known.get(antigen), antigen.length),
      problem: this.#problemOf(sequences),
    });
  }

  #problemOf({ heavy, light, antibody, antigen }: PreparedComplex["sequences"]): string {
    const unnumbered = this.#regions.failed.get(heavy) ?? this.#regions.failed.get(light);
    if (unnumbered !== undefined) return `a chain was not annotated: ${unnumbered}`;
    const unembedded = this.#scalars.failed.get(antibody) ?? this.#scalars.failed.get(antigen);
    return unembedded === undefined ? "" : `a chain was not embedded: ${unembedded}`;
  }
}

function sequencesOf(item: Uint8Array, align: Alignment): PreparedComplex["sequences"] {
  const { structure, choice } = decodePose(item);
  return poseSequences(structure, choice, align);
}

/** Residues beyond what was embedded count as 0, as in the original; no scalars at all stay none. */
function padded(scalars: Float32Array | undefined, length: number): Float32Array {
  if (scalars === undefined || scalars.length === length) return scalars ?? new Float32Array();
  const all = new Float32Array(length);
  all.set(scalars);
  return all;
}
