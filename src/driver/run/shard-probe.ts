/**
 * The token file by which a worker finds out whether it shares storage with the driver.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError } from "../../base/errors.ts";
import type { RunSpec } from "../../rpc/messages.ts";

export interface ShardProbe extends AsyncDisposable {
  readonly spec: Pick<RunSpec, "shardFolder" | "probeName" | "probeToken">;
}

/** Puts a token file into the folder; it is removed on disposal. */
export async function placeProbe(shardFolder: string): Promise<ShardProbe> {
  const probeName = `probe-${randomUUID()}`;
  const probeToken = randomBytes(16).toString("hex");
  const path = join(shardFolder, probeName);
  try {
    await writeFile(path, probeToken, { flag: "wx" });
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot write ${shardFolder}`);
  }
  return {
    spec: { shardFolder, probeName, probeToken },
    [Symbol.asyncDispose]: () => rm(path, { force: true }),
  };
}
