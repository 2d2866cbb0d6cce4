/**
 * Looking after the cache: what it holds, whether it is whole, and making it smaller.
 *
 * Owns: listing, verifying and pruning the spaces below `results/`. Use marks are the mtimes of the
 * `.idx` files, set by whoever finds a row there. Invariants: pruning removes whole shards, the
 * least recently used first, and never one that was used within PROTECT_MS unless forced; it is
 * safe beside runs, publishers and other prunes. Sizes are those of the files: a shard that an
 * output folder still links gives its space back only when that is removed too.
 */
import { readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, messageOf, RaysidueError } from "../base/errors.ts";
import { writeFileAtomically } from "../base/files.ts";
import { isKindName, isSpaceName, resultsFolder } from "./cache-folder.ts";
import { listShards } from "./result-store.ts";
import { buildIndex, indexPath, readIndexHeader } from "./shard-index.ts";
import { describeStop } from "./shard-scan.ts";

/** Runs renew their marks every five minutes; three missed ones mean that nobody uses it. */
export const PROTECT_MS = 15 * 60_000;
/** A copy under way touches its temporary file all the time; an hour's rest means a dead writer. */
const ABANDONED_MS = 60 * 60_000;

export interface SpaceSummary {
  readonly kind: string;
  /** Empty where space.json is missing or unreadable. */
  readonly model: string;
  readonly parameters: string;
  readonly folder: string;
  readonly shardCount: number;
  readonly rowCount: number;
  readonly sizeBytes: number;
  /** Milliseconds since the epoch. */
  readonly lastUsedAt: number;
}

export interface VerifyReport {
  readonly shardCount: number;
  readonly rowCount: number;
  /** Shards whose bytes have changed; renamed to `NAME.shard.damaged` unless asked not to. */
  readonly damaged: readonly string[];
  /** Indexes that did not fit their shard and were made again. */
  readonly reindexed: number;
  /** Everything a person should read, one line each. */
  readonly notes: readonly string[];
}

export interface PruneReport {
  readonly removedShards: number;
  readonly removedBytes: number;
  readonly leftBytes: number;
  /** Of what is left, bytes that were kept only because they are in use. */
  readonly protectedBytes: number;
}

interface CachedShard {
  readonly path: string;
  /** Shard and index. */
  readonly sizeBytes: number;
  readonly usedAt: number;
}

/** Every space that holds shards, the latest used first. */
export async function listSpaces(root: string): Promise<SpaceSummary[]> {
  const summaries: SpaceSummary[] = [];
  for (const { kind, folder } of await findSpaces(root)) {
    const shards = await cachedShards(folder);
    if (shards.length === 0) continue;
    let rowCount = 0;
    for (const { path } of shards) {
      // One that was interrupted while it was published has no index yet: count by scanning.
      const header = (await readIndexHeader(path)) ?? (await scannedHeader(path));
      rowCount += header?.rowCount ?? 0;
    }
    summaries.push({
      kind,
      ...(await readDescription(folder)),
      folder,
      shardCount: shards.length,
      rowCount,
      sizeBytes: shards.reduce((sum, shard) => sum + shard.sizeBytes, 0),
      lastUsedAt: Math.max(...shards.map((shard) => shard.usedAt)),
    });
  }
  return summaries.sort((a, b) => b.lastUsedAt - a.lastUsedAt);
}

/**
 * Reads every byte of the cache and checks it. Damaged shards are set aside (their rows are then
 * computed anew when needed) unless `quarantine` is false; wrong indexes are made again. Throws
 * RaysidueError where the cache cannot be read or written at all.
 */
export async function verifyCache(
  root: string,
  options: { readonly quarantine: boolean } = { quarantine: true },
): Promise<VerifyReport> {
  const damaged: string[] = [];
  const notes: string[] = [];
  let shardCount = 0;
  let rowCount = 0;
  let reindexed = 0;
  for (const { folder } of await findSpaces(root)) {
    for (const { path } of await cachedShards(folder)) {
      shardCount++;
      try {
        const built = await buildIndex(path);
        if (built.stop !== undefined) notes.push(describeStop(path, built.stop));
        if (built.stop?.type === "damaged") {
          damaged.push(path);
          if (options.quarantine) await setAside(path);
          continue;
        }
        rowCount += built.header.rowCount;
        if (await isSameFile(indexPath(path), built.bytes)) continue;
        reindexed++;
        await writeFileAtomically(indexPath(path), built.bytes);
      } catch (thrown) {
        // A prune may have removed it since it was listed.
        if (thrown instanceof RaysidueError && (await isGone(path))) continue;
        notes.push(messageOf(thrown));
      }
    }
  }
  return { shardCount, rowCount, damaged, reindexed, notes };
}

/**
 * Removes least recently used shards until at most `maxSizeBytes` are left, and what dead writers
 * and `verifyCache` left behind. Shards used in the last PROTECT_MS stay unless `force`: a run that
 * reads them would have to compute their rows again.
 */
export async function pruneCache(
  root: string,
  options: { readonly maxSizeBytes: number; readonly force?: boolean; readonly now?: number },
): Promise<PruneReport> {
  const now = options.now ?? Date.now();
  const shards: CachedShard[] = [];
  for (const { folder } of await findSpaces(root)) {
    await sweep(folder, now);
    shards.push(...(await cachedShards(folder)));
  }
  shards.sort((a, b) => a.usedAt - b.usedAt);
  let leftBytes = shards.reduce((sum, shard) => sum + shard.sizeBytes, 0);
  let removedShards = 0;
  let removedBytes = 0;
  let protectedBytes = 0;
  for (const shard of shards) {
    if (leftBytes <= options.maxSizeBytes) break;
    if (options.force !== true && now - shard.usedAt < PROTECT_MS) {
      protectedBytes += shard.sizeBytes;
      continue;
    }
    // The shard first: an index that a kill leaves alone is swept next time.
    await remove(shard.path);
    await remove(indexPath(shard.path));
    leftBytes -= shard.sizeBytes;
    removedBytes += shard.sizeBytes;
    removedShards++;
  }
  return { removedShards, removedBytes, leftBytes, protectedBytes };
}

async function findSpaces(root: string): Promise<{ kind: string; folder: string }[]> {
  const spaces: { kind: string; folder: string }[] = [];
  const results = resultsFolder(root);
  for (const kind of (await namesIn(results)).filter(isKindName)) {
    for (const name of (await namesIn(join(results, kind))).filter(isSpaceName)) {
      spaces.push({ kind, folder: join(results, kind, name) });
    }
  }
  return spaces;
}

/** Entries of a folder, sorted; none where it does not exist. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (thrown) {
    const errno = (thrown as NodeJS.ErrnoException).code;
    if (errno === "ENOENT" || errno === "ENOTDIR") return [];
    throw fromSystemError(thrown, `cannot list ${folder}`);
  }
}

async function cachedShards(folder: string): Promise<CachedShard[]> {
  const shards: CachedShard[] = [];
  for (const name of await listShards(folder)) {
    const path = join(folder, name);
    try {
      const shard = await stat(path);
      const index = await stat(indexPath(path)).catch(() => undefined);
      shards.push({
        path,
        sizeBytes: shard.size + (index?.size ?? 0),
        usedAt: index?.mtimeMs ?? shard.mtimeMs,
      });
    } catch {
      // Removed since it was listed.
    }
  }
  return shards;
}

async function scannedHeader(path: string) {
  return buildIndex(path).then(
    (built) => built.header,
    () => undefined,
  );
}

async function readDescription(folder: string): Promise<{ model: string; parameters: string }> {
  const unknown = { model: "", parameters: "" };
  try {
    const found: unknown = JSON.parse(await readFile(join(folder, "space.json"), "utf8"));
    if (typeof found !== "object" || found === null) return unknown;
    const { model, parameters } = { ...unknown, ...found };
    return { model: String(model), parameters: String(parameters) };
  } catch {
    // It only describes; the results do not depend on it.
    return unknown;
  }
}

async function setAside(path: string): Promise<void> {
  try {
    await rename(path, `${path}.damaged`);
    await remove(indexPath(path));
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot set aside damaged shard ${path}`);
  }
}

async function isSameFile(path: string, bytes: Buffer): Promise<boolean> {
  return readFile(path).then(
    (present) => present.equals(bytes),
    () => false,
  );
}

async function isGone(path: string): Promise<boolean> {
  return stat(path).then(
    () => false,
    (thrown: NodeJS.ErrnoException) => thrown.code === "ENOENT",
  );
}

/** Removes damaged shards, indexes without a shard, and old temporary files. */
async function sweep(folder: string, now: number): Promise<void> {
  const names = new Set(await namesIn(folder));
  for (const name of names) {
    const path = join(folder, name);
    const isOrphan = name.endsWith(".idx") && !names.has(name.replace(/\.idx$/, ".shard"));
    const isTemporary = name.startsWith(".") && name.endsWith(".tmp");
    if (isTemporary || isOrphan) {
      const stats = await stat(path).catch(() => undefined);
      if (stats === undefined || now - stats.mtimeMs < ABANDONED_MS) continue;
    } else if (!name.endsWith(".shard.damaged")) continue;
    await remove(path);
  }
}

async function remove(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot remove ${path}`);
  }
}
