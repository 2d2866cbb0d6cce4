/**
 * Own kinds on files: sequences to the results of an engine that raysidue does not know.
 *
 * Owns: what such results are known by (kind, the engine's version as the user says it, and
 * parameters) and results.ndjson. The phases are every job's (sequence-job.ts). The engine is one
 * of the workers' configuration; here it is only named.
 */
import { join } from "node:path";
import { RaysidueError } from "../../base/errors.ts";
import { AtomicFile } from "../../formats/atomic-file.ts";
import { canonicalParameters, checkOwnKind, OWN_RULES, showOwnRow } from "../../kind/own.ts";
import type { Session } from "../fleet/session.ts";
import type { JobSummary } from "../output/job-report.ts";
import { OutputFolder } from "../output/output-folder.ts";
import type { ResultRow, ResultTables } from "../output/result-output.ts";
import { type JobOptions, runSequenceJob } from "./sequence-job.ts";

export interface ComputeOptions extends JobOptions {
  /** A name of the user's own. */
  readonly kind: string;
  /** The workers' name for what computes it; absent: that of the kind. */
  readonly engine?: string;
  /** Results of one version are never taken for those of another. */
  readonly engineVersion?: string;
  /** Given to the engine as JSON. */
  readonly parameters?: Readonly<Record<string, unknown>>;
}

export interface ComputeSummary extends JobSummary {
  readonly kind: string;
  readonly engine: string;
}

const VERSION_CHARACTERS_MAX = 200;

/**
 * Computes a kind of the user's own for every sequence of the inputs. results.ndjson has one line a
 * record, in their order: `{"row", "id", "length", "result"}`, with `base64` in place of `result`
 * where a row is not JSON. Throws RaysidueError; the same call again resumes.
 */
export async function compute(session: Session, options: ComputeOptions): Promise<ComputeSummary> {
  const startedAt = performance.now();
  const { kind, engineVersion: version = "1", parameters = {} } = options;
  const engine = options.engine ?? kind;
  checkOwnKind(kind);
  if (version.length > VERSION_CHARACTERS_MAX) {
    throw new RaysidueError(
      "usage",
      `an engine's version has up to ${VERSION_CHARACTERS_MAX} letters`,
    );
  }
  const identity = { kind, fingerprint: version, parameters: canonicalParameters(parameters) };
  await using folder = await OutputFolder.open(options.outputFolder, {
    kind,
    engine: `${engine} ${version}`,
    parameters: identity.parameters,
  });
  const { outputFolder, ...rest } = await runSequenceJob(session, options, {
    folder,
    startedAt,
    target: {
      space: { ...identity, model: engine },
      rules: OWN_RULES,
      purpose: "computed",
      request: { ...identity, model: "", engine },
      costOf: (length) => length,
      gflopOf: () => 0,
    },
    facts: { kind, engine: { name: engine, version }, parameters },
    prepare: (onNotice) => session.prepareEngine(engine, onNotice),
    openTables: () => ResultLines.create(folder),
  });
  return { outputFolder, kind, engine, ...rest };
}

class ResultLines implements ResultTables {
  readonly names: ReadonlyMap<string, boolean> = new Map([["results.ndjson", true]]);
  readonly #file: AtomicFile;

  private constructor(file: AtomicFile) {
    this.#file = file;
  }

  static async create(folder: OutputFolder): Promise<ResultLines> {
    return new ResultLines(await AtomicFile.create(join(folder.work, "results.ndjson")));
  }

  async write(rows: readonly ResultRow[]): Promise<undefined> {
    const lines = rows.map(
      ({ row, id, length, payload }) =>
        `${JSON.stringify({ row, id, length, ...showOwnRow(payload) })}\n`,
    );
    await this.#file.write(lines.join(""));
    return undefined;
  }

  async close(): Promise<void> {
    await this.#file.commit();
  }

  async abort(): Promise<void> {
    await this.#file.abort();
  }
}
