/**
 * What raysidue is measured against: programs in Python, each in a process of its own.
 *
 * Owns: their virtual environment (made once, in .venvs/bench), their processes, and one line of
 * JSON each way. A peer loads its model before it says that it is ready, and its clock runs only
 * while it computes: start-up counts for us and not for it.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onCores } from "./cli-run.ts";
import { type TreeUse, TreeWatch } from "./process-tree.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const FOLDER = join(ROOT, ".venvs", "bench");
const PEERS = join(ROOT, "scripts", "bench", "peers");
/** The runner of the original does not work with transformers 5. */
const PACKAGES = ["torch==2.13.0", "transformers==4.57.*", "antiberty==0.1.3", "numpy"];

/** Makes the environment where it is not there yet. */
export function makeEnvironment(): void {
  const stamp = join(FOLDER, ".installed");
  const wanted = PACKAGES.join(" ");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  console.error(`making .venvs/bench with ${wanted}`);
  const python = process.env.RAYSIDUE_PYTHON || "python3";
  execFileSync(python, ["-m", "venv", FOLDER], { stdio: ["ignore", 2, 2] });
  const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PACKAGES];
  execFileSync(join(FOLDER, "bin", "python"), install, { stdio: ["ignore", 2, 2] });
  writeFileSync(stamp, wanted);
}

/** What a peer says of sequences that it embedded. */
export interface PeerAnswer {
  readonly seconds: number;
  /** With the padding that it computed too. */
  readonly paddedTokens: number;
}

export class Peer {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #watch: TreeWatch;
  readonly #vectors: string;
  /** From the start of Python until the model was loaded. */
  readonly loadSeconds: number;

  private constructor(parts: {
    child: ChildProcess;
    lines: AsyncIterator<string>;
    vectors: string;
    loadSeconds: number;
  }) {
    this.#child = parts.child;
    this.#lines = parts.lines;
    this.#vectors = parts.vectors;
    this.loadSeconds = parts.loadSeconds;
    this.#watch = new TreeWatch(parts.child.pid!);
    this.#watch.sample();
  }

  /** Starts `peers/SCRIPT ARGUMENTS...` with so many threads; `folder` holds its vectors. */
  static async start(
    script: string,
    options: { args?: readonly string[]; threads: number; folder: string },
  ): Promise<Peer> {
    makeEnvironment();
    const { args = [], threads, folder } = options;
    const startedAt = performance.now();
    const python = join(FOLDER, "bin", "python");
    const own = [python, join(PEERS, script), "--threads", String(threads), ...args];
    const [program, ...rest] = onCores(own, threads);
    const child = spawn(program!, rest, {
      env: { ...process.env, HF_HUB_OFFLINE: "1", OMP_NUM_THREADS: String(threads) },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { done } = await lines.next();
    if (done) throw new Error(`${script} did not start`);
    const loadSeconds = (performance.now() - startedAt) / 1000;
    return new Peer({ child, lines, vectors: join(folder, "peer-vectors"), loadSeconds });
  }

  /** Embeds `sequences`; `vectors` is `[sequences, dim]` float32 in their order. */
  async embed(
    sequences: readonly string[],
  ): Promise<PeerAnswer & { readonly vectors: Float32Array }> {
    if (sequences.length === 0) return { seconds: 0, paddedTokens: 0, vectors: new Float32Array() };
    this.#child.stdin!.write(`${JSON.stringify({ sequences, vectors: this.#vectors })}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("the peer died");
    const answer = JSON.parse(value) as { seconds: number; padded_tokens: number };
    const bytes = await readFile(this.#vectors);
    const vectors = new Float32Array(new Uint8Array(bytes).buffer);
    return { seconds: answer.seconds, paddedTokens: answer.padded_tokens, vectors };
  }

  use(): TreeUse {
    return this.#watch.use();
  }

  async close(): Promise<void> {
    this.#watch.sample();
    this.#watch.close();
    this.#child.stdin!.end();
    if (this.#child.exitCode === null) await once(this.#child, "exit");
  }
}

/** Runs `peers/SCRIPT ARGUMENTS...` to its end. */
export function runScript(script: string, args: readonly string[]): void {
  makeEnvironment();
  const python = join(FOLDER, "bin", "python");
  execFileSync(python, [join(PEERS, script), ...args], { stdio: ["ignore", 2, 2] });
}
