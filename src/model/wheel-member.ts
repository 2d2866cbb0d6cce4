/**
 * Models that are one file of a wheel.
 *
 * Owns: from the catalogue's entry to the checked file. Invariant: as in locate.ts.
 */
import type { WheelSource } from "./catalog.ts";
import { fingerprintOf } from "./fingerprint.ts";
import {
  cacheRootOf,
  checkPinned,
  digestFiles,
  type LocateOptions,
  type ModelFile,
  notPulled,
  repoOf,
  wheelCommit,
} from "./locate.ts";

export interface LocatedMember {
  readonly name: string;
  /** 64 hex digits. */
  readonly fingerprint: string;
  /** Holds the file, as a link into the cache's blobs. */
  readonly folder: string;
  readonly files: readonly ModelFile[];
}

/** Finds `member`. Throws RaysidueError: "unavailable" where it is not here, "bad-input". */
export async function locateMember(
  source: WheelSource,
  member: string,
  options: LocateOptions,
): Promise<LocatedMember> {
  const repo = repoOf(source, cacheRootOf(options));
  const commit = wheelCommit(source);
  const found = (await repo.snapshotFiles(commit)).find(({ name }) => name === member);
  if (found === undefined) throw notPulled(source.name, repo);
  const files = await digestFiles([["weights-0", found]], options);
  checkPinned(source, files);
  const folder = repo.snapshotFolder(commit);
  return { name: source.name, fingerprint: fingerprintOf(files), folder, files };
}
