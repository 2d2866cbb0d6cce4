/**
 * Annotating files: sequences to the IMGT numbering of their antibody domains.
 *
 * Owns: what an annotation is known by. The phases are every job's (sequence-job.ts). A sequence
 * without an antibody domain is a result, not a failure.
 */
import {
  ANNOTATE_RULES,
  type AnnotateInput,
  canonicalAnnotate,
  DEFAULT_NUMBERING,
  NUMBERINGS,
  type Numbering,
  resolveAnnotate,
} from "../../kind/annotate.ts";
import { type LocatedGermlines, openGermlines } from "../../model/germlines.ts";
import { ensureGermlines } from "../../model/pull.ts";
import type { Session } from "../fleet/session.ts";
import type { JobSummary } from "../output/job-report.ts";
import { OutputFolder } from "../output/output-folder.ts";
import { checkInputs } from "../plan/listings.ts";
import { AnnotationTables } from "./annotation-tables.ts";
import { type JobOptions, runSequenceJob } from "./sequence-job.ts";

export interface AnnotateOptions extends JobOptions {
  readonly parameters?: AnnotateInput;
  readonly numbering?: Numbering;
  /** Tells species, V and J genes of the nearest germlines; their table is fetched once. */
  readonly species?: boolean;
}

export interface AnnotateSummary extends JobSummary {
  /** What numbered the domains, with its version. */
  readonly fingerprint: string;
  /** Records in which no domain was found. */
  readonly withoutDomain: number;
  /** Domains by locus: IGH, IGK, IGL; TRA, TRB, TRG, TRD. */
  readonly domains: Readonly<Record<string, number>>;
  /** Domains by the species of the nearest V germline; empty where species are not told. */
  readonly species: Readonly<Record<string, number>>;
}

/** In one line, T-cell receptors apart from antibodies. */
export function formatDomains({ domains, species, withoutDomain }: AnnotateSummary): string {
  const listed = (prefix: string) =>
    Object.entries(domains)
      .filter(([locus]) => locus.startsWith(prefix))
      .map(([locus, count]) => `${count} ${locus}`)
      .join(", ");
  const [antibodies, receptors] = [listed("IG"), listed("TR")];
  const told = Object.entries(species).map(([name, count]) => `${count} ${name}`);
  const parts = [
    `antibody domains: ${antibodies || "none"}`,
    ...(receptors === "" ? [] : [`T-cell receptor domains: ${receptors}`]),
    ...(told.length === 0 ? [] : [`nearest germlines: ${told.join(", ")}`]),
    ...(withoutDomain > 0 ? [`records without a domain: ${withoutDomain}`] : []),
  ];
  return parts.join("; ");
}

/** What a person should know before germlines are here. */
const FETCHING =
  "fetching ANARCI's table of germlines from PyPI (BSD-3-Clause; the sequences are IMGT's, whose " +
  "own terms may bind commercial use)";

async function fetchGermlines(options: AnnotateOptions): Promise<LocatedGermlines> {
  const { inputs, isRecursive, observer, signal } = options;
  await checkInputs("sequences", inputs, isRecursive === true);
  let isTold = false;
  return ensureGermlines({
    ...(signal && { signal }),
    onProgress: ({ phase }) => {
      if (phase === "fetch" && !isTold) observer?.onNotice?.(FETCHING);
      isTold ||= phase === "fetch";
    },
  });
}

/** Annotates every sequence of the inputs. Throws RaysidueError; the same call again resumes. */
export async function annotate(
  session: Session,
  options: AnnotateOptions,
): Promise<AnnotateSummary> {
  const startedAt = performance.now();
  const parameters = resolveAnnotate(options.parameters ?? {});
  const { engine, fingerprint } = NUMBERINGS[options.numbering ?? DEFAULT_NUMBERING];
  const located = options.species ? await fetchGermlines(options) : undefined;
  const germlines = located && (await openGermlines(located));
  const identity = {
    ...{ kind: "annotate", fingerprint },
    parameters: canonicalAnnotate(parameters),
  };
  await using folder = await OutputFolder.open(options.outputFolder, {
    kind: "annotate",
    engine: identity.fingerprint,
    parameters: identity.parameters,
  });
  let tables: AnnotationTables | undefined;
  const { outputFolder, ...rest } = await runSequenceJob(session, options, {
    folder,
    startedAt,
    target: {
      space: { ...identity, model: engine },
      rules: ANNOTATE_RULES,
      purpose: "annotated",
      request: { ...identity, model: "", engine },
      costOf: (length) => length,
      gflopOf: () => 0,
    },
    facts: {
      kind: "annotate",
      engine: { name: engine, fingerprint },
      parameters,
      ...(located && {
        germlines: {
          ...{ name: located.name, fingerprint: located.fingerprint },
          get species() {
            return tables?.species ?? {};
          },
        },
      }),
      // Read when run.json is written: the tables are then complete.
      get domains() {
        return tables?.domains ?? {};
      },
    },
    prepare: (onNotice) => session.prepareEngine(engine, onNotice),
    openTables: async (plan) => {
      tables = await AnnotationTables.create(folder, plan, { parameters, germlines });
      return tables;
    },
  });
  const withoutDomain = tables?.withoutDomain ?? 0;
  const { domains = {}, species = {} } = tables ?? {};
  return {
    ...{ outputFolder, fingerprint, withoutDomain, domains, species },
    ...rest,
  };
}
