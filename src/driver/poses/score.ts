/**
 * Scoring docking poses: from structures to a ranking in an output folder.
 *
 * Owns: the order of the phases: network, folder, read, look up, annotate and embed what is distinct,
 * score, write, share, report. Invariant: nothing is computed that a store already has, and what is
 * known needs neither annotation nor embedding; killed at any moment, the same call goes on where the last durable row ended.
 */
import { join } from "node:path";
import type { FileSource } from "../../formats/text/file-source.ts";
import {
  canonicalScoreJson,
  resolveScore,
  type ScoreInput,
  type ScoreParameters,
} from "../../kind/score.ts";
import { ensureScorer } from "../../model/pull.ts";
import type { PullProgress } from "../../model/pull-context.ts";
import { DEFAULT_SCORER, type LocatedScorer } from "../../model/scorer.ts";
import type { ChainChoice } from "../../science/chains.ts";
import { type NamedSpace, publish } from "../../store/cache.ts";
import { defaultCacheFolder } from "../../store/cache-folder.ts";
import { spaceDigest } from "../../store/content-key.ts";
import type { ResultStore } from "../../store/result-store.ts";
import type { Session } from "../fleet/session.ts";
import { OutputFolder } from "../output/output-folder.ts";
import { writeOutput } from "../output/result-output.ts";
import { checkInputs } from "../plan/listings.ts";
import { Plan } from "../plan/plan.ts";
import { type ComputeOutcome, computePlan, hasNoRows, openKnown } from "../run/compute-plan.ts";
import { PhaseClock } from "../run/phase-clock.ts";
import type { AskingJob } from "../run/sequence-answers.ts";
import type { JobObserver, JobOptions } from "../sequences/sequence-job.ts";
import { annotatedRegions } from "./annotated-regions.ts";
import { openScalars } from "./embedded-scalars.ts";
import { PartialRanking } from "./partial-ranking.ts";
import type { CheckMode } from "./pose-check.ts";
import { askOfPoses } from "./pose-sequences.ts";
import { type PoseCounts, readPoses } from "./read-poses.ts";
import type { RegionSource } from "./region-source.ts";
import type { ScalarSource } from "./scalar-source.ts";
import {
  nothingScored,
  offCentreWarnings,
  planOfPoses,
  reportScores,
  type ScoreSummary,
} from "./score-report.ts";
import { ScoreTables } from "./score-tables.ts";
import { copyTopPoses, type TopSources } from "./top-poses.ts";

export interface ScoreOptions extends Omit<JobOptions, "inputs" | "onInvalid"> {
  /** PDB, mmCIF, quiver archives, each also gzipped; folders of them; `-` for a PDB stream. */
  readonly inputs: readonly string[];
  /** Of every pose; "auto": found by annotation (science/chain-roles.ts). */
  readonly chains: ChainChoice | "auto";
  /** Health checks of a sample (science/health.ts): told, or a reason to score nothing. */
  readonly check?: CheckMode;
  /** Leaves out what the checks call curable. */
  readonly cures?: boolean;
  /** Who numbers the antibodies' sequences. */
  readonly regions: RegionSource;
  /** Who embeds residues: a model as for `embed`, "none", or scalars of one's own. Absent: the
   * original's model, or none where its weights cannot be had. */
  readonly embedding?: string | ScalarSource;
  /** A scoring network of the catalogue. */
  readonly model?: string;
  readonly parameters?: ScoreInput;
  /** Never touch the network. */
  readonly isOffline?: boolean;
  /** How many of the best poses the summary names. */
  readonly top?: number;
  /** Copies them into `top/` of the output folder. */
  readonly copiesTop?: boolean;
  /** Writes the graphs that were scored into `graphs/`, as HDF5. */
  readonly keepsGraphs?: boolean;
  /** How often the ranking so far is written, at most; 0 for never. Default: 5 s. */
  readonly partialEveryMs?: number;
  /** Where poses wait as they were read, some 15 bytes an atom; default: in the output folder. */
  readonly scratch?: string;
  /** What reads the inputs; default: the machine's own files. */
  readonly files?: FileSource;
  readonly observer?: ScoreObserver;
}

export interface ScoreObserver extends JobObserver {
  onModel?(progress: PullProgress): void;
}

/**
 * Scores every pose of the inputs. A pose that cannot be read or scored is in failed.tsv, and the
 * rest is scored. Throws RaysidueError; the same call again resumes.
 */
export async function score(session: Session, options: ScoreOptions): Promise<ScoreSummary> {
  const startedAt = performance.now();
  const { observer, signal, isOffline, embedding, regions } = options;
  const onModel = observer?.onModel?.bind(observer);
  await checkInputs("poses", options.inputs, options.isRecursive === true);
  const scorer = await ensureScorer(options.model ?? DEFAULT_SCORER, {
    offline: isOffline === true,
    ...(onModel && { onProgress: onModel }),
    ...(signal && { signal }),
  });
  const scalars =
    typeof embedding === "object"
      ? embedding
      : await openScalars({
          model: embedding,
          outputFolder: options.outputFolder,
          isOffline: isOffline === true,
          ...(onModel && { onModel }),
          ...(signal && { signal }),
        });
  const sources = { embedding: scalars.name, regions: regions.name };
  const known = resolveScore(options.parameters ?? {}, sources);
  const parameters = options.keepsGraphs ? ({ ...known, graph: "kept" } as const) : known;
  const identity = {
    kind: "score",
    model: scorer.fingerprint,
    // Graphs may be asked for, or not, in the folder of the same scores.
    parameters: canonicalScoreJson(known),
    chains: JSON.stringify(options.chains),
    ...(options.cures && { cured: "true" }),
  };
  await using folder = await OutputFolder.open(options.outputFolder, identity, options.scratch);
  session.provide(scorer, ...((options.chains === "auto" && scalars.models) || []));
  return await new ScoreJob(session, options, { folder, scorer, scalars, parameters }).run(
    startedAt,
  );
}

interface ScoreParts {
  readonly folder: OutputFolder;
  readonly scorer: LocatedScorer;
  readonly scalars: ScalarSource;
  readonly parameters: ScoreParameters;
}

interface ComputeSources {
  readonly plan: Plan;
  readonly namesPath: string;
  readonly stores: ResultStore[];
}

const PARTIAL_EVERY_MS = 5000;

class ScoreJob {
  readonly #session: Session;
  readonly #options: ScoreOptions;
  readonly #parts: ScoreParts;
  readonly #space: NamedSpace;
  readonly #signal: AbortSignal;
  readonly #cacheFolder: string | null;
  readonly #warnings: string[] = [];

  constructor(session: Session, options: ScoreOptions, parts: ScoreParts) {
    this.#session = session;
    this.#options = options;
    this.#parts = parts;
    const { name, fingerprint } = parts.scorer;
    const canonical = canonicalScoreJson(parts.parameters);
    this.#space = { kind: "score", fingerprint, parameters: canonical, model: name };
    this.#signal = options.signal ?? new AbortController().signal;
    const { cacheFolder } = options;
    this.#cacheFolder = cacheFolder === undefined ? defaultCacheFolder() : cacheFolder;
  }

  async run(startedAt: number): Promise<ScoreSummary> {
    const { folder, parameters, scalars } = this.#parts;
    const { observer, inputs, command } = this.#options;
    using plan = new Plan(folder.scratch, spaceDigest(this.#space));
    const namesPath = join(folder.scratch, "names.tsv");
    const readAtMs = Date.now();
    const cache = { root: this.#cacheFolder, space: this.#space };
    const clock = new PhaseClock(startedAt);
    const stores = await openKnown(folder.shards, cache);
    try {
      if (hasNoRows(stores)) this.#session.startEarly();
      clock.begin("read");
      const read = await this.#read({ plan, namesPath, stores });
      if (scalars.caveat !== undefined) this.#warn(scalars.caveat.text);
      for (const [number, store] of stores.entries()) await plan.locate(store, number);
      const planned = planOfPoses(plan, read);
      observer?.onPlan?.(planned);
      clock.begin("compute");
      const outcome = await this.#compute({ plan, namesPath, stores });
      clock.begin("write");
      observer?.onWriting?.(planned.records);
      const tables = this.#openTables({ plan, namesPath, readAtMs });
      const { failures } = outcome;
      const counts = await writeOutput({ folder, plan, namesPath, stores, tables, failures });
      const statistics = tables.statistics();
      if (statistics === undefined) throw nothingScored(inputs, read, outcome);
      for (const warning of offCentreWarnings(statistics, counts)) this.#warn(warning);
      await this.#share();
      for (const store of stores) for (const warning of store.warnings) this.#warn(warning);
      return await reportScores({
        ...this.#parts,
        ...{ inputs, command, read, planned, outcome, counts, statistics, best: tables.best },
        seconds: clock.end(),
        warnings: this.#warnings,
        facts: { chains: this.#options.chains, embedding: scalars.facts, parameters },
      });
    } finally {
      for (const store of stores) await store.close();
    }
  }

  async #read({ plan, namesPath, stores }: ComputeSources): Promise<PoseCounts> {
    const { inputs, isRecursive, chains, check, cures, files } = this.#options;
    const { align } = this.#parts.parameters;
    const numbered = (sequences: ReadonlySet<string>) =>
      annotatedRegions().regionsOf(sequences, this.#askingJob());
    const read = await readPoses(plan, {
      inputs,
      isRecursive: isRecursive === true,
      chains: chains === "auto" ? { align, name: annotatedRegions().name, numbered } : chains,
      check: check ?? "warn",
      cures: cures === true,
      namesPath,
      book: { folder: this.#parts.folder.readings, cacheRoot: this.#cacheFolder },
      ...{ stores, space: spaceDigest(this.#space) },
      ...(files && { files }),
      signal: this.#signal,
      onRead: (poses) => this.#options.observer?.onRead?.(poses),
    });
    for (const warning of read.warnings) this.#warn(warning);
    plan.deduplicate();
    return read;
  }

  async #compute({ plan, namesPath, stores }: ComputeSources): Promise<ComputeOutcome> {
    const { folder, scalars, parameters } = this.#parts;
    const { regions, weight, outputFolder, observer } = this.#options;
    const { align } = parameters;
    const known = await askOfPoses(plan, { regions, scalars, align, job: this.#askingJob() });
    const partial = this.#startPartial({ plan, namesPath, stores });
    return computePlan({
      session: this.#session,
      folders: folder,
      plan,
      stores,
      request: {
        ...this.#space,
        engine: "score",
        weight: weight ?? 1,
        name: outputFolder,
        expectedGflop: 0,
      },
      dress: (data) => known.dress(data),
      signal: this.#signal,
      onProgress: (progress) => observer?.onProgress?.(progress),
      onWarning: (text) => this.#warn(text),
    }).finally(() => partial?.[Symbol.asyncDispose]());
  }

  #askingJob(): AskingJob {
    const { folder } = this.#parts;
    return {
      session: this.#session,
      shardFolder: folder.sequences,
      workFolder: folder.work,
      cacheFolder: this.#cacheFolder,
      signal: this.#signal,
      onProgress: (progress, what) => this.#options.observer?.onProgress?.(progress, what),
      onWarning: (text) => this.#warn(text),
    };
  }

  #startPartial(sources: ComputeSources): PartialRanking | undefined {
    const { partialEveryMs: everyMs = PARTIAL_EVERY_MS } = this.#options;
    const { items, located } = sources.plan.distinct.counts();
    if (everyMs === 0 || items === located) return undefined;
    const { folder, parameters } = this.#parts;
    const onWarning = (text: string) => this.#warn(text);
    return PartialRanking.start({ ...sources, folder, parameters, everyMs, onWarning });
  }

  #openTables(sources: TopSources): ScoreTables {
    const { folder, parameters, scalars } = this.#parts;
    const { top, copiesTop } = this.#options;
    return new ScoreTables(folder, {
      rowsMax: sources.plan.rowCount,
      parameters,
      note: scalars.caveat?.note,
      top: top ?? 0,
      ...(copiesTop && { copyTop: (best, to) => copyTopPoses(best, to, sources) }),
    });
  }

  async #share(): Promise<void> {
    if (this.#cacheFolder === null) return;
    const { warnings } = await publish(this.#cacheFolder, this.#space, this.#parts.folder.shards);
    for (const warning of warnings) this.#warn(warning);
  }

  #warn(text: string): void {
    this.#warnings.push(text);
    this.#options.observer?.onNotice?.(text);
  }
}
