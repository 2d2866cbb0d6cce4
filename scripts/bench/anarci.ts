/**
 * ANARCI as a peer: from PyPI, in an environment of its own (.venvs/anarci).
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const FOLDER = join(ROOT, ".venvs", "anarci");
const PACKAGE = "ANARCI==2026.2.13.2";

/** A program of scripts/bench/peers. */
export const peerProgram = (name: string): string => join(ROOT, "scripts", "bench", "peers", name);

/** Python of an environment with ANARCI. Throws with the reason where there can be none. */
export function anarciPython(): string {
  try {
    execFileSync("hmmscan", ["-h"], { stdio: "ignore" });
  } catch {
    throw new Error("no hmmscan (Debian: apt install hmmer)");
  }
  const python = join(FOLDER, "bin", "python");
  if (existsSync(python)) return python;
  execFileSync(process.env.RAYSIDUE_PYTHON || "python3", ["-m", "venv", FOLDER]);
  const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE];
  execFileSync(python, install, { stdio: ["ignore", 2, 2] });
  return python;
}
