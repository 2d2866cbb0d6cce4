/**
 * Scalars of residues from the `embed` kind, on the run's own fleet: the mean of the numbers of each
 * residue's vector in the last layer.
 *
 * Owns: which model, and what happens where its weights cannot be had. Invariant: a model that was
 * asked for by name is used or refused; only the default gives way to none, and says so. Source:
 * DeepRank-Ab 1.0.2: ESM-2 of 650M, float32, sequences cut at 2,500 residues, 0 for what is missing.
 */
import { messageOf, RaysidueError, saysDiskFull } from "../../base/errors.ts";
import { decodeRow, embedModelOf } from "../../kind/embed.ts";
import { canonicalSequence } from "../../kind/sequence.ts";
import { ensureModel } from "../../model/pull.ts";
import { identityOf } from "../output/output-folder.ts";
import { type AskingJob, askOfSequences, type SequenceAnswers } from "../run/sequence-answers.ts";
import { type EmbedTarget, resolveTarget, type TargetOptions } from "../sequences/embed-target.ts";
import {
  NO_SCALARS,
  noScalars,
  SCALARS_MATTER,
  type ScalarSource,
  type ScalarTarget,
} from "./scalar-source.ts";

/** What the scoring network was trained with. */
export const ORIGINAL_EMBEDDING = "esm2_t33_650M_UR50D";
/** Its name on the hub, as a located model is called. */
const ORIGINAL_NAME = `facebook/${ORIGINAL_EMBEDDING}`;
/** Longer sequences are cut by the original. */
const RESIDUES_MAX = 2500;

export interface ScalarModelOptions
  extends Pick<TargetOptions, "isOffline" | "onModel" | "signal"> {
  /** A model as for `embed`, or "none". Absent: the original's, or none where it cannot be had. */
  readonly model?: string | undefined;
  /** A run that goes on in this folder keeps to what the default was when it began. */
  readonly outputFolder: string;
}

/** Brings the model here. Throws RaysidueError where a model that was named cannot be had. */
export async function openScalars(options: ScalarModelOptions): Promise<ScalarSource> {
  const { model } = options;
  if (model === NO_SCALARS) return noScalars();
  const earlier = await earlierSource(options.outputFolder);
  if (model === undefined && earlier === NO_SCALARS) {
    return noScalars(`the output folder was begun without ${ORIGINAL_EMBEDDING}`);
  }
  try {
    return await embeddedBy({ ...options, model: model ?? ORIGINAL_EMBEDDING });
  } catch (thrown) {
    const mayDoWithout = model === undefined && (earlier ?? NO_SCALARS) === NO_SCALARS;
    if (!mayDoWithout || !isAway(thrown)) throw thrown;
    return noScalars(`no weights of ${ORIGINAL_EMBEDDING} (${messageOf(thrown)})`);
  }
}

/** The source of the run that an output folder was begun with, by whatever version. */
async function earlierSource(outputFolder: string): Promise<string | undefined> {
  const identity = await identityOf(outputFolder);
  if (identity?.kind !== "score" || identity.parameters === undefined) return undefined;
  try {
    return (JSON.parse(identity.parameters) as { readonly embedding?: string }).embedding;
  } catch {
    // Damaged: the folder is refused when it is taken.
    return undefined;
  }
}

/** What the user can mend on this machine, or must know (a wrong digest), is no reason for less. */
function isAway(thrown: unknown): boolean {
  if (!(thrown instanceof RaysidueError) || saysDiskFull(thrown.message)) return false;
  // "usage": a hub of the user's own that does not have it.
  return ["unavailable", "try-again", "usage"].includes(thrown.code);
}

async function embeddedBy(options: ScalarModelOptions & { model: string }): Promise<ScalarSource> {
  const { isOffline, onModel, signal } = options;
  const located = await ensureModel(options.model, {
    offline: isOffline === true,
    ...(onModel && { onProgress: onModel }),
    ...(signal && { signal }),
  });
  // Where positions are learned nothing can be cut off without a number for the rest.
  const { isLimitHard } = embedModelOf(located);
  const long = isLimitHard
    ? ({ onLong: "window" } as const)
    : ({ onLong: "truncate", maxLength: RESIDUES_MAX } as const);
  const input = { pools: [], scalar: true, ...long };
  const target = await resolveTarget({ model: options.model, isOffline: true, parameters: input });
  return new EmbeddedScalars(target, { model: options.model, input });
}

class EmbeddedScalars implements ScalarSource {
  readonly name: string;
  readonly facts: ScalarSource["facts"];
  readonly caveat?: { readonly text: string; readonly note: string };
  readonly models: NonNullable<ScalarSource["models"]>;
  readonly target: ScalarTarget;
  readonly #target: EmbedTarget;

  constructor(target: EmbedTarget, asked: Pick<ScalarTarget, "model" | "input">) {
    const { name, fingerprint } = target.model;
    const { space, rules, costOf } = target;
    this.#target = target;
    this.target = {
      ...asked,
      space,
      itemOf: (sequence) => {
        const { residues: data } = canonicalSequence(Buffer.from(sequence), rules);
        return { data, cost: costOf(data.length) };
      },
    };
    this.models = [target.model];
    this.name = `${fingerprint} ${target.space.parameters}`;
    this.facts = { model: name, fingerprint };
    if (name === ORIGINAL_NAME) return;
    const text = `embedded by ${name}, not by the original's ${ORIGINAL_EMBEDDING}`;
    this.caveat = { text: `${text}: ${SCALARS_MATTER}`, note: `embedding ${name}` };
  }

  scalarsOf(
    sequences: ReadonlySet<string>,
    job: AskingJob,
  ): Promise<SequenceAnswers<Float32Array>> {
    const { model, space, request, layout, gflopOf } = this.#target;
    const question = {
      name: "embed",
      space,
      request,
      itemOf: this.target.itemOf,
      gflopOf,
      // Weights travel to a cluster only where a sequence is not known.
      prepare: async () => job.session.provide(model),
      decode: (payload: Uint8Array, { length }: { length: number }) =>
        Float32Array.from(decodeRow(layout, length, payload).perResidue!),
    };
    return askOfSequences(sequences, question, job);
  }
}
