/**
 * The machine's matrix product rate at several moments of a benchmark.
 *
 * A shared machine's speed changes from minute to minute; what ran between two windows is compared
 * with the mean of both. The product runs once in one session with all threads and once in as many
 * processes with one thread each, as our engines do: other work on a machine holds up the threads of
 * one product together, and what the machine can do is the better of both.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { GemmBench, type GemmRates } from "./gemm.ts";

/** About two seconds on two cores. */
const ROUNDS = 9;

const PROGRAM = fileURLToPath(new URL("gemm.js", import.meta.url));

/** GFLOP/s just now. */
export async function gemmNow(threads: number): Promise<number> {
  const bench = await GemmBench.open(threads);
  try {
    for (let i = 0; i < ROUNDS; i++) await bench.round();
    return Math.max(bench.rates().gflops, await inProcesses(threads));
  } finally {
    await bench.close();
  }
}

async function inProcesses(count: number): Promise<number> {
  const args = [PROGRAM, "--threads", "1", "--rounds", String(ROUNDS)];
  const run = promisify(execFile);
  const said = await Promise.all(Array.from({ length: count }, () => run(process.execPath, args)));
  return said
    .map(({ stdout }) => (JSON.parse(stdout) as GemmRates).gflops)
    .reduce((sum, rate) => sum + rate, 0);
}

export const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
