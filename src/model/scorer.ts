/**
 * Networks that score docking poses, on this machine.
 *
 * Owns: from a name to the checked file of weights and its tensors. Invariant: as in locate.ts, what
 * is returned is complete and has the digests that the catalogue pins; the checkpoint's pickle is
 * read, never executed. Deliberately not here: what the tensors mean (engine/onnx/egnn.ts).
 */
import { dirname } from "node:path";
import { RaysidueError } from "../base/errors.ts";
import { readTorchCheckpoint } from "../formats/checkpoint/torch-checkpoint.ts";
import { resolveModelName, SCORER_WEIGHTS } from "./catalog.ts";
import type { CheckpointTensor } from "./checkpoint.ts";
import { isScorer, type LocateOptions } from "./locate.ts";
import { type LocatedMember, locateMember } from "./wheel-member.ts";

/** A scoring network: weights and nothing else. Equal fingerprints give equal scores. */
export interface LocatedScorer extends LocatedMember {
  readonly kind: "scorer";
}

export const DEFAULT_SCORER = "deeprank-ab";

/**
 * Finds a pulled scoring network. Throws RaysidueError: "usage" for an unknown name or a model of
 * sequences, "unavailable" where it has not been pulled, "bad-input" for a wrong digest.
 */
export async function locateScorer(
  name: string,
  options: LocateOptions = {},
): Promise<LocatedScorer> {
  const source = resolveModelName(name);
  if (!isScorer(source)) {
    const text = `model ${name} reads sequences and scores no poses; use ${DEFAULT_SCORER}`;
    throw new RaysidueError("usage", text);
  }
  return { kind: "scorer", ...(await locateMember(source, SCORER_WEIGHTS, options)) };
}

export interface ScorerWeights {
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** Where the tensors' files lie, free of links. */
  readonly folder: string;
}

/** Opens the checkpoint, headers only. Throws RaysidueError "bad-input" where it is malformed. */
export async function openScorer(scorer: Pick<LocatedScorer, "files">): Promise<ScorerWeights> {
  const file = scorer.files[0]!.path;
  const entries = await readTorchCheckpoint(file);
  const tensors = new Map([...entries].map(([name, entry]) => [name, { ...entry, file }]));
  return { tensors, folder: dirname(file) };
}
