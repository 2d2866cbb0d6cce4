/**
 * The old pipeline's list of improvements, each line measured on this machine:
 * `node dist/scripts/experiments/old-list.js [--poses 60] [--chains 300] [--fasta CHAINS]`.
 *
 * Owns: which figure answers which line. Each is a ratio of two measurements in this run, or names the
 * experiment that measures it in more depth. Writes docs/experiments/old-list.*. What cannot run here
 * (no hmmsearch, no `--fasta`) says so in its row.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { messageOf } from "../../src/base/errors.ts";
import { parseFleet } from "../../src/simulate/fleet.ts";
import { drawJob } from "../../src/simulate/job.ts";
import { readPoseSource, writePoses } from "../bench/poses.ts";
import { benchAgain } from "../bench/score-again.ts";
import type { ScoreContext } from "../bench/score-context.ts";
import { runScore } from "../bench/score-run.ts";
import { benchScaling } from "../bench/score-scaling.ts";
import { benchStaging } from "../bench/score-staging.ts";
import { readSequences, writeFasta } from "../bench/sequences.ts";
import { predictAndRun } from "./prediction.ts";
import { runReal } from "./real-fleet.ts";
import { Circumstances, writeReport } from "./report.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const PROGRAM = path("../../src/cli/main.js");
const STRUCTURE = path("../../../test/data/deeprank/4G6J.pdb.gz");
/** Of the bench's copy of the original: profiles for hmmscan. */
const PROFILES = path("../../../.venvs/deeprank/wheel/src/tools/ANARCI/anarci/dat/HMMs/ALL.hmm");

const { values } = parseArgs({
  options: {
    poses: { type: "string", default: "60" },
    chains: { type: "string", default: "300" },
    /** Antibody chains; not part of the repository. */
    fasta: { type: "string" },
  },
});

interface Line {
  readonly what: string;
  readonly expected: string;
  readonly measured: string;
  readonly how: string;
  readonly figures: object;
}

type Measure = (context: ScoreContext) => Promise<Line>;

const percent = (share: number) => `${(100 * share).toFixed(0)} %`;

/** One of two devices at half speed: the work split in two beforehand, and as it comes. */
const balancing: Measure = async () => {
  const text = 'name = "uneven"\n[[devices]]\nspeed = 1\n[[devices]]\nspeed = 0.5';
  const work = 30;
  const result = await runReal(parseFleet(text, "old-list"), drawJob({ seed: 1, work }), 20_000, {
    isWarm: true,
  });
  // Half of the work each, the slower device ends last.
  const fixed = work / 2 / 0.5;
  return {
    what: "dynamic balancing",
    expected: "5-20 %",
    measured: `${percent(1 - result.achievedSeconds / fixed)} less time, ${result.ratio.toFixed(3)} of the bound`,
    how: `real processes, two emulated devices, one at half speed: ${result.achievedSeconds.toFixed(1)} s; halves split beforehand would take ${fixed.toFixed(1)} s`,
    figures: { ...result, fixed },
  };
};

function userSeconds(program: string, args: readonly string[]): number {
  const startedAt = performance.now();
  execFileSync(program, args, { stdio: ["ignore", "ignore", "ignore"] });
  return (performance.now() - startedAt) / 1000;
}

/** HMMER by sequence and by profile, and our engine on the same chains, each distinct once. */
const annotation: Measure = async ({ folder }) => {
  if (values.fasta === undefined) throw new Error("no --fasta given");
  const all = (await readSequences(values.fasta)).slice(0, Number(values.chains));
  const distinct = [...new Set(all)];
  const [whole, once] = [join(folder, "all.fasta"), join(folder, "distinct.fasta")];
  await writeFasta(whole, all);
  await writeFasta(once, distinct);
  if (!existsSync(PROFILES)) throw new Error("no profiles: run bench:score --parts cpu first");
  const common = ["--cpu", "1", "-o", "/dev/null"];
  const scan = userSeconds("hmmscan", [...common, PROFILES, once]);
  const search = userSeconds("hmmsearch", [...common, PROFILES, once]);
  const repeated = userSeconds("hmmscan", [...common, PROFILES, whole]);
  const output = join(folder, "annotated");
  const args = [PROGRAM, "annotate", whole, "-o", output, "--no-cache"];
  userSeconds(process.execPath, [...args.slice(0, 4), `${output}-first`, "--no-cache"]);
  const ours = userSeconds(process.execPath, args);
  return {
    what: "annotation batched by model",
    expected: "5 %",
    measured: `${percent(1 - search / scan)} by profile; ${percent(1 - scan / repeated)} by annotating what is distinct once; ${(repeated / ours).toFixed(0)} times by another aligner`,
    how: `${all.length} chains, ${distinct.length} distinct: hmmscan on all ${repeated.toFixed(1)} s, on distinct ones ${scan.toFixed(1)} s, hmmsearch ${search.toFixed(1)} s, raysidue annotate ${ours.toFixed(1)} s with its start`,
    figures: { scan, search, repeated, ours },
  };
};

const asynchronous: Measure = async (context) => {
  const { figures } = await benchStaging(context);
  const { plain, slow, waitedMs, hidden } = figures as {
    plain: number[];
    slow: number[];
    waitedMs: number;
    hidden: number;
  };
  const serial = Math.min(...plain) + waitedMs;
  return {
    what: "asynchronous I/O",
    expected: "20-50 % (network only)",
    measured: `${percent(1 - Math.min(...slow) / serial)} less time to read; ${percent(hidden)} of the delay hidden`,
    how: "files that answer in 20 ms, one after the other and read ahead",
    figures,
  };
};

const cache: Measure = async (context) => {
  const { figures } = await benchAgain({ ...context, poses: Math.ceil(context.poses / 5) });
  const { first, same, other } = figures as { first: number; same: number; other: number };
  return {
    what: "cache on reprocessing",
    expected: "50-80 %",
    measured: `${percent(1 - same / first)} in the same folder, ${percent(1 - other / first)} in another`,
    how: `whole runs over ${context.poses} poses: ${first.toFixed(1)}, ${same.toFixed(1)} and ${other.toFixed(1)} s`,
    figures,
  };
};

const nodes: Measure = async () => {
  const work = 64;
  const times: number[] = [];
  for (const count of [1, 8]) {
    const fleet = parseFleet(`name = "equal"\n[[devices]]\ncount = ${count}`, "old-list");
    const job = drawJob({ seed: 1, work });
    const { achievedSeconds } = await runReal(fleet, job, (1000 * work) / count, { isWarm: true });
    times.push(achievedSeconds);
  }
  const [one, eight] = times as [number, number];
  return {
    what: "multi-node",
    expected: "2-8 times",
    measured: `${(one / eight).toFixed(1)} times on 8 daemons`,
    how: `real daemons, emulated devices: ${one.toFixed(1)} and ${eight.toFixed(1)} s; more in scaling.md`,
    figures: { one, eight },
  };
};

const preparation: Measure = async (context) => {
  const { figures } = await benchScaling(context);
  const { seconds } = figures as { seconds: Record<string, number[]> };
  const [one, all] = [seconds[1]![0]!, seconds[context.cores]![0]!];
  return {
    what: "parallel preparation",
    expected: "5-10 %",
    measured: `${percent(1 - all / one)} less time: ${(one / all).toFixed(2)} times on ${context.cores} cores`,
    how: "graphs and network together, an engine a core; whole runs",
    figures,
  };
};

const threads: Measure = async ({ folder, structure, chains, poses, seed, cores }) => {
  const input = join(folder, "threads-poses");
  const source = await readPoseSource(structure, chains.antigen.split(","));
  await writePoses(source, { folder: input, count: poses, seed: seed + 5, degrees: 3 });
  const run = async (engines: number, count: number) => {
    const output = join(folder, `threads-${engines}`);
    const flags = ["--no-cache", "--threads", String(count)];
    const common = { poses: input, output, cache: join(folder, "threads-cache"), chains, cores };
    return (await runScore({ ...common, engines, flags })).seconds;
  };
  const [many, one] = [await run(cores, 1), await run(1, cores)];
  return {
    what: "threads per subprocess",
    expected: "-",
    measured: `${(one / many).toFixed(2)} times faster with ${cores} engines of 1 thread than with 1 of ${cores}`,
    how: `${poses} poses: ${many.toFixed(1)} and ${one.toFixed(1)} s`,
    figures: { many, one },
  };
};

/** `analyze` before a run of poses, against what it took. */
const prediction: Measure = async ({ folder, structure, chains, poses, seed }) => {
  const input = join(folder, "predicted-poses");
  const source = await readPoseSource(structure, chains.antigen.split(","));
  await writePoses(source, { folder: input, count: poses, seed: seed + 6, degrees: 3 });
  const { heavy, light, antigen } = chains;
  const roles = ["--heavy", heavy, "--light", light, "--antigen", antigen];
  const { predicted, seconds, error } = await predictAndRun({
    analyze: [input, ...roles],
    run: ["score", input, ...roles, "--embed-model", "none"],
    folder: join(folder, "predicted"),
  });
  return {
    what: "prediction of analyze",
    expected: "-",
    measured: `${percent(error)} off`,
    how: `${poses} poses: predicted ${predicted.toFixed(1)} s, took ${seconds.toFixed(1)} s; other runs in prediction.md`,
    figures: { predicted, seconds },
  };
};

const LINES: readonly [name: string, measure: Measure][] = [
  ["dynamic balancing", balancing],
  ["annotation batched by model", annotation],
  ["asynchronous I/O", asynchronous],
  ["cache on reprocessing", cache],
  ["multi-node", nodes],
  ["parallel preparation", preparation],
  ["threads per subprocess", threads],
  ["prediction of analyze", prediction],
];

const circumstances = new Circumstances();
const folder = await mkdtemp(join(os.tmpdir(), "raysidue-old-list-"));
const context: ScoreContext = {
  folder,
  structure: STRUCTURE,
  chains: { heavy: "H", light: "L", antigen: "A" },
  poses: Number(values.poses),
  originalPoses: 1,
  rounds: 1,
  cores: Math.min(2, os.availableParallelism()),
  seed: 1,
};
const lines: Line[] = [];
try {
  for (const [what, measure] of LINES) {
    try {
      lines.push(await measure(context));
    } catch (thrown) {
      const how = messageOf(thrown).split("\n")[0]!;
      lines.push({ what, expected: "", measured: "not measured", how, figures: {} });
    }
    process.stderr.write(`${JSON.stringify(lines.at(-1))}\n`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
await writeReport(
  {
    name: "old-list",
    title: "The old pipeline's list of improvements, measured",
    paragraphs: [
      "What the list expected of each line, and what it is worth here. Prefetch (expected: 5-15 %) is no setting of the real daemon: see prefetch.md, in simulation.",
    ],
    tables: [
      {
        columns: ["line", "expected", "measured", "how"],
        rows: lines.map(({ what, expected, measured, how }) => [what, expected, measured, how]),
      },
    ],
    data: { lines },
  },
  circumstances,
);
