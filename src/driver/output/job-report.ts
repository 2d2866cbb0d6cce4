/**
 * What is told of a job on sequences: its plan, its summary and run.json.
 *
 * Invariant: run.json is written last; a folder that has it is complete.
 */
import { writeFileAtomically } from "../../base/files.ts";
import { VERSION } from "../../base/version.ts";
import type { ReadCounts } from "../plan/read-sequences.ts";
import type { Balance } from "../run/balance.ts";
import type { PhaseSeconds } from "../run/phase-clock.ts";
import type { OutputFolder } from "./output-folder.ts";

/** What there is to do, known before anything is computed. */
export interface JobPlan {
  readonly records: number;
  readonly refused: number;
  readonly distinct: number;
  /** Distinct sequences whose result is known already. */
  readonly cached: number;
  /** Of the distinct sequences. */
  readonly residues: number;
  readonly residuesCached: number;
}

export interface JobSummary {
  readonly outputFolder: string;
  readonly plan: JobPlan;
  /** Distinct sequences computed by this run. */
  readonly computed: number;
  readonly rows: number;
  /** Input records without a row: skipped or quarantined. */
  readonly failed: number;
  /** Distinct sequences that failed while they were computed. */
  readonly quarantined: number;
  readonly seconds: PhaseSeconds;
  /** Of the last run on the fleet; absent where nothing was computed. */
  readonly balance?: Balance;
  readonly warnings: readonly string[];
}

/** What run.json says of the kind: its name, what computed, the parameters. */
export interface JobFacts {
  readonly kind: string;
  readonly parameters: unknown;
  readonly [name: string]: unknown;
}

/** Version of run.json's layout. */
const SCHEMA_VERSION = 1;

/** Writes run.json. */
export async function writeReport(
  folder: OutputFolder,
  parts: {
    readonly summary: JobSummary;
    readonly facts: JobFacts;
    readonly read: ReadCounts;
    readonly inputs: readonly string[];
    /** As the user typed it. */
    readonly command: readonly string[] | undefined;
  },
): Promise<void> {
  const { summary, facts, read, inputs, command } = parts;
  const { plan, computed, rows, failed, quarantined, seconds, warnings } = summary;
  const report = {
    schema_version: SCHEMA_VERSION,
    command: command ?? [],
    version: VERSION,
    node: process.version,
    ...facts,
    inputs,
    counts: { files: read.files, ...plan, computed, rows, failed, quarantined },
    changes: read.changes,
    seconds,
    ...(summary.balance && { balance: summary.balance }),
    warnings,
    exit: failed > 0 ? 2 : 0,
  };
  await writeFileAtomically(folder.file("run.json"), `${JSON.stringify(report, undefined, 2)}\n`);
}
