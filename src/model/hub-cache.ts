/**
 * The Hugging Face hub cache on disk, shared with huggingface_hub (Python).
 *
 * Owns: the layout `models--OWNER--NAME/{blobs/DIGEST, refs/REVISION, snapshots/COMMIT/FILE}` where
 * a snapshot's files are links to blobs. Invariant: a blob has its final name only when its bytes
 * are complete and on disk, and a ref names a commit only when its files are linked.
 *
 * A model from a wheel lives here as well, as repository `.pypi/PACKAGE` (`models--.pypi--antiberty`)
 * with the first 40 digits of the wheel's SHA-256 as commit and its version as a second ref. The
 * hub forbids names that begin with a dot, so no owner can ever clash with it. A folder of a user's
 * that a node was given lies beside the repositories, as plain files in `raysidue--FINGERPRINT`.
 * Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 */
import { readdir, readFile, realpath, rename, rm, stat, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fromSystemError } from "../base/errors.ts";
import { ensureFolder, syncFolder, temporaryBeside, writeFileAtomically } from "../base/files.ts";
import { type BlobDigest, parseBlobDigest } from "./digests.ts";

/** A file of a snapshot, as it really lies on disk. */
export interface SnapshotFile {
  readonly name: string;
  /** Absolute, free of links: mostly a blob. */
  readonly path: string;
  readonly sizeBytes: number;
  /** What the blob's name says its content is; undefined where the file is no named blob. */
  readonly claimed: BlobDigest | undefined;
}

/** Within the cache: where a folder of a user's on another machine lies here. */
export function shippedFolderName(fingerprint: string): string {
  return `raysidue--${fingerprint}`;
}

/** One repository's folder in the cache. */
export class CachedRepo {
  readonly root: string;
  /** `owner/name`. */
  readonly name: string;
  readonly folder: string;

  constructor(root: string, name: string) {
    this.root = root;
    this.name = name;
    this.folder = join(root, `models--${name.replaceAll("/", "--")}`);
  }

  get blobsFolder(): string {
    return join(this.folder, "blobs");
  }

  get lockPath(): string {
    return join(this.root, ".locks", basename(this.folder), "raysidue-pull.lock");
  }

  snapshotFolder(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  blobPath(digest: BlobDigest): string {
    return join(this.blobsFolder, digest.hex);
  }

  /** The commit that `ref` names, or undefined where nothing was pulled under it. */
  async readRef(ref: string): Promise<string | undefined> {
    try {
      const commit = (await readFile(join(this.folder, "refs", ref), "utf8")).trim();
      return /^[0-9a-f]{40}$/.test(commit) ? commit : undefined;
    } catch {
      return undefined;
    }
  }

  /** Lets `ref` name `commit`, whole or not at all. */
  async writeRef(ref: string, commit: string): Promise<void> {
    if ((await this.readRef(ref)) === commit) return;
    const path = join(this.folder, "refs", ref);
    await ensureFolder(dirname(path));
    await writeFileAtomically(path, commit);
  }

  /** The files directly in a snapshot's folder whose bytes are there; dangling links are left out. */
  async snapshotFiles(commit: string): Promise<SnapshotFile[]> {
    return listModelFolder(this.snapshotFolder(commit));
  }

  /** Links `name` of a snapshot to a blob, replacing what stood there. */
  async linkFile(commit: string, name: string, digest: BlobDigest): Promise<void> {
    const folder = this.snapshotFolder(commit);
    await ensureFolder(folder);
    const path = join(folder, name);
    const temporary = temporaryBeside(path);
    try {
      await symlink(join("..", "..", "blobs", digest.hex), temporary);
      await rename(temporary, path);
      await syncFolder(folder);
    } catch (thrown) {
      await rm(temporary, { force: true });
      throw fromSystemError(thrown, `cannot link ${path}`);
    }
  }
}

/** The plain files directly in a model's folder, links followed. Empty where there is no folder. */
export async function listModelFolder(folder: string): Promise<SnapshotFile[]> {
  let names: string[];
  try {
    names = (await readdir(folder)).sort();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw fromSystemError(thrown, `cannot read ${folder}`);
  }
  const files: SnapshotFile[] = [];
  for (const name of names) {
    const file = await describe(folder, name);
    if (file !== undefined) files.push(file);
  }
  return files;
}

async function describe(folder: string, name: string): Promise<SnapshotFile | undefined> {
  try {
    const path = await realpath(join(folder, name));
    const status = await stat(path);
    if (!status.isFile()) return undefined;
    const isBlob = basename(dirname(path)) === "blobs";
    const claimed = isBlob ? parseBlobDigest(basename(path)) : undefined;
    return { name, path, sizeBytes: status.size, claimed };
  } catch (thrown) {
    // A link to a blob that is gone: the file is not there.
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw fromSystemError(thrown, `cannot read ${join(folder, name)}`);
  }
}

/** The repositories of models in the cache, by name. */
export async function listCachedRepos(root: string): Promise<CachedRepo[]> {
  let names: string[];
  try {
    names = (await readdir(root)).sort();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw fromSystemError(thrown, `cannot read ${root}`);
  }
  return names
    .map((name) => /^models--(.+?)--(.+)$/.exec(name))
    .filter((match) => match !== null)
    .map(([, owner, name]) => new CachedRepo(root, `${owner}/${name}`));
}

/** The repository under which a wheel's model is cached. */
export function wheelRepoName(packageName: string): string {
  return `.pypi/${packageName}`;
}
