/**
 * Embedding files: sequences to vectors in an output folder.
 *
 * Owns: what an embedding run is known by, and its tables. The phases are every job's
 * (sequence-job.ts).
 */
import type { PullProgress } from "../../model/pull-context.ts";
import type { Session } from "../fleet/session.ts";
import type { JobSummary } from "../output/job-report.ts";
import { OutputFolder } from "../output/output-folder.ts";
import type { TableFormat } from "../output/table-format.ts";
import { checkInputs } from "../plan/listings.ts";
import { resolveTarget, type TargetOptions } from "./embed-target.ts";
import { EmbeddingTables } from "./embedding-tables.ts";
import { type JobObserver, type JobOptions, runSequenceJob } from "./sequence-job.ts";

export interface EmbedOptions extends Omit<TargetOptions, "onModel">, JobOptions {
  readonly format?: TableFormat;
  readonly observer?: EmbedObserver;
}

export interface EmbedObserver extends JobObserver {
  onModel?(progress: PullProgress): void;
}

export interface EmbedSummary extends JobSummary {
  readonly model: string;
  readonly fingerprint: string;
}

/**
 * Embeds every sequence of the inputs into the output folder. Throws RaysidueError; the same call
 * again resumes. Results agree within 1e-5 whatever the batches, workers and order were.
 */
export async function embed(session: Session, options: EmbedOptions): Promise<EmbedSummary> {
  const startedAt = performance.now();
  const { observer } = options;
  const format = options.format ?? "parquet";
  await checkInputs("sequences", options.inputs, options.isRecursive === true);
  const target = await resolveTarget({
    ...options,
    ...(observer?.onModel && { onModel: observer.onModel.bind(observer) }),
  });
  const { name, fingerprint, dim } = target.model;
  await using folder = await OutputFolder.open(options.outputFolder, {
    kind: "embed",
    model: fingerprint,
    parameters: target.space.parameters,
    format,
  });
  session.provide(target.model);
  const { outputFolder, ...rest } = await runSequenceJob(session, options, {
    folder,
    target: { ...target, purpose: "embedded" },
    startedAt,
    facts: {
      kind: "embed",
      model: { name, fingerprint, dim },
      parameters: target.parameters,
      format,
    },
    openTables: () => EmbeddingTables.create(folder, target.layout, format),
  });
  return { outputFolder, model: name, fingerprint, ...rest };
}
