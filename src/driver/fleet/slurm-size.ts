/**
 * How many workers a run is worth asking SLURM for.
 *
 * Owns: a rough price of the work in seconds of one worker. Roughness does no harm: workers beyond
 * what is needed are cancelled with the run, and the scheduler balances whatever comes.
 */
import type { DeviceType } from "../../engine/device-type.ts";

export interface ExpectedWork {
  /** Of matrix products; 0 where the kind's work is none. */
  readonly gflop: number;
  readonly items: number;
  readonly kind: string;
}

export interface WorkerShape {
  readonly cpus?: number;
  readonly gres?: string;
  readonly device?: DeviceType;
  readonly workersMin?: number;
  readonly workersMax?: number;
}

/** fp32, of a CPU core with AVX2 (measured 60 to 80) and of a data-centre GPU in practice. */
const CORE_GFLOPS = 60;
const GPU_GFLOPS = 8000;
/** CPU seconds of an item, where no matrix products say it. */
const ITEM_SECONDS: Readonly<Record<string, number>> = { score: 0.4, annotate: 0.01 };
const ITEM_SECONDS_ELSE = 0.1;
/** A worker that has less to do than this is not worth its place in the queue. */
const WORKER_SECONDS = 600;
const WORKERS_MAX = 64;

export function workersFor(work: ExpectedWork, shape: WorkerShape): number {
  const cores = shape.cpus ?? 1;
  const gpus = Number(
    /\bgpu(?::[\w.-]*[A-Za-z][\w.-]*)?(?::(\d+))?/.exec(shape.gres ?? "")?.[1] ?? 1,
  );
  const isOnGpu = (shape.device ?? "cpu") !== "cpu";
  const speed = isOnGpu ? gpus * GPU_GFLOPS : cores * CORE_GFLOPS;
  const seconds =
    work.gflop > 0
      ? work.gflop / speed
      : (work.items * (ITEM_SECONDS[work.kind] ?? ITEM_SECONDS_ELSE)) / cores;
  const wanted = Math.ceil(seconds / WORKER_SECONDS);
  const most = Math.min(shape.workersMax ?? WORKERS_MAX, Math.max(1, work.items));
  return Math.max(shape.workersMin ?? 1, Math.min(most, wanted));
}
