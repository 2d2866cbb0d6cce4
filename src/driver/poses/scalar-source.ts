/**
 * Where the scalars of residues come from: one number a residue that stands for a language model's
 * embedding in a pose's graph.
 *
 * Owns: the interface, no scalars at all, and tables that users bring. Invariant: a source's name
 * changes when its answers may; it enters the content keys of scores.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fromSystemError, RaysidueError } from "../../base/errors.ts";
import { readTsv, USER_TABLE } from "../../formats/table/tsv.ts";
import type { EmbedInput } from "../../kind/embed.ts";
import type { NamedSpace } from "../../store/cache.ts";
import type { ProvidedModel } from "../fleet/model-archive.ts";
import type { AskingJob, SequenceAnswers } from "../run/sequence-answers.ts";

export interface ScalarSource {
  /** What made the scalars, with its version; "none" for zeros. */
  readonly name: string;
  /** What run.json says of it. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** What a user of the scores must hear, and a word of it for each pose; absent for nothing. */
  readonly caveat?: { readonly text: string; readonly note: string };
  /** What embeds, where a model does. */
  readonly target?: ScalarTarget;
  /** What `scalarsOf` may need; for fleets that start before that is known. */
  readonly models?: readonly ProvidedModel[];
  /** `[residues] float32` by sequence. Fewer than residues: the others count as 0. */
  scalarsOf(sequences: ReadonlySet<string>, job: AskingJob): Promise<SequenceAnswers<Float32Array>>;
}

export interface ScalarTarget {
  /** A name as for `embed`. */
  readonly model: string;
  readonly input: EmbedInput;
  readonly space: NamedSpace;
  /** The bytes that are embedded of a sequence, and what the scheduler weighs of them. */
  itemOf(sequence: string): { readonly data: Uint8Array; readonly cost: number };
}

export const NO_SCALARS = "none";
/** The largest change of a score by leaving the scalars out: 21 complexes, docs of DeepRank-Ab. */
export const SCALARS_MATTER = "scores may differ by up to 0.015";

/** Zeros. `reason`: why, where nobody asked for it. */
export function noScalars(reason?: string): ScalarSource {
  const why = reason === undefined ? "" : `${reason}; `;
  const text = `${why}scored without a language model's embedding: ${SCALARS_MATTER}`;
  return {
    name: NO_SCALARS,
    facts: { model: NO_SCALARS, ...(reason !== undefined && { reason }) },
    caveat: { text, note: "embedding none" },
    scalarsOf: async () => ({ known: new Map(), failed: new Map() }),
  };
}

export const SCALAR_COLUMNS = ["sequence", "scalars"] as const;

/**
 * Scalars out of a table with the columns `sequence` (heavy and light together, or the antigen) and
 * `scalars` (with commas). Throws RaysidueError "bad-input" naming file and line of a wrong row.
 */
export async function openScalarTable(path: string): Promise<ScalarSource> {
  const table = new Map<string, Float32Array>();
  let line = 1;
  for await (const rows of readTsv(path, SCALAR_COLUMNS, USER_TABLE)) {
    for (const [sequence = "", text = ""] of rows) {
      line++;
      const numbers = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : +part));
      if (numbers.length !== sequence.length || !numbers.every(Number.isFinite)) {
        const wrong = "`scalars` needs a number for each residue of `sequence`, with commas";
        throw new RaysidueError("bad-input", `${path}:${line}: ${wrong}`);
      }
      table.set(sequence, Float32Array.from(numbers));
    }
  }
  const bytes = await readFile(path).catch((thrown: unknown) => {
    throw fromSystemError(thrown, `cannot read ${path}`);
  });
  const name = `table ${createHash("sha256").update(bytes).digest("hex")}`;
  return {
    name,
    facts: { model: name, file: path },
    scalarsOf: async (sequences) => {
      const known = new Map<string, Float32Array>();
      const failed = new Map<string, string>();
      for (const sequence of sequences) {
        const scalars = table.get(sequence);
        if (scalars !== undefined) known.set(sequence, scalars);
        else failed.set(sequence, `${path} has no scalars for ${shown(sequence)}`);
      }
      return { known, failed };
    },
  };
}

/** A sequence short enough for a line. */
function shown(sequence: string): string {
  return sequence.length <= 24 ? sequence : `${sequence.slice(0, 20)}... of ${sequence.length}`;
}
