/**
 * What `raysidue analyze` says a run takes, beside what it takes:
 * `node dist/scripts/experiments/prediction.js --fasta CHAINS [--cases annotate,score-100]`.
 *
 * Owns: the cases, and that each is asked first and run then, whole processes, nothing known before
 * (no results, no remembered costs; what is made once a machine is there). Writes
 * docs/experiments/prediction.*. Other work on the machine between the two shows as an error.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ownCacheFolder } from "../../src/model/environment.ts";
import { type Ended, runToEnd } from "../bench/child.ts";
import { need } from "../bench/context.ts";
import { readPoseSource, writePoses } from "../bench/poses.ts";
import { readSequences, writeFasta } from "../bench/sequences.ts";
import { Circumstances, median, writeReport } from "./report.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const PROGRAM = path("../../src/cli/main.js");
const STRUCTURE = path("../../../test/data/deeprank/4G6J.pdb.gz");
const CHAINS = ["--heavy", "H", "--light", "L", "--antigen", "A"];

const SHORT_SECONDS = 10;
const ROUNDS = 5;
const COLUMNS = ["run", "predicted, s", "took, s", "off by", "rounds", "worst round off by"];

export interface PredictedRun {
  /** Arguments that `analyze` has for the run. */
  readonly analyze: readonly string[];
  readonly run: readonly string[];
  /** Scratch. */
  readonly folder: string;
}

export interface Prediction {
  readonly predicted: number;
  readonly seconds: number;
  /** How far the prediction is off, as a share of what the run took. */
  readonly error: number;
}

/** Predicts a run, then runs it. Throws where either fails. */
export async function predictAndRun({ analyze, run, folder }: PredictedRun): Promise<Prediction> {
  const output = join(folder, "out");
  await makeCache(folder);
  const asked = await whole(["analyze", ...analyze, "--no-cache", "--json"], folder);
  const { oneNode: predicted } = (JSON.parse(asked.said) as { seconds: { oneNode: number } })
    .seconds;
  const { seconds } = await whole([...run, "-o", output, "--no-cache"], folder);
  await rm(output, { recursive: true, force: true });
  return { predicted, seconds, error: Math.abs(predicted / seconds - 1) };
}

const cacheOf = (folder: string) => join(folder, "cache");

/** Raysidue's own cache with what is made once a machine, and no costs that were learned before. */
async function makeCache(folder: string): Promise<void> {
  const own = ownCacheFolder(process.env);
  await rm(cacheOf(folder), { recursive: true, force: true });
  await mkdir(cacheOf(folder), { recursive: true });
  for (const name of ["venvs", "layout.json", "digests"]) {
    if (existsSync(join(own, name))) await symlink(join(own, name), join(cacheOf(folder), name));
  }
}

/** One run of the program. */
function whole(args: readonly string[], folder: string): Promise<Ended> {
  const env = { ...process.env, RAYSIDUE_CACHE_DIR: cacheOf(folder) };
  return runToEnd(`raysidue ${args[0]}`, [process.execPath, PROGRAM, ...args], { env });
}

interface Case {
  readonly name: string;
  readonly what: string;
  /** Writes the inputs into `folder`; returns what is analyzed and run. */
  prepare(folder: string): Promise<Omit<PredictedRun, "folder">>;
}

/** Chains evenly spread over the file, each once. */
async function chains(folder: string, count: number): Promise<string> {
  const flags = readFlags();
  // AntiBERTy takes no longer ones.
  const all = [
    ...new Set(await readSequences(need(flags.fasta, "--fasta", "antibody chains"))),
  ].filter(({ length }) => length <= 510);
  const step = Math.max(1, all.length / count);
  const taken = Array.from(
    { length: Math.min(count, all.length) },
    (_, i) => all[Math.floor(i * step)]!,
  );
  const fasta = join(folder, "chains.fasta");
  await writeFasta(fasta, taken);
  return fasta;
}

const embedding =
  (count: number, ...options: string[]): Case["prepare"] =>
  async (folder) => {
    const fasta = await chains(folder, count);
    await pull("antiberty");
    const extra = ["--offline", ...options];
    return { analyze: [fasta, ...extra], run: ["embed", fasta, ...extra] };
  };

/** What a run would fetch, and no prediction can know. */
async function pull(model: string): Promise<void> {
  await runToEnd("raysidue model pull", [process.execPath, PROGRAM, "model", "pull", model]);
}

const scoring =
  (count: number, ...which: string[]): Case["prepare"] =>
  async (folder) => {
    await pull("deeprank-ab");
    const poses = join(folder, "poses");
    const source = await readPoseSource(STRUCTURE, ["A"]);
    await writePoses(source, { folder: poses, count, seed: 6, degrees: 3 });
    const run = ["score", poses, ...which, "--embed-model", "none"];
    return { analyze: [poses, ...which], run };
  };

const annotating =
  (count: number): Case["prepare"] =>
  async (folder) => {
    const fasta = await chains(folder, count);
    return { analyze: [fasta, "--annotate"], run: ["annotate", fasta] };
  };

const CASES: readonly Case[] = [
  { name: "annotate-300", what: "annotating 300 distinct chains", prepare: annotating(300) },
  { name: "annotate-2000", what: "annotating 2,000 distinct chains", prepare: annotating(2000) },
  {
    name: "annotate",
    what: "annotating 10,143 chains, 3,754 distinct",
    prepare: async () => {
      const fasta = need(readFlags().fasta, "--fasta", "antibody chains");
      return { analyze: [fasta, "--annotate"], run: ["annotate", fasta] };
    },
  },
  { name: "embed-300", what: "embedding 300 distinct chains", prepare: embedding(300) },
  {
    name: "residues-300",
    what: "the same, a vector a residue",
    prepare: embedding(300, "--per-residue"),
  },
  { name: "embed-2000", what: "embedding 2,000 distinct chains", prepare: embedding(2000) },
  { name: "score-100", what: "scoring 100 poses", prepare: scoring(100, ...CHAINS) },
  { name: "auto-100", what: "the same, chains found", prepare: scoring(100, "--auto") },
  { name: "score-400", what: "scoring 400 poses", prepare: scoring(400, ...CHAINS) },
];

function readFlags() {
  return parseArgs({
    options: {
      /** Antibody chains; not part of the repository. */
      fasta: { type: "string" },
      cases: { type: "string", default: CASES.map(({ name }) => name).join(",") },
      "dry-run": { type: "boolean", default: false },
    },
  }).values;
}

/** A run of a few seconds is asked for and made several times. */
async function rounds(run: PredictedRun): Promise<Prediction[]> {
  const made = [await predictAndRun(run)];
  const count = made[0]!.seconds < SHORT_SECONDS ? ROUNDS : 1;
  while (made.length < count) made.push(await predictAndRun(run));
  return made;
}

async function main(): Promise<void> {
  const flags = readFlags();
  const circumstances = new Circumstances();
  const rows: string[][] = [];
  const measured: object[] = [];
  for (const name of flags.cases.split(",")) {
    const found = CASES.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no case ${name}`);
    const folder = await mkdtemp(join(os.tmpdir(), "raysidue-prediction-"));
    try {
      const load = os.loadavg()[0]!;
      const made = await rounds({ ...(await found.prepare(folder)), folder });
      const predicted = median(made.map((one) => one.predicted));
      const seconds = median(made.map((one) => one.seconds));
      const percent = (error: number) => `${(100 * error).toFixed(0)} %`;
      const off = percent(Math.abs(predicted / seconds - 1));
      const worst = made.length > 1 ? percent(Math.max(...made.map((one) => one.error))) : "";
      const shown = [predicted.toFixed(1), seconds.toFixed(1), off, String(made.length), worst];
      rows.push([found.what, ...shown]);
      measured.push({ name, predicted, seconds, rounds: made, load });
      process.stderr.write(
        `${name}: ${rows.at(-1)!.slice(1).join(", ")}; load ${load.toFixed(1)}\n`,
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  if (flags["dry-run"]) return;
  await writeReport(
    {
      name: "prediction",
      title: "What analyze predicts, and what runs take",
      paragraphs: [
        `Whole processes on this machine, nothing known before: \`analyze\` computes a sample and predicts, then the run is made. Other work on the machine shows as an error; runs of less than ${SHORT_SECONDS} s are predicted and made ${ROUNDS} times, and the medians compared.`,
      ],
      tables: [{ columns: COLUMNS, rows }],
      data: { measured },
    },
    circumstances,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
