/**
 * What an embedding run computes: a model, parameters, and everything that follows from the two.
 *
 * Owns: bringing the model here and checking the parameters against it.
 */
import {
  canonicalJson,
  costOf,
  type EmbedInput,
  type EmbedParameters,
  embedModelOf,
  resolveEmbed,
  rowLayout,
} from "../../kind/embed.ts";
import type { RowLayout } from "../../kind/kind.ts";
import { RARE_LETTERS, type SequenceRules } from "../../kind/sequence.ts";
import type { LocatedModel } from "../../model/locate.ts";
import { ensureModel } from "../../model/pull.ts";
import type { PullProgress } from "../../model/pull-context.ts";
import type { NamedSpace } from "../../store/cache.ts";
import type { RunRequest } from "../run/run-tasks.ts";

export const DEFAULT_MODEL = "antiberty";

export interface TargetOptions {
  /** A name of the catalogue, `owner/name` on the hub, or a folder. */
  readonly model?: string;
  readonly parameters?: EmbedInput;
  /** Never touch the network. */
  readonly isOffline?: boolean;
  readonly onModel?: (progress: PullProgress) => void;
  readonly signal?: AbortSignal;
}

export interface EmbedTarget {
  readonly model: LocatedModel;
  readonly parameters: EmbedParameters;
  /** What results are known by, apart from the sequence. */
  readonly space: NamedSpace;
  readonly rules: SequenceRules;
  readonly layout: RowLayout;
  /** What a run asks of the fleet, but for what is its own. */
  readonly request: Omit<RunRequest, "name" | "weight" | "expectedGflop">;
  /** Tokens that the model sees of a sequence of so many residues. */
  costOf(length: number): number;
  /** Of so many tokens: twice the weights each, as if all of them were multiplied. */
  gflopOf(tokens: number): number;
}

/** Fetches the model if need be. Throws RaysidueError: see ensureModel and resolveEmbed. */
export async function resolveTarget(options: TargetOptions): Promise<EmbedTarget> {
  const model = await ensureModel(options.model ?? DEFAULT_MODEL, {
    offline: options.isOffline === true,
    ...(options.onModel && { onProgress: options.onModel }),
    ...(options.signal && { signal: options.signal }),
  });
  const { parameters, maxLength, onLong } = resolveEmbed(
    options.parameters ?? {},
    embedModelOf(model),
  );
  const { alphabet, fingerprint, name } = model;
  const identity = { kind: "embed", fingerprint, parameters: canonicalJson(parameters) };
  return {
    model,
    parameters,
    space: { ...identity, model: name },
    rules: {
      alphabet,
      unknownLetters: [...RARE_LETTERS].filter((letter) => !alphabet.includes(letter)).join(""),
      maxLength: maxLength ?? undefined,
      onLong,
    },
    layout: rowLayout(parameters, model.dim),
    request: { ...identity, model: name, engine: model.kind === "emulate" ? "emulate" : "onnx" },
    costOf: (length) => costOf(length, parameters),
    gflopOf: (tokens) => (2 * weightCount(model) * tokens) / 1e9,
  };
}

/** From the size of float32 checkpoints; near enough for what it decides. */
function weightCount(model: LocatedModel): number {
  if (model.kind === "emulate") return 0;
  const weights = model.files.filter((file) => file.role.startsWith("weights"));
  return weights.reduce((sum, file) => sum + file.sizeBytes, 0) / 4;
}
