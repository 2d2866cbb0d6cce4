/**
 * What is analyzed, as its run would see it: the interface, and sequences to embed or annotate.
 *
 * Owns: reading sequences as their run would, what is counted of them, and computing a sample by
 * that run. Poses are in analyze-poses.ts.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ensureFolder } from "../../base/files.ts";
import {
  ANNOTATE_RULES,
  type AnnotateInput,
  canonicalAnnotate,
  DEFAULT_NUMBERING,
  NUMBERINGS,
  type Numbering,
  resolveAnnotate,
} from "../../kind/annotate.ts";
import type { SequenceRules } from "../../kind/sequence.ts";
import type { NamedSpace } from "../../store/cache.ts";
import type { Session } from "../fleet/session.ts";
import type { TableFormat } from "../output/table-format.ts";
import type { Plan } from "../plan/plan.ts";
import { readSequences } from "../plan/read-sequences.ts";
import { annotate } from "../sequences/annotate.ts";
import { embed } from "../sequences/embed.ts";
import { resolveTarget, type TargetOptions } from "../sequences/embed-target.ts";
import type { JobOptions } from "../sequences/sequence-job.ts";

export interface InputCounts {
  readonly files: number;
  readonly records: number;
  readonly refused: number;
  /** What there is in numbers beyond that, by name. */
  readonly details: Readonly<Record<string, number>>;
  /** Where not all files were read: how many were, and by what all numbers but `files` grew. */
  readonly estimate?: {
    readonly filesRead: number;
    readonly seed: number;
    readonly factor: number;
  };
  /** What reading all of it takes. */
  readonly readSeconds: number;
}

export interface ReadContext {
  readonly session: Session;
  /** Scratch, and where reading leaves its names. */
  readonly work: string;
  readonly cacheFolder: string | null;
  readonly signal: AbortSignal;
}

export interface SampleOptions {
  /** Scratch; the run's output folder is `out` in it. */
  readonly folder: string;
  /** How often an item comes in the input, on average. */
  readonly rowsPerItem: number;
  readonly signal: AbortSignal;
}

/** Items of one kind that a run computes. */
export interface Stage {
  readonly space: NamedSpace;
  /** Makes ready what is made once a machine, so that it is no part of a run's time. */
  prepare?(session: Session, onNotice: (text: string) => void): Promise<void>;
  /** Runs `items`, which a plan gave, on the session's fleet. */
  compute(session: Session, items: readonly Uint8Array[], options: SampleOptions): Promise<void>;
}

/** Items that a run needs the answers of before it computes its own. */
export interface Question extends Stage {
  readonly items: readonly { readonly data: Uint8Array; readonly cost: number }[];
  /** How many times as many there are: over 1 where not all was read. */
  readonly factor: number;
}

export interface Subject extends Stage {
  /** Reading asks the fleet: it must be there before the clock runs. */
  readonly readsWithFleet?: boolean;
  /** Reads into `plan` and deduplicates. */
  read(plan: Plan, context: ReadContext): Promise<InputCounts>;
  /** What the run asks first, of what was read. */
  questionsOf?(): readonly Question[];
}

export interface SubjectInputs {
  readonly inputs: readonly string[];
  readonly isRecursive: boolean;
}

interface SequenceTarget extends Stage {
  readonly rules: SequenceRules;
  readonly purpose: string;
  costOf(length: number): number;
}

/** Sequences that would be embedded. */
export async function embeddingSubject(
  from: SubjectInputs,
  options: TargetOptions & { readonly format?: TableFormat },
): Promise<Subject> {
  const { space, rules, costOf } = await resolveTarget(options);
  return sequencesSubject(from, {
    ...{ space, rules, costOf, purpose: "embedded" },
    compute: (session, items, sample) => embedSample(session, items, { ...options, ...sample }),
  });
}

/** Sequences that would be annotated. */
export function annotationSubject(from: SubjectInputs, input: AnnotateInput = {}): Subject {
  const stage = annotationStage(DEFAULT_NUMBERING, input);
  const target = { rules: ANNOTATE_RULES, purpose: "annotated" };
  return sequencesSubject(from, { ...stage, ...target, costOf: (length) => length });
}

export function annotationStage(numbering: Numbering, input: AnnotateInput = {}): Stage {
  const { engine, fingerprint } = NUMBERINGS[numbering];
  return {
    space: {
      ...{ kind: "annotate", fingerprint, model: engine },
      parameters: canonicalAnnotate(resolveAnnotate(input)),
    },
    prepare: (session, onNotice) => session.prepareEngine(engine, onNotice),
    async compute(session, items, options) {
      await annotate(session, {
        parameters: input,
        numbering,
        ...(await sampleJob(items, options)),
      });
    },
  };
}

export async function embedSample(
  session: Session,
  items: readonly Uint8Array[],
  options: SampleOptions & TargetOptions & { readonly format?: TableFormat },
): Promise<void> {
  const { folder, rowsPerItem, signal, ...target } = options;
  const job = await sampleJob(items, { folder, rowsPerItem, signal });
  await embed(session, { ...target, ...job });
}

/** Enough to tell what a row costs where its item is known. */
const ROWS_PER_ITEM_MAX = 16;

/**
 * A job on these sequences alone, each as often as the input has one on average: an item that comes
 * again costs less to write. Nothing of it is kept.
 */
async function sampleJob(
  items: readonly Uint8Array[],
  { folder, rowsPerItem, signal }: SampleOptions,
): Promise<JobOptions> {
  await ensureFolder(folder);
  const fasta = join(folder, "sample.fasta");
  const times = Math.min(ROWS_PER_ITEM_MAX, rowsPerItem);
  const text = items.map((item, i) => {
    const count = Math.floor((i + 1) * times) - Math.floor(i * times);
    return `>s${i}\n${Buffer.from(item).toString("latin1")}\n`.repeat(count);
  });
  await writeFile(fasta, text.join(""));
  return { inputs: [fasta], outputFolder: join(folder, "out"), cacheFolder: null, signal };
}

function sequencesSubject(from: SubjectInputs, target: SequenceTarget): Subject {
  return {
    ...target,
    async read(plan, { work, signal }) {
      const startedAt = performance.now();
      const { files, records, refused } = await readSequences(plan, {
        ...from,
        rules: target.rules,
        purpose: target.purpose,
        costOf: target.costOf,
        onInvalid: "skip",
        namesPath: join(work, "names.tsv"),
        signal,
        onRead: () => {},
      });
      plan.deduplicate();
      const readSeconds = (performance.now() - startedAt) / 1000;
      return { files, records, refused, readSeconds, details: countLengths(plan, target.costOf) };
    },
  };
}

function countLengths(plan: Plan, costOf: (length: number) => number): Record<string, number> {
  const all = { residues: 0, tokens: 0, longest: 0 };
  for (const rows of plan.rows()) {
    for (const { length, item } of rows) {
      if (item === undefined) continue;
      all.residues += length;
      all.tokens += costOf(length);
      all.longest = Math.max(all.longest, length);
    }
  }
  return all;
}
