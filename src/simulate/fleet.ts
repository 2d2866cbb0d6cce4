/**
 * A virtual fleet as a file says it: devices, and what happens to them.
 *
 * Owns: the TOML form, its checks and defaults. Times are seconds, or "50%" of the ideal time.
 */
import { parse } from "smol-toml";
import { z } from "zod";
import { messageOf, RaysidueError } from "../base/errors.ts";

const time = z
  .union([z.number().nonnegative(), z.string().regex(/^\d+(\.\d+)?%$/, 'seconds or "50%"')])
  .describe('seconds, or "50%" of the ideal time');
const index = z.number().int().nonnegative();
const seconds = z.number().nonnegative();

const devices = z.strictObject({
  count: z.number().int().min(1).max(10_000).default(1),
  /** 1 takes 0.1 ms a token. */
  speed: z.number().positive().default(1),
  /** What every engine call takes besides its tokens, at any speed. */
  overhead_ms: z.number().nonnegative().default(10),
  /** Standard deviation of an engine call's time, relative. */
  noise: z.number().min(0).max(1).default(0),
  /** Largest engine call in padded tokens. The default leaves the size to the scheduler. */
  cost_max: z.number().int().min(1).default(1_048_576),
  /** Engine calls handed to the engine ahead of time: 1 hides the way to it, 0 keeps work movable. */
  prefetch: z.union([z.literal(0), z.literal(1)]).default(1),
  joins: time.default(0),
  /** From joining to serving: the engine opens its model. */
  opening_seconds: seconds.default(0),
  /** It leaves after so long, is away as long, joins again, and so on. */
  cycle_seconds: z.number().positive().optional(),
});

const fleetSchema = z.strictObject({
  name: z.string().min(1),
  description: z.string().default(""),
  job: z
    .strictObject({
      /** Lengths of single sequences added to the drawn ones. */
      giants: z.array(z.number().int().min(1).max(1_000_000)).default([]),
    })
    .prefault({}),
  network: z
    .strictObject({
      /** One way. */
      latency_ms: z.number().nonnegative().default(1),
      jitter_ms: z.number().nonnegative().default(0.5),
    })
    .prefault({}),
  devices: z.array(devices).min(1),
  /** The speed becomes another one. */
  changes: z.array(z.strictObject({ at: time, device: index, speed: seconds })).default([]),
  /** It dies; `silent`: without its connection breaking. */
  losses: z
    .array(z.strictObject({ at: time, device: index, silent: z.boolean().default(false) }))
    .default([]),
  /** The network to it is cut. */
  cuts: z.array(z.strictObject({ at: time, device: index, seconds })).default([]),
  /** Its walltime ends; it says so `warning_seconds` before. */
  ends: z
    .array(z.strictObject({ at: time, device: index, warning_seconds: seconds.default(30) }))
    .default([]),
  /** The scheduler is killed and comes back after so long, knowing nothing. */
  restarts: z.array(z.strictObject({ at: time, seconds })).default([]),
});

export type Fleet = z.infer<typeof fleetSchema>;
export type DeviceSpec = Omit<Fleet["devices"][number], "count">;
export type Time = z.infer<typeof time>;

/** Reads a fleet from TOML. Throws RaysidueError "bad-input" naming `where` and the field. */
export function parseFleet(text: string, where: string): Fleet {
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (thrown) {
    const [first] = messageOf(thrown).split(";");
    throw new RaysidueError("bad-input", `${where}: not TOML: ${first}`, { cause: thrown });
  }
  const parsed = fleetSchema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const field = issue.path.join(".") || "fleet";
    throw new RaysidueError("bad-input", `${where}: ${field}: ${issue.message}`);
  }
  const fleet = parsed.data;
  const count = deviceSpecs(fleet).length;
  if (count > 10_000) {
    throw new RaysidueError(
      "bad-input",
      `${where}: ${count} devices; at most 10,000 are simulated`,
    );
  }
  for (const list of ["changes", "losses", "cuts", "ends"] as const) {
    for (const { device } of fleet[list]) {
      if (device < count) continue;
      const text = `${where}: ${list}: device ${device} is not one of the fleet's ${count} (0-based)`;
      throw new RaysidueError("bad-input", text);
    }
  }
  return fleet;
}

/** One entry a device, in the order of the file. */
export function deviceSpecs(fleet: Fleet): DeviceSpec[] {
  return fleet.devices.flatMap(({ count, ...spec }) => Array.from({ length: count }, () => spec));
}

/** Milliseconds since the start. */
export function timeMs(at: Time, idealMs: number): number {
  return typeof at === "number" ? at * 1000 : (Number.parseFloat(at) / 100) * idealMs;
}
