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
  readonly noise?: number;
  readonly slowdowns?: readonly { readonly afterSeconds: number; readonly factor: number }[];
}

const FIELDS: Record<string, "speed" | "overheadMs" | "costMs" | "noise"> = {
  speed: "speed",
  overhead: "overheadMs",
  cost: "costMs",
  noise: "noise",
};

const FORM =
  "write speed=4,overhead=10ms,cost=0.1ms,noise=0.1,slow=10@15s (ten times slower after 15 s), or instant";

/** Parses such a list, or `instant`. Throws RaysidueError "usage". */
export function parseEmulated(text: string): EmulatedDevice {
  if (text === "instant") return {};
  const device: Record<string, number> = {};
  const slowdowns: { afterSeconds: number; factor: number }[] = [];
  const refuse = (part: string) =>
    new RaysidueError("usage", `--emulate ${text}: "${part}" is not understood; ${FORM}`);
  for (const part of text.split(",")) {
    const [name = "", value = ""] = part.split("=").map((each) => each.trim());
    const slow = /^([\d.]+)@([\d.]+)s?$/.exec(value);
    if (name === "slow" && slow !== null) {
      slowdowns.push({ factor: Number(slow[1]), afterSeconds: Number(slow[2]) });
      continue;
    }
    const field = FIELDS[name];
    const number = Number(value.replace(/ms$/, ""));
    if (field === undefined || value === "" || !Number.isFinite(number) || number < 0) {
      throw refuse(part);
    }
    device[field] = number;
  }
  // The defaults are those of the redistribution benchmark: 10 ms a batch, 0.1 ms a token.
  return {
    speed: 1,
    overheadMs: 10,
    costMs: 0.1,
    ...device,
    ...(slowdowns.length > 0 && { slowdowns }),
  };
}
