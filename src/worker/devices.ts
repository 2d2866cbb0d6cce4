/**
 * The devices of this node, and which of them serve which run.
 *
 * Owns: device numbers and lanes. Invariant: a device keeps its number and its one lane for the
 * daemon's life, so that two runs never use it at once. The number of CPU devices is measured once,
 * with the first model (engine/layout.ts), unless the user says it.
 */
import { readdirSync } from "node:fs";
import os from "node:os";
import { RaysidueError } from "../base/errors.ts";
import type { DeviceType } from "../engine/device-type.ts";
import { isOwnProcess } from "../engine/host/engine-registry.ts";
import { chooseLayout } from "../engine/layout.ts";
import { availableMemoryBytes } from "../engine/memory.ts";
import type { DeviceInfo, RunSpec, WorkerReport } from "../rpc/messages.ts";
import { DeviceLane } from "./device-lane.ts";
import type { EmulatedDevice } from "./emulated.ts";

/** Half a minute for two cores: a measurement takes a tenth of that, and gains a few per cent. */
const BRIEF_GFLOP = 5_000;

/** What a GPU's engine may use unless it is said: most GPUs have that, and no library here tells. */
const GPU_MEMORY_BYTES = 8e9;

/** The rest is for the daemon, the driver and the user; as engine/layout.ts has it. */
const HOSTS_MEMORY_SHARE = 0.6;

export interface DeviceOptions {
  /** What language models run on here; poses and engines in other languages have the CPU. */
  readonly device?: DeviceType;
  /** Of each GPU, what an engine may use. */
  readonly deviceMemoryBytes?: number;
  /** Engine processes on the CPU; measured if absent. */
  readonly engines?: number;
  /** Threads of each. */
  readonly threads?: number;
  /** Memory that all engines together may use. */
  readonly memoryBytes?: number;
  /** This daemon lives for one session: brief work is not worth a measurement. */
  readonly isShortLived?: boolean;
  /** If not empty: this node offers these emulated devices and nothing else. */
  readonly emulated: readonly EmulatedDevice[];
}

export interface Device {
  readonly info: DeviceInfo;
  readonly lane: DeviceLane;
  /** JSON of the engine's options: threads and memory, or emulated speed. */
  readonly engineOptions: string;
  /** What its engines see besides the daemon's own environment. */
  readonly environment: Readonly<Record<string, string>>;
}

export class Devices {
  readonly #options: DeviceOptions;
  readonly #report: (report: WorkerReport) => void;
  readonly #all: Device[] = [];
  #cpu: Promise<Device[]> | undefined;
  #emulated: Device[] | undefined;
  #hosts: Promise<Device[]> | undefined;
  #gpus: Device[] | undefined;

  constructor(options: DeviceOptions, report: (report: WorkerReport) => void) {
    this.#options = options;
    this.#report = report;
  }

  get all(): readonly Device[] {
    return this.#all;
  }

  byNumber(device: number): Device | undefined {
    return this.#all[device];
  }

  /** The devices that can serve `run`. Throws RaysidueError where this node has none. */
  async serving(run: RunSpec): Promise<readonly Device[]> {
    if (run.engine === "emulate") {
      this.#emulated ??= this.#makeEmulated();
      return this.#emulated;
    }
    if (this.#options.emulated.length > 0) {
      throw new RaysidueError("unavailable", "this worker has emulated devices only");
    }
    if (!isOwnProcess(run.engine)) {
      this.#hosts ??= this.#makeHosts();
      return this.#hosts;
    }
    const { device = "cpu" } = this.#options;
    if (run.engine === "onnx" && device !== "cpu") {
      this.#gpus ??= this.#makeGpus(device);
      return this.#gpus;
    }
    this.#cpu ??= this.#makeCpu(run);
    try {
      return await this.#cpu;
    } catch (thrown) {
      this.#cpu = undefined;
      throw thrown;
    }
  }

  #makeEmulated(): Device[] {
    const { emulated } = this.#options;
    const devices = emulated.length > 0 ? emulated : Array(os.availableParallelism()).fill({});
    return devices.map((options: EmulatedDevice, i) =>
      this.#add({ name: `emulate${i}`, type: "emulate", threads: 1, memoryBytes: 0 }, options),
    );
  }

  /** An engine a GPU. WebGPU names none: the driver's first is taken. */
  #makeGpus(type: Exclude<DeviceType, "cpu">): Device[] {
    const memoryBytes = this.#options.deviceMemoryBytes ?? GPU_MEMORY_BYTES;
    // Matrix products in TF32 would be 1e-3 off.
    const cuda = (id: string) => ({ [VISIBLE_GPUS]: id, NVIDIA_TF32_OVERRIDE: "0" });
    const seen = type === "webgpu" ? [{}] : visibleGpus().map(cuda);
    if (seen.length === 0) {
      const text = `--device cuda: no NVIDIA GPU here (${VISIBLE_GPUS} and /proc/driver/nvidia)`;
      throw new RaysidueError("unavailable", `${text}; ask for GPUs, or leave --device out`);
    }
    return seen.map((environment, i) =>
      this.#add(
        { name: `${type}${i}`, type, threads: 1, memoryBytes },
        { device: type, threads: 1, memoryBytes },
        environment,
      ),
    );
  }

  async #makeCpu(run: RunSpec): Promise<Device[]> {
    const { engines, threads, memoryBytes, isShortLived } = this.#options;
    const { expectedGflop } = run;
    const isFast = isShortLived === true && expectedGflop > 0 && expectedGflop < BRIEF_GFLOP;
    const layout = await chooseLayout({
      kind: run.kind,
      engine: run.engine,
      model: run.model,
      fingerprint: run.fingerprint,
      parameters: run.parameters,
      // A pose is one thread's work: nothing is to be learned about more.
      isBrief: isFast || run.kind === "score",
      ...(engines !== undefined && { processes: engines }),
      ...(threads !== undefined && { threads }),
      ...(memoryBytes !== undefined && { memoryBytes }),
    });
    return Array.from({ length: layout.processes }, (_, i) =>
      this.#add(
        { name: `cpu${i}`, type: "cpu", threads: layout.threads, memoryBytes: layout.memoryBytes },
        { threads: layout.threads, memoryBytes: layout.memoryBytes },
      ),
    );
  }

  /** Engines in other languages: a process a core, as most of them have one thread. */
  async #makeHosts(): Promise<Device[]> {
    const { engines, memoryBytes } = this.#options;
    const count = engines ?? os.availableParallelism();
    const all = memoryBytes ?? HOSTS_MEMORY_SHARE * (await availableMemoryBytes());
    const shared = { threads: 1, memoryBytes: Math.floor(all / count) };
    const gpus = givenGpus() ?? [];
    return Array.from({ length: count }, (_, i) => {
      const gpu = gpus[i % Math.max(1, gpus.length)];
      const environment = gpu === undefined ? {} : { [VISIBLE_GPUS]: gpu };
      return this.#add({ name: `host${i}`, type: "cpu", ...shared }, shared, environment);
    });
  }

  #add(
    info: Omit<DeviceInfo, "device">,
    engineOptions: object,
    environment: Device["environment"] = {},
  ): Device {
    const device: Device = {
      info: { ...info, device: this.#all.length },
      lane: new DeviceLane(this.#report),
      engineOptions: JSON.stringify(engineOptions),
      environment,
    };
    this.#all.push(device);
    return device;
  }
}

/** Where SLURM, Ray or the user name the GPUs that this daemon has; an engine sees one of them. */
const VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES";

/** Undefined: nobody said. */
function givenGpus(): readonly string[] | undefined {
  return process.env[VISIBLE_GPUS]?.split(",").filter((gpu) => gpu.trim() !== "");
}

/** Those that were given, else all that NVIDIA's driver lists. */
function visibleGpus(): readonly string[] {
  const given = givenGpus();
  if (given !== undefined) return given;
  try {
    return readdirSync("/proc/driver/nvidia/gpus").map((_, i) => String(i));
  } catch {
    // No such driver.
    return [];
  }
}
