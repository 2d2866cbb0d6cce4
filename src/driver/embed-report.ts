/**
 * What is told of an embedding run: its plan, its summary, run.json and the rows of trace.tsv.
 *
 * Invariant: run.json is written last; a folder that has it is complete.
 */
import { writeFileAtomically } from "../base/files.ts";
import { VERSION } from "../base/version.ts";
import type { AttemptRow } from "../rpc/messages.ts";
import type { Balance } from "./balance.ts";
import type { EmbedTarget } from "./embed-target.ts";
import type { OutputFolder } from "./output-folder.ts";
import type { ReadCounts } from "./read-sequences.ts";

/** What there is to do, known before anything is computed. */
export interface EmbedPlan {
  readonly records: number;
  readonly refused: number;
  readonly distinct: number;
  /** Distinct sequences whose result is known already. */
  readonly cached: number;
  /** Of the distinct sequences. */
  readonly residues: number;
  readonly residuesCached: number;
}

export interface EmbedSummary {
  readonly outputFolder: string;
  readonly model: string;
  readonly fingerprint: string;
  readonly plan: EmbedPlan;
  /** Distinct sequences computed by this run. */
  readonly computed: number;
  readonly rows: number;
  /** Input records without a row: skipped or quarantined. */
  readonly failed: number;
  /** Distinct sequences that failed while they were computed. */
  readonly quarantined: number;
  readonly seconds: { readonly total: number; readonly compute: number };
  /** Of the last run on the fleet; absent where nothing was computed. */
  readonly balance?: Balance;
  readonly warnings: readonly string[];
}

/** Version of run.json's layout. */
const SCHEMA_VERSION = 1;

/** Writes run.json. */
export async function writeReport(
  folder: OutputFolder,
  parts: {
    readonly summary: EmbedSummary;
    readonly target: EmbedTarget;
    readonly read: ReadCounts;
    readonly options: {
      readonly inputs: readonly string[];
      readonly format?: string;
      readonly command?: readonly string[];
    };
  },
): Promise<void> {
  const { summary, target, read, options } = parts;
  const { plan, computed, rows, failed, quarantined, seconds, warnings } = summary;
  const { name, fingerprint, dim } = target.model;
  const report = {
    schema_version: SCHEMA_VERSION,
    command: options.command ?? [],
    version: VERSION,
    node: process.version,
    kind: "embed",
    model: { name, fingerprint, dim },
    parameters: target.parameters,
    format: options.format ?? "parquet",
    inputs: options.inputs,
    counts: { files: read.files, ...plan, computed, rows, failed, quarantined },
    changes: read.changes,
    seconds,
    ...(summary.balance && { balance: summary.balance }),
    warnings,
    exit: failed > 0 ? 2 : 0,
  };
  await writeFileAtomically(folder.file("run.json"), `${JSON.stringify(report, undefined, 2)}\n`);
}

export const TRACE_COLUMNS = [
  "lease",
  "worker",
  "device",
  "tasks",
  "tokens",
  "padded_tokens",
  "assigned_at",
  "finished_at",
  "busy_seconds",
  "outcome",
  "reason",
] as const;

/** A batch attempt as a row of trace.tsv; times in seconds since the run opened. */
export function traceRow(row: AttemptRow): (string | number)[] {
  const { lease, workerId, device, tasks, tokens, paddedTokens, outcome, reason } = row;
  const times = [row.assignedAt, row.finishedAt, row.busySeconds].map((value) => value.toFixed(4));
  return [lease, workerId, device, tasks, tokens, paddedTokens, ...times, outcome, reason];
}
