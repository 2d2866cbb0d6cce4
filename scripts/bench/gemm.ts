/**
 * The float32 matrix product rate that this machine reaches through ONNX Runtime.
 *
 *     node dist/scripts/bench/gemm.js [--threads 2] [--rounds 7]
 *
 * Prints one JSON line. The rate is the best of some shapes, with the second matrix as an input
 * and as a packed weight, each by its median: what an engine is compared with must be what the
 * machine can do, not what one shape happens to reach.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { GraphBuilder } from "../../src/engine/onnx/model-proto.ts";
import { type Feeds, OnnxSession } from "../../src/engine/onnx/session.ts";

interface Product {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly isPacked: boolean;
}

/** Cubes of two sizes, and the two shapes of a feed-forward part. */
const PRODUCTS: readonly Product[] = [
  { m: 2048, k: 2048, n: 2048, isPacked: false },
  { m: 2048, k: 2048, n: 2048, isPacked: true },
  { m: 1024, k: 1024, n: 1024, isPacked: true },
  { m: 1024, k: 2048, n: 512, isPacked: true },
];
const WEIGHTS_MAX = 2048 * 2048;

export interface GemmRates {
  readonly threads: number;
  /** Best median, in GFLOP/s. */
  readonly gflops: number;
  readonly products: readonly (Product & { readonly gflops: number })[];
}

/** An open set of products, to be measured in turns with something else. */
export class GemmBench {
  readonly #folder: string;
  readonly #sessions: readonly OnnxSession[];
  readonly #threads: number;
  readonly #rates: number[][] = PRODUCTS.map(() => []);

  private constructor(folder: string, sessions: readonly OnnxSession[], threads: number) {
    this.#folder = folder;
    this.#sessions = sessions;
    this.#threads = threads;
  }

  static async open(threads: number): Promise<GemmBench> {
    const folder = await mkdtemp(join(tmpdir(), "raysidue-gemm-"));
    await writeFile(join(folder, "weights"), randomNumbers(WEIGHTS_MAX));
    const sessions: OnnxSession[] = [];
    for (const { k, n, isPacked } of PRODUCTS) {
      const graph = new GraphBuilder();
      const a = graph.input("a", "float32", ["rows", k]);
      const range = { offsetBytes: 0, sizeBytes: 4 * k * n };
      const b = isPacked
        ? graph.weight("b", { location: "weights", ...range, dtype: "float32", shape: [n, k] })
        : graph.input("b", "float32", [n, k]);
      const product = graph.node("Gemm", [a, b], { transB: { int: 1 } });
      graph.output("c", product, "float32", ["rows", n]);
      const options = { threads, isPrepacked: isPacked };
      sessions.push(await OnnxSession.open(graph.build("gemm"), folder, options));
    }
    return new GemmBench(folder, sessions, threads);
  }

  /** One product of each shape. */
  async round(): Promise<void> {
    for (const [i, { m, k, n }] of PRODUCTS.entries()) {
      const feeds: Feeds = {
        a: { data: randomNumbers(m * k), dims: [m, k] },
        b: { data: randomNumbers(k * n), dims: [n, k] },
      };
      const startedAt = performance.now();
      await this.#sessions[i]!.run(feeds, "c");
      this.#rates[i]!.push((2 * m * k * n) / (performance.now() - startedAt) / 1e6);
    }
  }

  rates(): GemmRates {
    const products = PRODUCTS.map((product, i) => ({
      ...product,
      gflops: median(this.#rates[i]!),
    }));
    const gflops = Math.max(...products.map((product) => product.gflops));
    return { threads: this.#threads, gflops, products };
  }

  async close(): Promise<void> {
    for (const session of this.#sessions) await session.close();
    await rm(this.#folder, { recursive: true });
  }
}

let pool: Float32Array | undefined;

/** Views of one array: making millions of numbers would take longer than multiplying them. */
function randomNumbers(count: number): Float32Array {
  pool ??= Float32Array.from({ length: WEIGHTS_MAX }, () => Math.random() - 0.5);
  return pool.subarray(0, count);
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      threads: { type: "string", default: "1" },
      rounds: { type: "string", default: "7" },
    },
  });
  const bench = await GemmBench.open(Number(values.threads));
  for (let i = 0; i < Number(values.rounds); i++) await bench.round();
  console.log(JSON.stringify(bench.rates()));
  await bench.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
