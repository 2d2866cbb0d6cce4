/**
 * A model as an archive for nodes: the files of its snapshot, in the hub cache's own layout; of a
 * folder of the user's, in a folder beside it that is known by the model's fingerprint.
 *
 * Invariant: the archive is known by the digests that were checked when the model was located, and
 * the node's daemon checks them again before it opens the model.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { hubCacheRoot } from "../../model/environment.ts";
import type { LocatedGermlines } from "../../model/germlines.ts";
import { shippedFolderName } from "../../model/hub-cache.ts";
import type { LocatedEmulation, LocatedModel, ModelFile } from "../../model/locate.ts";
import type { LocatedScorer } from "../../model/scorer.ts";
import { Archive } from "../../ray/archive.ts";
import type { TarEntry } from "../../ray/tar.ts";

/** What nodes can be given. */
export type ProvidedModel = LocatedModel | LocatedScorer | LocatedGermlines;

/** Where a folder of the user's lies in the hub's cache of a node that was given it. */
export function folderInHub({ fingerprint }: ProvidedModel): string {
  return shippedFolderName(fingerprint);
}

/** Whether a model lies in a folder of the user's, and is called by it. */
export function isOwnFolder({ name, folder }: ProvidedModel): boolean {
  return folder !== null && name === folder;
}

/** Undefined for an emulated model, which has no files. */
export async function modelArchive(
  model: ProvidedModel,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Archive | undefined> {
  if (model.folder === null) return undefined;
  if (isOwnFolder(model)) return folderArchive(model);
  const root = hubCacheRoot(environment);
  const snapshots = dirname(model.folder);
  const repo = dirname(snapshots);
  assert(dirname(repo) === root, `${model.folder} is a snapshot in ${root}`);
  const commit = basename(model.folder);
  const inRepo = (...parts: string[]) => [basename(repo), ...parts].join("/");
  const entries: TarEntry[] = [];
  for (const file of model.files) {
    const name = inRepo("snapshots", commit, file.name);
    if (basename(dirname(file.path)) !== "blobs") {
      entries.push({ name, path: file.path, sizeBytes: file.sizeBytes });
      continue;
    }
    const blob = basename(file.path);
    const linkTarget = `../../blobs/${blob}`;
    entries.push({ name: inRepo("blobs", blob), path: file.path, sizeBytes: file.sizeBytes });
    entries.push({ name, path: file.path, sizeBytes: 0, linkTarget });
  }
  // The hub's models are found by the ref that names their commit; a wheel's commit is its digest.
  const ref = join(repo, "refs", "main");
  const refBytes = await stat(ref).then(
    ({ size }) => size,
    () => 0,
  );
  if (refBytes > 0) entries.push({ name: inRepo("refs", "main"), path: ref, sizeBytes: refBytes });
  return Archive.of(entries, {
    kind: "hub",
    digest: digestOf(model.files, commit),
    entries: model.files.map(({ name, sizeBytes }) => ({
      path: inRepo("snapshots", commit, name),
      sizeBytes,
    })),
  });
}

async function folderArchive(model: Exclude<ProvidedModel, LocatedEmulation>): Promise<Archive> {
  const folder = folderInHub(model);
  const entries = model.files.map(({ name, path, sizeBytes }) => ({
    name: `${folder}/${name}`,
    path,
    sizeBytes,
  }));
  return Archive.of(entries, {
    kind: "hub",
    digest: digestOf(model.files, model.fingerprint),
    entries: entries.map(({ name, sizeBytes }) => ({ path: name, sizeBytes })),
  });
}

function digestOf(files: readonly ModelFile[], commit: string): string {
  const sha256 = createHash("sha256").update(commit);
  for (const { name, sha256: digest } of files) sha256.update(`\n${name}\t${digest}`);
  return sha256.digest("hex");
}
