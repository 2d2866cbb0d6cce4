/**
 * What the worker daemons of a session's own fleet are told, wherever they start.
 *
 * Owns: these options as the words of `raysidue worker start`.
 */
import type { DeviceType } from "../../engine/device-type.ts";

export interface WorkerSetup {
  /** What language models run on; absent: the CPU. */
  readonly device?: DeviceType;
  /** Of each GPU, what an engine may use; absent: 8 GB. */
  readonly deviceMemoryBytes?: number;
  /** Specifications of emulated devices. */
  readonly emulate?: readonly string[];
  /** Engines of the user's own. */
  readonly ownEngines?: readonly string[];
}

export function workerFlags(options: WorkerSetup): string[] {
  const { device, deviceMemoryBytes, emulate = [], ownEngines = [] } = options;
  return [
    ...(device === undefined ? [] : ["--device", device]),
    ...(deviceMemoryBytes === undefined ? [] : ["--device-memory", String(deviceMemoryBytes)]),
    ...emulate.flatMap((each) => ["--emulate", each]),
    ...ownEngines.flatMap((each) => ["--engine", each]),
  ];
}
