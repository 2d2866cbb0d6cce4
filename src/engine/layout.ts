/**
 * How many engine processes this machine runs, and with how many threads each.
 *
 * Owns: measuring the candidates with the real model in real engine processes, and remembering the
 * answer. On N cores they are N x 1, N/2 x 2 .. 1 x N, as far as the memory reaches; which one wins
 * depends on the model's width and the machine, and cannot be told without trying. Invariant: a
 * remembered answer is used only for the same machine, model, layer and version of ONNX Runtime.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import os from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { RaysidueError } from "../base/errors.ts";
import { ensureFolder, writeFileAtomically } from "../base/files.ts";
import { ownCacheFolder } from "../model/environment.ts";
import type { EngineOpening } from "../rpc/engine-codec.ts";
import { type EngineHandle, startEngine } from "./host/engine-host.ts";
import { availableMemoryBytes } from "./memory.ts";

export interface LayoutOptions extends Omit<EngineOpening, "options"> {
  /** Engine processes; absent: measured. */
  readonly processes?: number;
  /** Threads of each; absent: measured. */
  readonly threads?: number;
  /** What all engines together may use; absent: three fifths of what is available now. */
  readonly memoryBytes?: number;
  /** Cores to use; absent: those that this process may run on. */
  readonly cores?: number;
  /** Where the answer is remembered; absent: raysidue's cache folder. */
  readonly cacheFolder?: string;
  /** The work is too little to be worth a measurement: take what is remembered, or the usual. */
  readonly isBrief?: boolean;
}

const MEASURED = z.object({
  processes: z.number().int().min(1),
  threads: z.number().int().min(1),
  tokensPerSecond: z.number().min(0),
});
export type MeasuredLayout = z.infer<typeof MEASURED>;

const REMEMBERED = z.object({
  processes: z.number().int().min(1),
  threads: z.number().int().min(1),
  /** Largest micro-batch of each process, in tokens; 0 where nothing was measured. */
  tokensMax: z.number().int().min(0),
  /** Empty where the user said what to use. */
  measured: z.array(MEASURED),
});

export interface Layout extends Readonly<z.infer<typeof REMEMBERED>> {
  /** What each process may use. */
  readonly memoryBytes: number;
}

/** The rest is for the daemon, the driver, page cache of weights, and the user. */
const MEMORY_SHARE = 0.6;

/** Returns the layout for `options`, measuring it the first time. Throws the engine's RaysidueError. */
export async function chooseLayout(options: LayoutOptions): Promise<Layout> {
  const cores = options.cores ?? os.availableParallelism();
  const total = options.memoryBytes ?? MEMORY_SHARE * (await availableMemoryBytes());
  const share = (processes: number) => Math.floor(total / processes);
  const { processes, threads } = options;
  if (processes !== undefined || threads !== undefined) {
    const count = processes ?? Math.max(1, Math.floor(cores / threads!));
    const each = threads ?? Math.max(1, Math.floor(cores / count));
    return {
      processes: count,
      threads: each,
      memoryBytes: share(count),
      tokensMax: 0,
      measured: [],
    };
  }
  const memory = new LayoutMemory(options.cacheFolder ?? ownCacheFolder(process.env));
  const key = keyOf(options, cores, total);
  const known = await memory.read(key);
  if (known !== undefined) return { ...known, memoryBytes: share(known.processes) };
  if (options.isBrief === true) {
    // Over before a measurement would pay; one engine a core is the usual winner on CPUs.
    return { processes: cores, threads: 1, memoryBytes: share(cores), tokensMax: 0, measured: [] };
  }
  const best = await measureAll(options, cores, share);
  await memory.write(key, best);
  return { ...best, memoryBytes: share(best.processes) };
}

/** `[processes, threads]`, most processes first. */
export function candidatesOf(cores: number): [number, number][] {
  const candidates: [number, number][] = [];
  for (let threads = 1; threads < cores; threads *= 2) {
    candidates.push([Math.floor(cores / threads), threads]);
  }
  candidates.push([1, cores]);
  return candidates;
}

/** A candidate must be this much faster than one with fewer processes, which needs less memory. */
const WORTH_WHILE = 1.03;

async function measureAll(
  options: LayoutOptions,
  cores: number,
  share: (processes: number) => number,
): Promise<z.infer<typeof REMEMBERED>> {
  let best: z.infer<typeof REMEMBERED> | undefined;
  let rate = 0;
  let refusal: unknown;
  const measured: MeasuredLayout[] = [];
  for (const [processes, threads] of candidatesOf(cores).reverse()) {
    try {
      const found = await measure(options, { processes, threads, memoryBytes: share(processes) });
      measured.push({ processes, threads, tokensPerSecond: Math.round(found.tokensPerSecond) });
      if (found.tokensPerSecond < rate * WORTH_WHILE) continue;
      rate = found.tokensPerSecond;
      best = { processes, threads, tokensMax: found.tokensMax, measured };
    } catch (thrown) {
      // More processes than fit the memory; fewer may have worked.
      refusal = thrown;
      if (!(thrown instanceof RaysidueError) || best === undefined) break;
    }
  }
  if (best === undefined) throw refusal;
  return best;
}

/** Two calls or more of a model that is no slower than AntiBERTy; the first work waits for it. */
const MEASURE_SECONDS = 0.4;
/** A usual domain; models slower than PROBE are measured with that. */
const USUAL_RESIDUES = 200;
const PROBE_RESIDUES = 30;
/** Sequences that an engine runs at once while measured: they fill one call of its own. */
const SEQUENCES = 3;

interface Candidate {
  readonly processes: number;
  readonly threads: number;
  readonly memoryBytes: number;
}

async function measure(
  options: LayoutOptions,
  { processes, threads, memoryBytes }: Candidate,
): Promise<{ tokensPerSecond: number; tokensMax: number }> {
  const { kind, engine, model, fingerprint, parameters } = options;
  const spec = { kind, engine, model, fingerprint, parameters };
  const started = await Promise.allSettled(
    Array.from({ length: processes }, () =>
      startEngine({ ...spec, options: JSON.stringify({ threads, memoryBytes }) }),
    ),
  );
  const engines = started.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  try {
    for (const each of started) if (each.status === "rejected") throw each.reason;
    const tokensPerSecond = await rateOf(engines);
    return { tokensPerSecond, tokensMax: engines[0]!.tokensMax };
  } finally {
    // Nobody waits for idle processes to end: the next ones start meanwhile.
    for (const each of engines) void each.close();
  }
}

async function rateOf(engines: readonly EngineHandle[]): Promise<number> {
  const probe = [sequenceOf(PROBE_RESIDUES)];
  // The first run touches the weights, the second is the probe.
  await Promise.all(engines.map((engine) => engine.run(probe)));
  const [first] = await Promise.all(engines.map((engine) => engine.run(probe)));
  const probeRate = first!.tokens / Math.max(1e-6, first!.busySeconds);
  const isSlow = (USUAL_RESIDUES * SEQUENCES) / probeRate > MEASURE_SECONDS;
  const length = isSlow ? PROBE_RESIDUES : USUAL_RESIDUES;
  const items = Array.from({ length: SEQUENCES }, () => sequenceOf(length));
  const startedAt = performance.now();
  const until = startedAt + MEASURE_SECONDS * 1000;
  const rates = engines.map(async (engine) => {
    let tokens = 0;
    do tokens += (await engine.run(items)).tokens;
    while (performance.now() < until);
    return tokens / (performance.now() - startedAt);
  });
  const all = await Promise.all(rates);
  return 1000 * all.reduce((sum, rate) => sum + rate, 0);
}

/** Any letters do: the time depends on the length alone. */
function sequenceOf(length: number): Uint8Array {
  const letters = "ACDEFGHIKLMNPQRSTVWY";
  return Buffer.from(letters.repeat(Math.ceil(length / letters.length)).slice(0, length));
}

function keyOf(options: LayoutOptions, cores: number, memoryBytes: number): string {
  const cpu = os.cpus()[0]?.model ?? "";
  const runtime = createRequire(import.meta.url)("onnxruntime-node/package.json") as {
    version: string;
  };
  // In steps of a quarter of the whole: what is available varies from minute to minute.
  const memory = Math.round((4 * memoryBytes) / os.totalmem());
  const { kind, engine, fingerprint, model, parameters } = options;
  const what = [kind, engine, fingerprint === "" ? model : fingerprint, parameters];
  const facts = [cpu, cores, memory, os.totalmem(), runtime.version, ...what];
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 32);
}

/** Answers of this machine, in one file. It is a cache: unreadable means empty. */
class LayoutMemory {
  readonly #path: string;

  constructor(folder: string) {
    this.#path = join(folder, "layout.json");
  }

  async #readAll(): Promise<Record<string, z.infer<typeof REMEMBERED>>> {
    try {
      const text = await readFile(this.#path, "utf8");
      return z.record(z.string(), REMEMBERED).parse(JSON.parse(text));
    } catch {
      // Absent, or written by another version: measured again.
      return {};
    }
  }

  async read(key: string): Promise<z.infer<typeof REMEMBERED> | undefined> {
    return (await this.#readAll())[key];
  }

  async write(key: string, layout: z.infer<typeof REMEMBERED>): Promise<void> {
    try {
      await ensureFolder(dirname(this.#path));
      const all = { ...(await this.#readAll()), [key]: layout };
      await writeFileAtomically(this.#path, `${JSON.stringify(all, null, 1)}\n`);
    } catch {
      // A read-only cache folder costs a measurement in each session, not the run.
    }
  }
}
