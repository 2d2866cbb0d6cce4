/**
 * What models are on this machine, and whether their bytes are still right.
 *
 * Owns: the data behind `raysidue model list` and `raysidue model verify`. Invariant: listing
 * reads no weights, verifying reads every byte and believes no memory. Deliberately not here:
 * printing, and repairing (a pull replaces what is wrong).
 */
import { RaysidueError } from "../base/errors.ts";
import { BUILT_IN_MODELS, type ModelSource, resolveModelName } from "./catalog.ts";
import { openCheckpoint, weightFiles } from "./checkpoint.ts";
import { readModelConfig } from "./config.ts";
import { hashFile } from "./digests.ts";
import { locateGermlines, openGermlines } from "./germlines.ts";
import {
  type CachedRepo,
  listCachedRepos,
  listModelFolder,
  type SnapshotFile,
} from "./hub-cache.ts";
import {
  cacheRootOf,
  digestMemoryOf,
  isComplete,
  isGermlines,
  isScorer,
  type LocateOptions,
  repoOf,
  wheelCommit,
} from "./locate.ts";
import { CONFIG_NAME } from "./model-files.ts";
import { locateScorer, openScorer } from "./scorer.ts";

export interface ModelListing {
  readonly name: string;
  readonly isBuiltIn: boolean;
  /** `pulled`: all files are here; `partial`: some; `absent`: none; `ready`: needs no files. */
  readonly state: "pulled" | "partial" | "absent" | "ready";
  /** Where its files lie, and how many bytes of them; null unless something is here. */
  readonly folder: string | null;
  readonly sizeBytes: number;
}

/** The built-in models, then whatever else in the cache this can run. */
export async function listModels(options: LocateOptions = {}): Promise<ModelListing[]> {
  const root = cacheRootOf(options);
  const listings: ModelListing[] = [];
  for (const source of BUILT_IN_MODELS) {
    if (source.type === "emulated") {
      listings.push({
        name: source.name,
        isBuiltIn: true,
        state: "ready",
        folder: null,
        sizeBytes: 0,
      });
    } else if (source.type !== "folder") {
      const repo = repoOf(source, root);
      listings.push(await listingOf(source, repo, await commitOf(source, repo)));
    }
  }
  const known = new Set(BUILT_IN_MODELS.map((source) => source.name));
  for (const repo of await listCachedRepos(root)) {
    if (known.has(repo.name) || repo.name.startsWith(".")) continue;
    const listing = await otherListing(repo);
    if (listing !== undefined) listings.push(listing);
  }
  return listings;
}

async function commitOf(source: ModelSource, repo: CachedRepo): Promise<string | undefined> {
  return source.type === "wheel" ? wheelCommit(source) : repo.readRef("main");
}

async function listingOf(
  source: ModelSource,
  repo: CachedRepo,
  commit: string | undefined,
): Promise<ModelListing> {
  const { name } = source;
  const absent = { name, isBuiltIn: true, state: "absent", folder: null, sizeBytes: 0 } as const;
  const files = commit === undefined ? [] : await repo.snapshotFiles(commit);
  if (commit === undefined || files.length === 0) return absent;
  // A scoring network is one file, and so is a table.
  const isWhole = isScorer(source) || isGermlines(source) || (await isComplete(repo, commit));
  const state = isWhole ? "pulled" : "partial";
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return { name, isBuiltIn: true, state, folder: repo.snapshotFolder(commit), sizeBytes };
}

/** A repository somebody pulled; undefined where it is no model of a supported architecture. */
async function otherListing(repo: CachedRepo): Promise<ModelListing | undefined> {
  const commit = await repo.readRef("main");
  if (commit === undefined) return undefined;
  const config = (await repo.snapshotFiles(commit)).find((file) => file.name === CONFIG_NAME);
  if (config === undefined) return undefined;
  try {
    await readModelConfig(config.path);
  } catch (thrown) {
    // The cache is shared: most of what others put there is no protein model.
    if (thrown instanceof RaysidueError) return undefined;
    throw thrown;
  }
  return { ...(await listingOf({ type: "hub", name: repo.name }, repo, commit)), isBuiltIn: false };
}

export interface VerifiedFile {
  /** Name within the model's folder. */
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** `unpinned`: nothing says which digest it should have, as in a local folder. */
  readonly state: "right" | "wrong" | "unpinned";
  /** SHA-256 or, for the hub's small files, git's SHA-1. */
  readonly actual: string;
  readonly expected: string | null;
}

export interface ModelVerification {
  readonly name: string;
  readonly folder: string | null;
  readonly files: readonly VerifiedFile[];
  /** What else is wrong: a malformed configuration or checkpoint, a missing file. */
  readonly problem: string | null;
  readonly isRight: boolean;
}

/**
 * Reads every byte of a model and compares digests; then checks the checkpoint's structure. Throws
 * RaysidueError: "usage" for an unknown name, "unavailable" where nothing of it is here.
 */
export async function verifyModel(
  name: string,
  options: LocateOptions = {},
): Promise<ModelVerification> {
  const source = resolveModelName(name);
  if (source.type === "emulated") {
    return { name, folder: null, files: [], problem: null, isRight: true };
  }
  const folder = await folderOf(source, options);
  const memory = digestMemoryOf(options);
  const files: VerifiedFile[] = [];
  for (const file of await filesOf(folder, source)) {
    options.onHash?.(file.path);
    const verified = await verifyFile(file, source);
    files.push(verified.file);
    if (verified.file.state === "right") await memory.remember(file.path, verified.sha256);
  }
  const problem = await structureProblem(() => {
    if (isGermlines(source)) return checkGermlines(options);
    return isScorer(source) ? checkScorer(source.name, options) : openCheckpoint(folder);
  });
  const isRight = problem === null && files.every((file) => file.state !== "wrong");
  return { name: source.name, folder, files, problem, isRight };
}

async function folderOf(
  source: Exclude<ModelSource, { type: "emulated" }>,
  options: LocateOptions,
): Promise<string> {
  if (source.type === "folder") return source.name;
  const repo = repoOf(source, cacheRootOf(options));
  const commit = await commitOf(source, repo);
  if (commit !== undefined && (await repo.snapshotFiles(commit)).length > 0) {
    return repo.snapshotFolder(commit);
  }
  const text = `model ${source.name} is not in ${repo.root}; run \`raysidue model pull ${source.name}\``;
  throw new RaysidueError("unavailable", text);
}

/** All files of a snapshot; of a local folder only those that make up the model. */
async function filesOf(folder: string, source: ModelSource): Promise<SnapshotFile[]> {
  const files = await listModelFolder(folder);
  if (source.type !== "folder") return files;
  const weights = await weightFiles(folder, new Map(files.map((file) => [file.name, file])));
  const names = new Set([CONFIG_NAME, "vocab.txt", ...weights.map(({ file }) => file.name)]);
  return files.filter((file) => names.has(file.name));
}

async function verifyFile(
  file: SnapshotFile,
  source: ModelSource,
): Promise<{ file: VerifiedFile; sha256: string }> {
  const pinned =
    source.type === "wheel"
      ? source.members.find((member) => member.name === file.name)?.sha256
      : undefined;
  const { sha256, asExpected } = await hashFile(file.path, file.claimed);
  const expected = pinned ?? file.claimed?.hex ?? null;
  const actual = pinned === undefined ? asExpected : sha256;
  const state = expected === null ? "unpinned" : expected === actual ? "right" : "wrong";
  const { name, path, sizeBytes } = file;
  return { file: { name, path, sizeBytes, state, actual, expected }, sha256 };
}

async function checkScorer(name: string, options: LocateOptions): Promise<void> {
  await openScorer(await locateScorer(name, options));
}

async function checkGermlines(options: LocateOptions): Promise<void> {
  await openGermlines(await locateGermlines(options));
}

async function structureProblem(check: () => Promise<unknown>): Promise<string | null> {
  try {
    await check();
    return null;
  } catch (thrown) {
    if (thrown instanceof RaysidueError) return thrown.message;
    throw thrown;
  }
}
