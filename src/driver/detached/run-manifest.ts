/**
 * What is written of a run that was left on a cluster: what it is, and how far.
 *
 * Both files lie in the run's folder on the head and are read at home, also by a later version.
 */
import { z } from "zod";

/** How long results wait to be fetched, unless the command says another time. */
export const KEEP_SECONDS = 14 * 86_400;

const placedFlagSchema = z.object({
  /** As `--model`. */
  flag: z.string(),
  /** Where its value lies: in the run's folder, or in the hub's cache. */
  root: z.enum(["run", "hub"]),
  path: z.string(),
});
/** A flag whose value came along. */
export type PlacedFlag = z.infer<typeof placedFlagSchema>;

/** manifest.json, as it was brought. */
export const manifestSchema = z.object({
  run: z.string(),
  /** Of raysidue, without what depends on the place: inputs, output folder, address. */
  command: z.array(z.string()).readonly(),
  /** Files, folders and patterns, as seen from the run's folder `input`. */
  inputs: z.array(z.string()).readonly(),
  flags: z.array(placedFlagSchema).readonly().default([]),
  /** Where its results are wanted at home. */
  outputFolder: z.string(),
  /** From its end until its files are removed, fetched or not. */
  keepSeconds: z.number().default(KEEP_SECONDS),
  startedAt: z.string(),
});
export type RunManifest = z.infer<typeof manifestSchema>;

/** status.json, as it is now. */
export const hostedSchema = z.object({
  state: z.enum(["running", "done", "failed"]),
  exit: z.number(),
  /** The last line that the driver said. */
  line: z.string(),
  /** Of the output folder, when the run has ended. */
  files: z.array(z.object({ path: z.string(), sizeBytes: z.number() })),
  /** When its files are removed, ISO 8601; empty while it runs. */
  keptUntil: z.string().default(""),
});
export type HostedStatus = z.infer<typeof hostedSchema>;
