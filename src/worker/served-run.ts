/**
 * One run as this worker serves it: its engines, one a device, and its shards.
 *
 * Owns: whether the run's shard folder is reached from here (probed with a token file, never
 * assumed), where rows go instead if not, and the run's sinks. Invariant: after `close` no shard of
 * the run is open here; engines outlive it a while (engine-pool.ts), since the next run often has
 * the same model.
 */
import { access, constants, readFile } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../base/errors.ts";
import { ensureFolder } from "../base/files.ts";
import type { EngineLaunch } from "../engine/host/engine-host.ts";
import type { EngineRegistry } from "../engine/host/engine-registry.ts";
import type { RunSpec, WorkerReport } from "../rpc/messages.ts";
import { ShardSink } from "../store/shard-sink.ts";
import type { DeviceEngine } from "./device-engine.ts";
import type { Device, Devices } from "./devices.ts";
import type { EnginePool } from "./engine-pool.ts";

/** Where a worker's engines come from, and where they are kept. */
export interface WorkerEngines {
  readonly registry: EngineRegistry;
  readonly pool: EnginePool;
}

interface Opening {
  readonly pool: EnginePool;
  readonly launch: EngineLaunch;
  readonly sharedStorage: boolean;
}

export class ServedRun {
  readonly spec: RunSpec;
  readonly #spoolFolder: string;
  readonly #sinks = new Map<number, ShardSink>();
  readonly #engines = new Map<number, DeviceEngine>();
  #folder = "";
  #isClosed = false;

  /** `spoolFolder`: where this run's rows go if its own folder is not reached from here. */
  constructor(spec: RunSpec, spoolFolder: string) {
    this.spec = spec;
    this.#spoolFolder = spoolFolder;
  }

  /** The folder this worker's shards of the run lie in. */
  get folder(): string {
    return this.#folder;
  }

  /** Brings an engine up on every device that can serve the run, reporting each as it is ready. */
  async open(
    devices: Devices,
    engines: WorkerEngines,
    report: (report: WorkerReport) => void,
  ): Promise<void> {
    const { runId } = this.spec;
    try {
      const sharedStorage = await this.#reachesShardFolder();
      this.#folder = sharedStorage ? this.spec.shardFolder : this.#spoolFolder;
      if (!sharedStorage) await ensureFolder(this.#folder);
      const launch = await engines.registry.launch(this.spec.engine);
      const serving = await devices.serving(this.spec);
      const open = { pool: engines.pool, launch, sharedStorage };
      await Promise.all(serving.map((device) => this.#openOn(device, open, report)));
    } catch (thrown) {
      const reason = messageOf(thrown);
      report({ type: "engineFailed", runId, device: undefined, reason, retryable: false });
    }
  }

  /** What a device needs to run this run's batches; undefined where it is not open (any more). */
  on(device: number): { engine: DeviceEngine; sink: ShardSink } | undefined {
    const engine = this.#engines.get(device);
    if (engine === undefined || this.#isClosed) return undefined;
    let sink = this.#sinks.get(device);
    if (sink === undefined) {
      sink = new ShardSink(this.#folder);
      this.#sinks.set(device, sink);
    }
    return { engine, sink };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#sinks.values()].map((sink) => sink.close()));
  }

  async #openOn(
    device: Device,
    { pool, launch, sharedStorage }: Opening,
    report: (report: WorkerReport) => void,
  ): Promise<void> {
    const { runId } = this.spec;
    const { info } = device;
    const failed = (reason: string) =>
      report({ type: "engineFailed", runId, device: info, reason, retryable: false });
    try {
      const engine = pool.get(device, this.spec, launch, failed);
      await engine.start();
      if (this.#isClosed) return;
      this.#engines.set(info.device, engine);
      const { tokensMax, itemTokensMax } = engine;
      const ready = { runId, device: info, tokensMax, itemTokensMax, sharedStorage };
      report({ type: "engineReady", ...ready });
    } catch (thrown) {
      failed(messageOf(thrown));
    }
  }

  async #reachesShardFolder(): Promise<boolean> {
    const { shardFolder, probeName, probeToken } = this.spec;
    if (shardFolder === "" || !/^[A-Za-z0-9._-]+$/.test(probeName)) return false;
    try {
      if ((await readFile(join(shardFolder, probeName), "utf8")) !== probeToken) return false;
      await access(shardFolder, constants.W_OK);
      return true;
    } catch {
      // Not there, not ours to write, or another machine's folder of that name: not shared.
      return false;
    }
  }
}
