/**
 * A worker's connection as the scheduler's shell knows it: names, devices and the stream.
 *
 * Invariant: a device's number within its worker maps to one DeviceId for the connection's life,
 * and lease tables hold only what this worker has been given and not closed.
 */
import type { DeviceInfo, Registration, WorkerOrder } from "../rpc/messages.ts";
import type { DeviceId, WorkerId } from "./core/events.ts";

export class WorkerRecord {
  readonly id: WorkerId;
  readonly registration: Registration;
  readonly send: (order: WorkerOrder) => void;
  readonly close: (reason: string) => void;
  readonly #devices = new Map<number, { id: DeviceId; info: DeviceInfo }>();
  /** Runs whose shard folder this worker reached; the others' rows are pulled from it. */
  readonly sharedRuns = new Set<string>();
  isDraining = false;
  lastHeardAt: number;

  constructor(options: {
    id: WorkerId;
    registration: Registration;
    now: number;
    send: (order: WorkerOrder) => void;
    close: (reason: string) => void;
  }) {
    this.id = options.id;
    this.registration = options.registration;
    this.lastHeardAt = options.now;
    this.send = options.send;
    this.close = options.close;
  }

  get devices(): readonly DeviceInfo[] {
    return [...this.#devices.values()].map((device) => device.info);
  }

  get deviceIds(): readonly DeviceId[] {
    return [...this.#devices.values()].map((device) => device.id);
  }

  /** The fleet-wide number of one of this worker's devices; `make` numbers a new one. */
  deviceId(info: DeviceInfo, make: () => DeviceId): DeviceId {
    const known = this.#devices.get(info.device);
    if (known !== undefined) return known.id;
    const id = make();
    this.#devices.set(info.device, { id, info });
    return id;
  }

  device(id: DeviceId): DeviceInfo | undefined {
    for (const device of this.#devices.values()) if (device.id === id) return device.info;
    return undefined;
  }
}
