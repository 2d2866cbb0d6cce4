/**
 * The cache of results that runs share.
 *
 * Owns: the spaces below `results/`, bringing shards in, and removing them. A shard's name is made
 * from its content, so publishing twice, from many processes, changes nothing. Modes: a run opens
 * a space (reads, marks as used) and publishes finished shards; a person lists, verifies, prunes.
 * Invariants: a shard has its final name only when its bytes are complete, so kill -9 at any
 * moment leaves at worst a temporary file (swept after an hour) or a shard without index (made
 * when next opened); no failure of the cache fails a run. There is no lock file: every step is one
 * atomic operation of the file system. Deliberately not here: what keys mean.
 */
import { copyFile, link, open, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, isRetryable, messageOf, RaysidueError } from "../base/errors.ts";
import { ensureFolder, syncFolder, temporaryBeside, writeFileAtomically } from "../base/files.ts";
import { spaceFolder } from "./cache-folder.ts";
import { type Space, spaceDigest } from "./content-key.ts";
import { listShards, ResultStore } from "./result-store.ts";
import { shardPath } from "./segment.ts";
import { buildIndex, ensureIndex, indexPath } from "./shard-index.ts";
import { describeStop } from "./shard-scan.ts";

/** A space, and what a person calls its model. */
export interface NamedSpace extends Space {
  readonly model: string;
}

export interface PublishReport {
  /** Shards that the cache has now and had not before. */
  readonly published: number;
  /** Shards that were there, and empty ones. */
  readonly skipped: number;
  /** Why something could not be published; the run goes on. */
  readonly warnings: readonly string[];
}

const SPACE_SCHEMA_VERSION = 1;

/**
 * Opens the results of a space for a run. A cache that cannot be read or written is a warning in
 * the store, not an error.
 */
export async function openSpace(root: string, space: Space): Promise<ResultStore> {
  const folder = spaceFolder(root, space);
  try {
    return await ResultStore.open(folder, { writable: true });
  } catch (thrown) {
    const store = ResultStore.empty(folder);
    store.warnings.push(`cache not used: ${messageOf(thrown)}`);
    return store;
  }
}

/**
 * Brings finished shards of `fromFolder` (all, or those named) into the cache, by hard link or, on
 * another file system, by a copy that is flushed before it gets its name. Never throws for what
 * the file system says.
 */
export async function publish(
  root: string,
  space: NamedSpace,
  fromFolder: string,
  names?: readonly string[],
): Promise<PublishReport> {
  const warnings: string[] = [];
  let published = 0;
  let skipped = 0;
  const folder = spaceFolder(root, space);
  try {
    await ensureFolder(folder);
    await describeSpace(folder, space);
    for (const name of names ?? (await listShards(fromFolder))) {
      try {
        const isNew = await publishShard(shardPath(fromFolder, name), folder);
        if (isNew) published++;
        else skipped++;
      } catch (thrown) {
        // A full disk is full for the next shard too; anything else may be this shard's own.
        if (isRetryable(thrown)) throw thrown;
        warnings.push(`shard not cached: ${messageOf(thrown)}`);
      }
    }
    if (published > 0) await syncFolder(folder);
  } catch (thrown) {
    warnings.push(`not everything went to the cache: ${messageOf(thrown)}`);
  }
  return { published, skipped, warnings };
}

/** Writes space.json, for people: nothing is read by it but what `list` shows. */
async function describeSpace(folder: string, space: NamedSpace): Promise<void> {
  const path = join(folder, "space.json");
  if ((await sizeOrUndefined(path)) !== undefined) return;
  const text = JSON.stringify(
    {
      schema_version: SPACE_SCHEMA_VERSION,
      kind: space.kind,
      model: space.model,
      fingerprint: space.fingerprint,
      parameters: space.parameters,
      digest: spaceDigest(space).toString("hex"),
    },
    undefined,
    2,
  );
  await writeFileAtomically(path, `${text}\n`);
}

/** Whether the shard was new. Throws "bad-input" where it is damaged; a torn tail is no damage. */
async function publishShard(source: string, folder: string): Promise<boolean> {
  const present = await ensureIndex(source).catch(() => undefined);
  // Without an index (the folder may be read-only), or where trust ends early, the shard itself
  // is asked.
  const isWhole = present !== undefined && present.trustedBytes === present.shardBytes;
  const built = isWhole ? undefined : await buildIndex(source);
  if (built?.stop?.type === "damaged") {
    throw new RaysidueError("bad-input", describeStop(source, built.stop));
  }
  const header = built?.header ?? present!;
  if (header.rowCount === 0) return false;
  const target = join(folder, `${header.digest.slice(0, 40)}.shard`);
  if ((await sizeOrUndefined(target)) !== undefined) return false;
  const isNew = await linkOrCopy(source, target);
  if (isNew) {
    // After the shard: an index without a shard would be litter, a shard without an index is not.
    const bytes = built?.bytes ?? (await readFile(indexPath(source)));
    await writeFileAtomically(indexPath(target), bytes);
  }
  return isNew;
}

/** Whether `target` did not exist before. */
async function linkOrCopy(source: string, target: string): Promise<boolean> {
  try {
    await link(source, target);
    return true;
  } catch (thrown) {
    const errno = (thrown as NodeJS.ErrnoException).code;
    if (errno === "EEXIST") return false;
    // Another file system, one without hard links, or somebody else's file: copy.
    if (!["EXDEV", "EPERM", "ENOTSUP", "EOPNOTSUPP", "EMLINK", "ENOSYS"].includes(errno ?? "")) {
      throw fromSystemError(thrown, `cannot link ${source} to ${target}`);
    }
  }
  const temporary = temporaryBeside(target);
  try {
    await copyFile(source, temporary);
    const file = await open(temporary, "r+");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
    return true;
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot copy ${source} to ${target}`);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function sizeOrUndefined(path: string): Promise<number | undefined> {
  return stat(path).then(
    (stats) => stats.size,
    () => undefined,
  );
}
