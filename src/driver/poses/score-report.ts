/**
 * What is told of a scoring run: its plan, its summary and run.json.
 */
import { RaysidueError } from "../../base/errors.ts";
import type { LocatedScorer } from "../../model/scorer.ts";
import { type JobFacts, type JobPlan, type JobSummary, writeReport } from "../output/job-report.ts";
import type { OutputFolder } from "../output/output-folder.ts";
import type { OutputCounts } from "../output/result-output.ts";
import type { Plan } from "../plan/plan.ts";
import type { ComputeOutcome } from "../run/compute-plan.ts";
import type { PoseCounts } from "./read-poses.ts";
import { OFF_CENTRE, OFF_CENTRE_MAX } from "./score-row.ts";
import type { ScoreStatistics } from "./score-statistics.ts";
import type { RankedPose } from "./top-poses.ts";

export interface ScoreSummary extends JobSummary {
  readonly model: string;
  readonly fingerprint: string;
  readonly statistics: ScoreStatistics;
  /** As many as were asked for, the best first. */
  readonly best: readonly RankedPose[];
}

/** Poses have no residues to count: atoms are in their cost. */
export function planOfPoses(plan: Plan, { records, refused }: PoseCounts): JobPlan {
  const { items, located } = plan.distinct.counts();
  return { records, refused, distinct: items, cached: located, residues: 0, residuesCached: 0 };
}

export interface ScoreRun {
  readonly folder: OutputFolder;
  readonly scorer: LocatedScorer;
  readonly read: PoseCounts;
  readonly planned: JobPlan;
  readonly outcome: ComputeOutcome;
  readonly counts: OutputCounts;
  readonly statistics: ScoreStatistics;
  readonly best: readonly RankedPose[];
  readonly seconds: JobSummary["seconds"];
  readonly warnings: readonly string[];
  readonly inputs: readonly string[];
  readonly command: readonly string[] | undefined;
  /** What run.json says besides. */
  readonly facts: Omit<JobFacts, "kind">;
}

/** Writes run.json. */
export async function reportScores(run: ScoreRun): Promise<ScoreSummary> {
  const { folder, scorer, planned, outcome, counts, statistics, best, inputs, command } = run;
  const { name, fingerprint } = scorer;
  const quarantined = outcome.failures.size;
  const summary: ScoreSummary = {
    outputFolder: folder.path,
    model: name,
    fingerprint,
    plan: planned,
    computed: planned.distinct - planned.cached - quarantined,
    rows: counts.rows,
    failed: counts.failed,
    quarantined,
    seconds: run.seconds,
    ...(outcome.balance && { balance: outcome.balance }),
    warnings: run.warnings,
    statistics,
    best,
  };
  const { parameters, ...facts } = run.facts;
  await writeReport(folder, {
    summary,
    facts: { kind: "score", model: { name, fingerprint }, ...facts, parameters, statistics },
    read: { ...run.read, changes: {} },
    inputs,
    command,
  });
  return summary;
}

/** What to say where scores depend on a frame that poses may not share. */
export function offCentreWarnings({ flagged }: ScoreStatistics, { rows }: OutputCounts): string[] {
  const count = flagged[OFF_CENTRE] ?? 0;
  if (count === 0) return [];
  const said = `${count} of ${rows} poses lie over ${OFF_CENTRE_MAX} angstrom from the origin`;
  return [`${said}, on which scores depend: compare poses of one frame, or use --centre com`];
}

/** Why there is no ranking. */
export function nothingScored(
  inputs: readonly string[],
  read: PoseCounts,
  { failures }: ComputeOutcome,
): RaysidueError {
  const [computed] = failures.values();
  const reason = read.firstProblem || computed || "there is no pose";
  return new RaysidueError("bad-input", `${inputs.join(", ")}: no pose was scored: ${reason}`);
}
