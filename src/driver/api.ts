/**
 * The public interface of the package. Jobs of the command line are these functions, too.
 *
 *     await using session = await connect();
 *     const summary = await embed(session, { inputs: ["a.fasta"], outputFolder: "out" });
 *
 * or, item by item:
 *
 *     await using run = await openRun(session, { kind: "embed", model: "antiberty" });
 *     run.submit(items)   for await (const result of run.results())
 */

export { type ErrorCode, RaysidueError } from "../base/errors.ts";
export type { AnnotateInput } from "../kind/annotate.ts";
export type { EmbedInput } from "../kind/embed.ts";
export type { ScoreInput } from "../kind/score.ts";
export type { Progress, SchedulerStatus } from "../rpc/messages.ts";
export { examine, type Finding } from "./doctor.ts";
export { connect } from "./fleet/connect.ts";
export type { ConnectOptions, Session } from "./fleet/session.ts";
export type { ItemResult, RunOptions, SequenceItem } from "./items/item-result.ts";
export { type ItemRun, openRun } from "./items/item-run.ts";
export { explainOutput } from "./output/explain-output.ts";
export type { JobPlan, JobSummary } from "./output/job-report.ts";
export { TABLE_FORMATS, type TableFormat } from "./output/table-format.ts";
export { annotatedRegions } from "./poses/annotated-regions.ts";
export { ORIGINAL_EMBEDDING } from "./poses/embedded-scalars.ts";
export { openRegionTable, type RegionSource } from "./poses/region-source.ts";
export { openScalarTable, type ScalarSource } from "./poses/scalar-source.ts";
export { type ScoreObserver, type ScoreOptions, score } from "./poses/score.ts";
export type { ScoreSummary } from "./poses/score-report.ts";
export { formatStatistics, type ScoreStatistics } from "./poses/score-statistics.ts";
export type { RankedPose } from "./poses/top-poses.ts";
export { type Balance, formatBalance } from "./run/balance.ts";
export {
  type AnnotateOptions,
  type AnnotateSummary,
  annotate,
  formatDomains,
} from "./sequences/annotate.ts";
export { type ComputeOptions, type ComputeSummary, compute } from "./sequences/compute.ts";
export {
  type EmbedObserver,
  type EmbedOptions,
  type EmbedSummary,
  embed,
} from "./sequences/embed.ts";
export { DEFAULT_MODEL } from "./sequences/embed-target.ts";
export type { JobObserver, JobOptions } from "./sequences/sequence-job.ts";
