/**
 * Who writes shards in a folder now: a mark beside the shards for each open sink.
 *
 * Owns: making, removing and waiting for marks. A driver that was killed leaves a worker that still
 * appends for a moment; a run that resumes waits for it, so that no row is computed a second time.
 * Invariant: a mark whose process is gone holds nobody up, and of other machines nothing is known:
 * they hold nobody up either.
 */
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isProvablyAlive, isProvablyDead, makeOwnerWord } from "../base/process-owner.ts";

const PREFIX = ".writer-";
const WAIT_MS = 10_000;
const LOOK_MS = 20;

/** Marks this process as a writer; returns the mark's path. */
export async function markWriter(folder: string): Promise<string> {
  const path = join(folder, PREFIX + makeOwnerWord());
  await writeFile(path, "");
  return path;
}

export function unmarkWriter(path: string): Promise<void> {
  return rm(path, { force: true });
}

/**
 * Waits until no other process of this machine writes in `folder`, at most `waitMs`; removes marks
 * of processes that are gone. A folder that is not there has no writers.
 */
export async function settleWriters(folder: string, waitMs = WAIT_MS): Promise<void> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const names = await readdir(folder).catch(() => []);
    const words = names
      .filter((name) => name.startsWith(PREFIX))
      .map((name) => name.slice(PREFIX.length));
    const dead = words.filter(isProvablyDead);
    await Promise.all(
      dead.map((word) => unmarkWriter(join(folder, PREFIX + word)).catch(() => {})),
    );
    if (!words.some(isProvablyAlive) || performance.now() > deadline) return;
    await delay(LOOK_MS);
  }
}
