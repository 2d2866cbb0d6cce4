/**
 * The public interface of the package. The command line uses nothing else of the driver.
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
export { type AnnotateOptions, type AnnotateSummary, annotate, formatDomains } from "./annotate.ts";
export { annotatedRegions } from "./annotated-regions.ts";
export { type Balance, formatBalance } from "./balance.ts";
export { type ComputeOptions, type ComputeSummary, compute } from "./compute.ts";
export { connect } from "./connect.ts";
export { examine, type Finding } from "./doctor.ts";
export { type EmbedObserver, type EmbedOptions, type EmbedSummary, embed } from "./embed.ts";
export { DEFAULT_MODEL } from "./embed-target.ts";
export { ORIGINAL_EMBEDDING } from "./embedded-scalars.ts";
export { explainOutput } from "./explain-output.ts";
export type { ItemResult, RunOptions, SequenceItem } from "./item-result.ts";
export { type ItemRun, openRun } from "./item-run.ts";
export type { JobPlan, JobSummary } from "./job-report.ts";
export { openRegionTable, type RegionSource } from "./region-source.ts";
export { openScalarTable, type ScalarSource } from "./scalar-source.ts";
export { type ScoreObserver, type ScoreOptions, score } from "./score.ts";
export type { ScoreSummary } from "./score-report.ts";
export { formatStatistics, type ScoreStatistics } from "./score-statistics.ts";
export type { JobObserver, JobOptions } from "./sequence-job.ts";
export type { ConnectOptions, Session } from "./session.ts";
export { TABLE_FORMATS, type TableFormat } from "./table-format.ts";
export type { RankedPose } from "./top-poses.ts";
