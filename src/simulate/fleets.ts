/**
 * The twelve fleets that every change of the policy is measured on.
 *
 * Owns: where their files stand (examples/fleets, a start for one's own) and their names.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { fromSystemError, RaysidueError } from "../base/errors.ts";
import { type Fleet, parseFleet } from "./fleet.ts";

const FOLDER = new URL("../../../examples/fleets/", import.meta.url);

export const FLEET_NAMES: readonly string[] = Array.from({ length: 12 }, (_, i) => `F${i + 1}`);

/** The TOML of a shipped fleet. Throws RaysidueError "usage". */
export function fleetText(name: string): string {
  if (!FLEET_NAMES.includes(name)) {
    const known = FLEET_NAMES.join(", ");
    throw new RaysidueError("usage", `no fleet "${name}"; shipped are ${known}`);
  }
  const file = new URL(`${name}.toml`, FOLDER);
  try {
    return readFileSync(file, "utf8");
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot read fleet ${fileURLToPath(file)}`);
  }
}

export function shippedFleet(name: string): Fleet {
  return parseFleet(fleetText(name), `fleet ${name}`);
}
