/**
 * Engines that are up, by device and by what they compute.
 *
 * Owns: reuse of an engine by the next run with the same model and parameters, and who goes when
 * there are too many. Invariant: a device has at most ENGINES_A_DEVICE_MAX engines.
 */
import type { Log } from "../base/log.ts";
import type { EngineLaunch } from "../engine/host/engine-host.ts";
import type { RunSpec } from "../rpc/messages.ts";
import { DeviceEngine } from "./device-engine.ts";
import type { Device } from "./devices.ts";

/** Two models may take turns on a device; a third would only fill the memory. */
const ENGINES_A_DEVICE_MAX = 2;

interface Pooled {
  readonly key: string;
  readonly engine: DeviceEngine;
}

export class EnginePool {
  readonly #log: Log;
  /** By device number; the most recently used last. */
  readonly #byDevice = new Map<number, Pooled[]>();

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * The engine for `run` on `device`, started or not; `launch` says how it is. `onDown`: it is
   * given up for good.
   */
  get(
    device: Device,
    run: RunSpec,
    launch: EngineLaunch,
    onDown: (reason: string) => void,
  ): DeviceEngine {
    const { kind, engine, model, fingerprint, parameters } = run;
    const key = JSON.stringify([kind, engine, model, fingerprint, parameters]);
    const pooled = this.#byDevice.get(device.info.device) ?? [];
    const known = pooled.find((each) => each.key === key);
    const options = device.engineOptions;
    const environment = { ...launch.environment, ...device.environment };
    const what = { kind, engine, model, fingerprint, parameters, options };
    const spec = { ...launch, ...what, environment };
    const forget = (reason: string) => {
      this.#forget(device.info.device, key);
      onDown(reason);
    };
    const chosen = known ?? { key, engine: new DeviceEngine(spec, this.#log, forget) };
    const rest = pooled.filter((each) => each !== known);
    while (rest.length >= ENGINES_A_DEVICE_MAX) void rest.shift()?.engine.close();
    this.#byDevice.set(device.info.device, [...rest, chosen]);
    return chosen.engine;
  }

  async close(): Promise<void> {
    const all = [...this.#byDevice.values()].flat();
    this.#byDevice.clear();
    await Promise.all(all.map(({ engine }) => engine.close()));
  }

  #forget(device: number, key: string): void {
    const pooled = this.#byDevice.get(device) ?? [];
    this.#byDevice.set(
      device,
      pooled.filter((each) => each.key !== key),
    );
  }
}
