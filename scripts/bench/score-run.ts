/**
 * One run of `raysidue score` as a user starts it, with its time and processor time.
 *
 * Owns: the child process and its clock, from just before it starts until it has ended. Invariant: a
 * run that does not end well throws.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SCORE_COLUMNS } from "../../src/driver/poses/score-row.ts";
import { readTsv } from "../../src/formats/table/tsv.ts";
import { onCores } from "./cli-run.ts";

const PROGRAM = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

export interface Chains {
  readonly heavy: string;
  readonly light: string;
  readonly antigen: string;
}

export interface ScoreRunOptions {
  readonly poses: string;
  readonly output: string;
  /** Where results are shared; every run of a benchmark names its own. */
  readonly cache: string;
  readonly chains: Chains | "auto";
  readonly engines: number;
  readonly cores: number;
  readonly flags?: readonly string[];
}

export interface Timing {
  readonly seconds: number;
  /** Of all its processes. */
  readonly cpuSeconds: number;
}

/** User and system time of ended children of this process so far, in seconds. */
export function childrenCpuSeconds(): number {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // cutime and cstime, in ticks of USER_HZ: 100 a second wherever there is Node.
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

export async function runScore(options: ScoreRunOptions): Promise<Timing> {
  const { poses, output, cache, chains, engines, cores, flags = [] } = options;
  const own = ["score", poses, "-o", output, ...chainFlags(chains), "--threads", "1"];
  const rest = ["--embed-model", "none", "--cache-dir", cache, "--engines", String(engines)];
  const all = [...own, ...rest];
  const command = onCores([process.execPath, PROGRAM, ...all, ...flags], cores);
  const cpuBefore = childrenCpuSeconds();
  const startedAt = performance.now();
  const child = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (bytes: Buffer) => {
    said = (said + bytes.toString()).slice(-4000);
  });
  const [code] = await once(child, "exit");
  const seconds = (performance.now() - startedAt) / 1000;
  if (code !== 0) throw new Error(`raysidue score ended with ${code}:\n${said}`);
  return { seconds, cpuSeconds: childrenCpuSeconds() - cpuBefore };
}

function chainFlags(chains: Chains | "auto"): string[] {
  if (chains === "auto") return ["--auto"];
  const { heavy, light, antigen } = chains;
  return ["--heavy", heavy, "--antigen", antigen, ...(light === "" ? [] : ["--light", light])];
}

/** Scores by pose. */
export async function scoresOf(output: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for await (const rows of readTsv(`${output}/scores.tsv`, SCORE_COLUMNS)) {
    for (const [, pose, score] of rows) found.set(pose!, Number(score));
  }
  return found;
}
