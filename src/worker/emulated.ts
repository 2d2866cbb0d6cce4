/**
 * What `--emulate SPEC` says: the speed of a device that is not there.
 *
 * For scaling work only; everything that shows such a device calls it emulated.
 */
import { RaysidueError } from "../base/errors.ts";

/** As the emulated engine takes them (engine/emulate.ts). No field: it answers at once. */
export interface EmulatedDevice {
  readonly speed?: number;
  readonly overheadMs?: number;
  readonly costMs?: number;
}

const FIELDS: Record<string, keyof EmulatedDevice> = {
  speed: "speed",
  overhead: "overheadMs",
  cost: "costMs",
};

/** Parses `speed=4,overhead=10ms,cost=0.1ms`, or `instant`. Throws RaysidueError "usage". */
export function parseEmulated(text: string): EmulatedDevice {
  if (text === "instant") return {};
  const device: Record<string, number> = {};
  for (const part of text.split(",")) {
    const [name = "", value = ""] = part.split("=");
    const field = FIELDS[name.trim()];
    const number = Number(value.trim().replace(/ms$/, ""));
    if (field === undefined || value === "" || !Number.isFinite(number) || number < 0) {
      throw new RaysidueError(
        "usage",
        `--emulate ${text}: "${part}" is not understood; write speed=4,overhead=10ms,cost=0.1ms or instant`,
      );
    }
    device[field] = number;
  }
  // The defaults are those of the redistribution benchmark: 10 ms a batch, 0.1 ms a token.
  return { speed: 1, overheadMs: 10, costMs: 0.1, ...device };
}
