/**
 * Poses that would be scored, as analyze sees them.
 *
 * Owns: which files are read where there are very many, what is counted of poses, what a run asks
 * about their sequences first, and computing a sample. Numbers of a sample grow with the bytes of
 * the files: poses of one campaign have like sizes, archives of many poses do not.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ensureFolder } from "../../base/files.ts";
import { Random } from "../../base/random.ts";
import { mmcifText } from "../../formats/structure/mmcif-writer.ts";
import { listInputs } from "../../formats/text/input-paths.ts";
import { decodePose } from "../../kind/pose-item.ts";
import { canonicalScoreJson, resolveScore, type ScoreInput } from "../../kind/score.ts";
import { ensureScorer } from "../../model/pull.ts";
import { DEFAULT_SCORER } from "../../model/scorer.ts";
import type { ChainChoice } from "../../science/chains.ts";
import { poseSequences } from "../../science/prepare.ts";
import { spaceDigest } from "../../store/content-key.ts";
import type { Session } from "../fleet/session.ts";
import { LISTINGS } from "../plan/listings.ts";
import type { Plan } from "../plan/plan.ts";
import { annotatedRegions, POSE_NUMBERING } from "../poses/annotated-regions.ts";
import { readPoses } from "../poses/read-poses.ts";
import type { RegionSource } from "../poses/region-source.ts";
import type { ScalarSource } from "../poses/scalar-source.ts";
import { score } from "../poses/score.ts";
import type { AskingJob } from "../run/sequence-answers.ts";
import { itemsOf } from "../run/task-stream.ts";
import {
  annotationStage,
  embedSample,
  type InputCounts,
  type Question,
  type ReadContext,
  type SampleOptions,
  type Subject,
  type SubjectInputs,
} from "./analyze-subject.ts";
import { bytesOf, drawn } from "./sampled-files.ts";
import { type Asked, askedOf, Tally } from "./sequence-tally.ts";

export interface PoseOptions {
  /** "auto": found by annotation. */
  readonly chains: ChainChoice | "auto";
  /** A table of the user's own; absent: sequences are annotated. */
  readonly regions?: RegionSource;
  readonly scalars: ScalarSource;
  readonly parameters?: ScoreInput;
  readonly isOffline: boolean;
}

/** More files than these are not all read: parsing takes some 13 ms each. */
const FILES_READ_MAX = 2000;
/** Of poses of like size the mean is then known within a few tenths of a per cent. */
const FILES_SAMPLED = 500;
const SEED = 1;

/** Poses that would be scored. Throws RaysidueError as the run would. */
export async function posesSubject(from: SubjectInputs, options: PoseOptions): Promise<Subject> {
  const { isOffline, scalars } = options;
  const regions = options.regions ?? annotatedRegions();
  const { fingerprint, name } = await ensureScorer(DEFAULT_SCORER, { offline: isOffline });
  const sources = { embedding: scalars.name, regions: regions.name };
  const parameters = canonicalScoreJson(resolveScore(options.parameters ?? {}, sources));
  const space = { kind: "score", fingerprint, parameters, model: name };
  return new Poses(from, options, space);
}

class Poses implements Subject {
  readonly space: Subject["space"];
  readonly #from: SubjectInputs;
  readonly #options: PoseOptions;
  /** What the run asks first, of what the plan had left. */
  #asked: { readonly domains: Asked; readonly chains: Asked } = {
    domains: askedOf([], 0),
    chains: askedOf([], 0),
  };

  constructor(from: SubjectInputs, options: PoseOptions, space: Subject["space"]) {
    this.#from = from;
    this.#options = options;
    this.space = space;
  }

  get readsWithFleet(): boolean {
    return this.#options.chains === "auto";
  }

  async prepare(session: Session, onNotice: (text: string) => void): Promise<void> {
    if (this.readsWithFleet) await annotationStage(POSE_NUMBERING).prepare?.(session, onNotice);
  }

  async read(plan: Plan, context: ReadContext): Promise<InputCounts> {
    const startedAt = performance.now();
    const { inputs, isRecursive } = this.#from;
    const paths = await listInputs(inputs, { ...LISTINGS.poses, recursive: isRecursive });
    const isWhole = paths.length <= FILES_READ_MAX || inputs.includes("-");
    const taken = isWhole ? [...paths] : drawn(paths, FILES_SAMPLED, new Random(SEED));
    const factor = isWhole ? 1 : (await bytesOf(paths)) / (await bytesOf(taken));
    const listedAt = performance.now();
    const detection = this.#detection(context);
    const { records, refused } = await readPoses(plan, {
      inputs: taken,
      isRecursive: false,
      chains: detection ?? (this.#options.chains as ChainChoice),
      check: "off",
      cures: false,
      namesPath: join(context.work, "names.tsv"),
      stores: [],
      space: spaceDigest(this.space),
      signal: context.signal,
      onRead: () => {},
    });
    plan.deduplicate();
    const asked = detection?.seconds ?? 0;
    const parsing = (performance.now() - listedAt) / 1000 - asked;
    const count = (value: number) => Math.round(factor * value);
    return {
      files: paths.length,
      records: count(records),
      refused: count(refused),
      details: this.#count(plan, factor),
      readSeconds: (listedAt - startedAt) / 1000 + asked + factor * parsing,
      ...(!isWhole && { estimate: { filesRead: taken.length, seed: SEED, factor } }),
    };
  }

  /** Where chains are to be found: how, and what was spent on annotations. */
  #detection({ session, work, cacheFolder, signal }: ReadContext) {
    if (this.#options.chains !== "auto") return undefined;
    const job = { ...askingJob(session, work, signal), cacheFolder };
    const detection = {
      align: this.align,
      name: annotatedRegions().name,
      seconds: 0,
      numbered: async (sequences: ReadonlySet<string>) => {
        const startedAt = performance.now();
        const answers = await annotatedRegions().regionsOf(sequences, job);
        detection.seconds = (performance.now() - startedAt) / 1000;
        return answers;
      },
    };
    return detection;
  }

  #count(plan: Plan, factor: number): Record<string, number> {
    const { align } = this;
    const tallies = {
      heavy: new Tally(),
      light: new Tally(),
      antibody: new Tally(),
      antigen: new Tally(),
    };
    let [atoms, most, poses] = [0, 0, 0];
    for (const submission of plan.remaining()) {
      for (const item of itemsOf(submission)) {
        const { structure, choice } = decodePose(item);
        const sequences = poseSequences(structure, choice, align);
        for (const part of PARTS) tallies[part].add(sequences[part]);
        atoms += structure.atomCount;
        most = Math.max(most, structure.atomCount);
        poses++;
      }
    }
    const { heavy, light, antibody, antigen } = tallies;
    const all = Math.round(factor * poses);
    this.#asked = {
      domains: askedOf([heavy, light], all),
      chains: askedOf([antibody, antigen], all),
    };
    // Two special symbols each, as language models want.
    const residues = [...this.#asked.chains.sequences].reduce(
      (sum, { length }) => sum + length + 2,
      0,
    );
    return {
      distinct_heavy: heavy.distinctOf(all),
      distinct_light: light.distinctOf(all),
      distinct_antibodies: antibody.distinctOf(all),
      distinct_antigens: antigen.distinctOf(all),
      tokens_to_embed: Math.round(residues * this.#asked.chains.factor),
      atoms: Math.round(factor * atoms),
      largest_atoms: most,
    };
  }

  get align(): "original" | "residues" {
    return this.#options.parameters?.align ?? "original";
  }

  questionsOf(): readonly Question[] {
    const { chains, regions, scalars } = this.#options;
    const { target } = scalars;
    const questions: Question[] = [];
    // Chains that are found are annotated while poses are read; tables of the user's own know.
    if (chains !== "auto" && regions === undefined) {
      const { sequences, factor } = this.#asked.domains;
      const items = [...sequences].map((each) => ({ data: Buffer.from(each), cost: each.length }));
      questions.push({ ...annotationStage(POSE_NUMBERING), items, factor });
    }
    if (target !== undefined) {
      const { model, input, space } = target;
      const { sequences, factor } = this.#asked.chains;
      questions.push({
        space,
        items: [...sequences].map((each) => target.itemOf(each)),
        factor,
        compute: (session, items, sample) =>
          embedSample(session, items, { model, parameters: input, isOffline: true, ...sample }),
      });
    }
    return questions;
  }

  async compute(
    session: Session,
    items: readonly Uint8Array[],
    { folder, signal }: SampleOptions,
  ): Promise<void> {
    const { chains, parameters, regions = annotatedRegions() } = this.#options;
    const poses = join(folder, "poses");
    await ensureFolder(poses);
    const domains = new Set<string>();
    for (const [i, item] of items.entries()) {
      const { structure, choice } = decodePose(item);
      const { heavy, light } = poseSequences(structure, choice, this.align);
      for (const sequence of [heavy, light]) if (sequence !== "") domains.add(sequence);
      await writeFile(join(poses, `${i}.cif`), mmcifText(structure), "latin1");
    }
    // Annotations are a question of their own: here they are there before the clock runs.
    const answers = await regions.regionsOf(domains, askingJob(session, folder, signal));
    await score(session, {
      inputs: [poses],
      outputFolder: join(folder, "out"),
      chains,
      regions: { name: regions.name, regionsOf: async () => answers },
      ...(parameters && { parameters }),
      isOffline: this.#options.isOffline,
      embedding: "none",
      cacheFolder: null,
      partialEveryMs: 0,
      signal,
    });
  }
}

const PARTS = ["heavy", "light", "antibody", "antigen"] as const;

function askingJob(session: Session, folder: string, signal: AbortSignal): AskingJob {
  return {
    session,
    shardFolder: join(folder, "sequences"),
    workFolder: folder,
    cacheFolder: null,
    signal,
    onProgress: () => {},
    onWarning: () => {},
  };
}
