/**
 * The machine's matrix product rate at several moments of a benchmark.
 *
 * A shared machine's speed changes from minute to minute; what ran between two windows is compared
 * with the mean of both.
 */
import { GemmBench } from "./gemm.ts";

/** About four seconds on two cores. */
const ROUNDS = 15;

/** Best median over the shapes of gemm.ts, in GFLOP/s, just now. */
export async function gemmNow(threads: number): Promise<number> {
  const bench = await GemmBench.open(threads);
  try {
    for (let i = 0; i < ROUNDS; i++) await bench.round();
    return bench.rates().gflops;
  } finally {
    await bench.close();
  }
}

export const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
