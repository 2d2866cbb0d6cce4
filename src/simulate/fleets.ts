/**
 * The twelve fleets that every change of the policy is measured on.
 *
 * Owns: their text, in the form of a fleet file, so that they survive compilation and packing and
 * can be printed as a start for one's own.
 */
import { RaysidueError } from "../base/errors.ts";
import { type Fleet, parseFleet } from "./fleet.ts";

const EQUAL = `
[[devices]]
count = 8
`;

const UNLIKE = `
[[devices]]
count = 4
speed = 4
[[devices]]
count = 4
speed = 1
`;

const TEXTS = {
  F1: `description = "8 equal devices"${EQUAL}`,
  F2: `description = "4 devices of speed 4, 4 of speed 1"${UNLIKE}`,
  F3: `description = "8 equal devices, one becomes ten times slower at half time"${EQUAL}
[[changes]]
at = "50%"
device = 7
speed = 0.1
`,
  F4: `description = "4 equal devices, a fifth joins at half time"
[[devices]]
count = 4
[[devices]]
joins = "50%"
`,
  F5: `description = "8 equal devices, one dies at half time"${EQUAL}
[[losses]]
at = "50%"
device = 7
`,
  F6: `description = "8 equal devices, three sequences of 30,000 to 35,000 among the rest"
job.giants = [30_000, 32_500, 35_000]${EQUAL}`,
  F7: `description = "speeds 16, 8, 4, 2, 1, 1, with 10 % noise an engine call"
${[16, 8, 4, 2, 1, 1].map((speed) => `[[devices]]\nspeed = ${speed}\nnoise = 0.1\n`).join("")}`,
  F8: `description = "8 equal devices, one dies at 95 %, unnoticed until its silence is"${EQUAL}
[[losses]]
at = "95%"
device = 7
silent = true
`,
  F9: `description = "4 devices of speed 4, 4 of speed 1; a fast one is cut off for 30 s"${UNLIKE}
[[cuts]]
at = "50%"
device = 0
seconds = 30
`,
  F10: `description = "8 equal devices; the scheduler is killed at half time and back after 2 s"${EQUAL}
[[restarts]]
at = "50%"
seconds = 2
`,
  F11: `description = "8 equal devices, one of them leaves and joins again every 5 s"
[[devices]]
count = 7
[[devices]]
cycle_seconds = 5
`,
  // No table of speeds is ever given to the scheduler, right or wrong: it measures.
  F12: `description = "the fleet of F2, its speeds unknown in advance"${UNLIKE}`,
} as const;

export const FLEET_NAMES: readonly string[] = Object.keys(TEXTS);

/** The TOML of a shipped fleet, as a fleet file holds it. Throws RaysidueError "usage". */
export function fleetText(name: string): string {
  const text = (TEXTS as Readonly<Record<string, string>>)[name];
  if (text === undefined || !Object.hasOwn(TEXTS, name)) {
    const known = FLEET_NAMES.join(", ");
    throw new RaysidueError("usage", `no fleet "${name}"; shipped are ${known}`);
  }
  return `name = "${name}"\n${text}`;
}

export function shippedFleet(name: string): Fleet {
  return parseFleet(fleetText(name), `fleet ${name}`);
}
