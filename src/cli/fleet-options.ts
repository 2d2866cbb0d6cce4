/**
 * Options of fleets that a command brings up on a cluster, and what `connect` takes of them.
 */
import { type Command, Option } from "commander";
import type { ConnectOptions } from "../driver/api.ts";
import { DEVICE_TYPES, type DeviceType } from "../engine/device-type.ts";
import { collect, parseBytes, parseCount, parseSeconds } from "./option-values.ts";

/** Adds them to `command`; their values are FleetFlags. Untyped as job-options.ts, and why there. */
export function addFleetOptions(command: Command): void {
  command
    .option("--min-workers <n>", "on a cluster: worker daemons at least", parseCount(1))
    .option(
      "--max-workers <n>",
      "on a cluster: worker daemons at most; more nodes are asked for up to that",
      parseCount(1),
    )
    .option(
      "--max-idle <time>",
      "on a Ray cluster: give workers back after so long without work",
      parseSeconds,
    )
    .option(
      "--node-start <time>",
      "on a Ray cluster: what a node takes to start; more are asked for while each has that long to " +
        "do (default: 2m)",
      parseSeconds,
    )
    .option("--cpus <n>", "on a cluster: of each worker", parseCount(1))
    .option("--gpus <n>", "on a Ray cluster: of each worker", parseCount(0))
    .option("--partition <name>", "slurm: where the workers' jobs go")
    .option("--gres <list>", "slurm: generic resources of each worker, e.g. gpu:1")
    .option("--time <limit>", "slurm: walltime of each worker, as sbatch takes it")
    .option(
      "--max-wait <time>",
      "slurm: give up when no worker has started by then (default: wait)",
      parseSeconds,
    )
    .option("--max-concurrent <n>", "slurm: workers that run at once", parseCount(1))
    .option(
      "--sbatch <option>",
      "slurm: one more for sbatch, e.g. --account=lab; repeatable",
      collect,
    );
}

/** Adds what language models run on. Untyped as above. */
export function addDeviceOptions(command: Command): void {
  command
    .addOption(
      new Option("--device <type>", "what language models run on (default: cpu)").choices(
        DEVICE_TYPES,
      ),
    )
    .option("--device-memory <size>", "of each GPU, for an engine (default: 8GB)", parseBytes);
}

export interface DeviceFlags {
  readonly device?: DeviceType | undefined;
  readonly deviceMemory?: number | undefined;
}

export function deviceOptions({ device, deviceMemory }: DeviceFlags) {
  return {
    ...(device !== undefined && { device }),
    ...(deviceMemory !== undefined && { deviceMemoryBytes: deviceMemory }),
  };
}

export interface FleetFlags extends DeviceFlags {
  readonly minWorkers?: number | undefined;
  readonly maxWorkers?: number | undefined;
  readonly maxIdle?: number | undefined;
  readonly nodeStart?: number | undefined;
  readonly cpus?: number | undefined;
  readonly gpus?: number | undefined;
  readonly partition?: string | undefined;
  readonly gres?: string | undefined;
  readonly time?: string | undefined;
  readonly maxWait?: number | undefined;
  readonly maxConcurrent?: number | undefined;
  readonly sbatch?: readonly string[] | undefined;
}

/** `sharedFolder`: on storage that the nodes of a cluster see. */
export function clusterOptions(flags: FleetFlags, sharedFolder: string): ConnectOptions {
  const { minWorkers, maxWorkers, maxConcurrent, cpus, gpus, partition, gres, time, sbatch } =
    flags;
  const { maxIdle, nodeStart, maxWait } = flags;
  return {
    sharedFolder,
    ...deviceOptions(flags),
    ...(minWorkers !== undefined && { workersMin: minWorkers }),
    ...(maxWorkers !== undefined && { workersMax: maxWorkers }),
    ...(maxIdle !== undefined && { idleMaxSeconds: maxIdle }),
    ...(nodeStart !== undefined && { nodeStartSeconds: nodeStart }),
    ...(cpus !== undefined && { cpus }),
    ...(gpus !== undefined && { gpus }),
    ...(partition !== undefined && { partition }),
    ...(gres !== undefined && { gres }),
    ...(time !== undefined && { time }),
    ...(maxWait !== undefined && { waitMaxSeconds: maxWait }),
    ...(maxConcurrent !== undefined && { concurrentMax: maxConcurrent }),
    ...(sbatch !== undefined && { sbatch }),
  };
}
