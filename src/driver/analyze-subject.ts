/**
 * What is analyzed: sequences to embed, or poses to score.
 *
 * Owns: reading each as its run would, what is counted of it, and computing a sample by that run.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ensureFolder } from "../base/files.ts";
import { mmcifText } from "../formats/mmcif-writer.ts";
import { decodePose } from "../kind/pose-item.ts";
import { canonicalScoreJson, resolveScore } from "../kind/score.ts";
import { ensureScorer } from "../model/pull.ts";
import { DEFAULT_SCORER } from "../model/scorer.ts";
import type { ChainChoice } from "../science/chains.ts";
import { poseSequences } from "../science/prepare.ts";
import type { NamedSpace } from "../store/cache.ts";
import { spaceDigest } from "../store/content-key.ts";
import { embed } from "./embed.ts";
import { resolveTarget, type TargetOptions } from "./embed-target.ts";
import type { Plan } from "./plan.ts";
import { readPoses } from "./read-poses.ts";
import { readSequences } from "./read-sequences.ts";
import type { RegionSource } from "./region-source.ts";
import { score } from "./score.ts";
import type { Session } from "./session.ts";
import { itemsOf } from "./task-stream.ts";

export interface InputCounts {
  readonly files: number;
  readonly records: number;
  readonly refused: number;
  /** What there is in numbers beyond that, by name. */
  readonly details: Readonly<Record<string, number>>;
}

export interface SampleOptions {
  /** Scratch; the run's output folder is `out` in it. */
  readonly folder: string;
  readonly signal?: AbortSignal;
}

export interface Subject {
  readonly space: NamedSpace;
  /** Reads and deduplicates. */
  read(plan: Plan, namesPath: string, signal: AbortSignal): Promise<InputCounts>;
  /** Runs `items`, which the plan gave. Returns what reading them took. */
  compute(
    session: Session,
    items: readonly Uint8Array[],
    options: SampleOptions,
  ): Promise<{ readonly readSeconds: number }>;
}

export interface SubjectInputs {
  readonly inputs: readonly string[];
  readonly isRecursive: boolean;
}

/** Sequences that would be embedded. */
export async function sequencesSubject(
  from: SubjectInputs,
  options: TargetOptions,
): Promise<Subject> {
  const target = await resolveTarget(options);
  return {
    space: target.space,
    async read(plan, namesPath, signal) {
      const read = await readSequences(plan, {
        ...from,
        rules: target.rules,
        purpose: "embedded",
        costOf: target.costOf,
        onInvalid: "skip",
        namesPath,
        signal,
        onRead: () => {},
      });
      plan.deduplicate();
      const { files, records, refused } = read;
      return { files, records, refused, details: countLengths(plan, target.costOf) };
    },
    async compute(session, items, { folder, signal }) {
      await ensureFolder(folder);
      const fasta = join(folder, "sample.fasta");
      const text = items.map((item, i) => `>s${i}\n${Buffer.from(item).toString("latin1")}\n`);
      await writeFile(fasta, text.join(""));
      await embed(session, {
        ...options,
        inputs: [fasta],
        outputFolder: join(folder, "out"),
        cacheFolder: null,
        ...(signal && { signal }),
      });
      return { readSeconds: 0 };
    },
  };
}

function countLengths(plan: Plan, costOf: (length: number) => number): Record<string, number> {
  const all = { residues: 0, tokens: 0, longest: 0 };
  for (const rows of plan.rows()) {
    for (const { length, item } of rows) {
      if (item === undefined) continue;
      all.residues += length;
      all.tokens += costOf(length);
      all.longest = Math.max(all.longest, length);
    }
  }
  return all;
}

export interface PoseOptions {
  readonly chains: ChainChoice;
  readonly regions: RegionSource;
  readonly isOffline: boolean;
}

/** Poses that would be scored without a language model's embedding. */
export async function posesSubject(from: SubjectInputs, options: PoseOptions): Promise<Subject> {
  const { chains, regions, isOffline } = options;
  const { fingerprint, name } = await ensureScorer(DEFAULT_SCORER, { offline: isOffline });
  const parameters = resolveScore({}, { embedding: "none", regions: regions.name });
  const canonical = canonicalScoreJson(parameters);
  const space = { kind: "score", fingerprint, parameters: canonical, model: name };
  return {
    space,
    async read(plan, namesPath, signal) {
      const read = await readPoses(plan, {
        ...from,
        chains,
        check: "off",
        cures: false,
        namesPath,
        stores: [],
        space: spaceDigest(space),
        signal,
        onRead: () => {},
      });
      plan.deduplicate();
      const { files, records, refused } = read;
      return { files, records, refused, details: countPoses(plan) };
    },
    async compute(session, items, { folder, signal }) {
      const poses = join(folder, "poses");
      await ensureFolder(poses);
      for (const [i, item] of items.entries()) {
        const text = mmcifText(decodePose(item).structure);
        await writeFile(join(poses, `${i}.cif`), text, "latin1");
      }
      const [begunAt, readAt] = [performance.now(), { last: performance.now() }];
      await score(session, {
        inputs: [poses],
        outputFolder: join(folder, "out"),
        chains,
        regions,
        isOffline,
        embedding: "none",
        cacheFolder: null,
        partialEveryMs: 0,
        observer: {
          onRead: () => {
            readAt.last = performance.now();
          },
        },
        ...(signal && { signal }),
      });
      return { readSeconds: (readAt.last - begunAt) / 1000 };
    },
  };
}

function countPoses(plan: Plan): Record<string, number> {
  const chains = { heavy: new Set<string>(), light: new Set<string>(), antigen: new Set<string>() };
  const [antibodies, all] = [new Set<string>(), new Set<string>()];
  let atoms = 0;
  let most = 0;
  for (const submission of plan.remaining()) {
    for (const item of itemsOf(submission)) {
      const { structure, choice } = decodePose(item);
      const { heavy, light, antigen, antibody } = poseSequences(structure, choice, "original");
      chains.heavy.add(heavy);
      if (light !== "") chains.light.add(light);
      chains.antigen.add(antigen);
      antibodies.add(antibody);
      for (const sequence of [antibody, antigen]) all.add(sequence);
      atoms += structure.atomCount;
      most = Math.max(most, structure.atomCount);
    }
  }
  let tokens = 0;
  // Two special symbols each, as language models want.
  for (const sequence of all) tokens += sequence.length + 2;
  return {
    distinct_heavy: chains.heavy.size,
    distinct_light: chains.light.size,
    distinct_antibodies: antibodies.size,
    distinct_antigens: chains.antigen.size,
    tokens_to_embed: tokens,
    atoms,
    largest_atoms: most,
  };
}
