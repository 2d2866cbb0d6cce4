/**
 * A lock between processes on one file system, held while a model is pulled.
 *
 * Owns: one symbolic link whose target names its holder; making a link is atomic and carries the
 * name at once, also on NFS. Invariant: a holder that was killed never blocks anybody for longer
 * than its heartbeat's limit. Two holders at once remain possible, above all where one was frozen
 * for that long; pulls stay right even then, because every partial file has its own name and
 * counts only once its digest agrees. The lock saves work, it does not carry correctness.
 */
import { lstat, lutimes, readlink, rm, symlink } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { RaysidueError } from "../base/errors.ts";
import { ensureFolder } from "../base/files.ts";
import { isProvablyDead, makeOwnerWord } from "../base/process-owner.ts";

const HEARTBEAT_MS = 5_000;
/** A dozen missed heartbeats: a holder on another machine counts as gone. */
const SILENCE_MAX_MS = 60_000;
const POLL_MS = 200;

export interface PullLockOptions {
  /** Told once, when another process holds the lock. */
  readonly onWait?: () => void;
  readonly signal?: AbortSignal | undefined;
  readonly silenceMaxMs?: number;
}

/** Runs `body` while holding the lock at `path`. Throws what `body` throws, or "cancelled". */
export async function withPullLock<T>(
  path: string,
  body: () => Promise<T>,
  options: PullLockOptions = {},
): Promise<T> {
  await ensureFolder(dirname(path));
  const owner = makeOwnerWord();
  await acquire(path, owner, options);
  const heartbeat = setInterval(() => {
    const now = new Date();
    // A heartbeat that fails makes the lock look abandoned, which is harmless (see above).
    lutimes(path, now, now).catch(() => {});
  }, HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await body();
  } finally {
    clearInterval(heartbeat);
    if ((await holderOf(path)) === owner) await rm(path, { force: true });
  }
}

async function acquire(path: string, owner: string, options: PullLockOptions): Promise<void> {
  const silenceMaxMs = options.silenceMaxMs ?? SILENCE_MAX_MS;
  let seen = "";
  let seenAt = 0;
  let hasWaited = false;
  while (!(await tryLink(path, owner))) {
    const holder = await holderOf(path);
    if (holder === undefined) continue;
    // Silence is measured on our own clock: the file system's may be another machine's.
    const beat = `${holder} ${await beatOf(path)}`;
    if (beat !== seen) {
      seen = beat;
      seenAt = performance.now();
    }
    if (isProvablyDead(holder) || performance.now() - seenAt > silenceMaxMs) {
      await breakLock(path, holder, options);
      continue;
    }
    if (!hasWaited) options.onWait?.();
    hasWaited = true;
    await wait(options.signal);
  }
}

async function wait(signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(POLL_MS, undefined, signal === undefined ? {} : { signal });
  } catch (thrown) {
    throw new RaysidueError("cancelled", "cancelled while another process pulls the model", {
      cause: thrown,
    });
  }
}

async function tryLink(path: string, owner: string): Promise<boolean> {
  try {
    await symlink(owner, path);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw thrown;
  }
}

async function holderOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code;
    if (code === "ENOENT") return undefined;
    // EINVAL: a plain file lies where our link belongs; it has no living holder.
    if (code === "EINVAL") return "nobody";
    throw thrown;
  }
}

async function beatOf(path: string): Promise<number> {
  try {
    return (await lstat(path)).mtimeMs;
  } catch {
    // Released between two looks; the next round finds out.
    return 0;
  }
}

/**
 * Removes an abandoned lock. One breaker at a time, which looks again first: otherwise the second one
 * would take away what the first has just made, and for a moment nobody would seem to hold it.
 */
async function breakLock(path: string, holder: string, options: PullLockOptions): Promise<void> {
  const { signal, silenceMaxMs = SILENCE_MAX_MS } = options;
  const remove = async () => {
    if ((await holderOf(path)) === holder) await rm(path, { force: true });
  };
  await withPullLock(`${path}.breaking`, remove, { signal, silenceMaxMs });
}
