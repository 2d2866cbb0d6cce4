/**
 * A pulled model as an archive for nodes: the files of its snapshot, in the hub cache's own layout.
 *
 * Invariant: the archive is known by the digests that were checked when the model was located, and
 * the node's daemon checks them again before it opens the model.
 */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { hubCacheRoot } from "../model/environment.ts";
import type { LocatedModel, ModelFile } from "../model/locate.ts";
import type { LocatedScorer } from "../model/scorer.ts";
import { Archive } from "../ray/archive.ts";
import type { TarEntry } from "../ray/tar.ts";

/** What nodes can be given. */
export type ProvidedModel = LocatedModel | LocatedScorer;

/** Undefined for a model that nodes cannot be given: an emulated one, or a folder of the user's. */
export async function modelArchive(
  model: ProvidedModel,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Archive | undefined> {
  if (model.folder === null) return undefined;
  const root = hubCacheRoot(environment);
  const snapshots = dirname(model.folder);
  const repo = dirname(snapshots);
  if (dirname(repo) !== root || basename(snapshots) !== "snapshots") return undefined;
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

function digestOf(files: readonly ModelFile[], commit: string): string {
  const sha256 = createHash("sha256").update(commit);
  for (const { name, sha256: digest } of files) sha256.update(`\n${name}\t${digest}`);
  return sha256.digest("hex");
}
