/**
 * Pulling a model out of a wheel into the cache.
 *
 * Owns: the order: scratch folder, pip, members into blobs, links, refs; and the scratch folders
 * that killed pulls leave. Invariant: the wheel itself never stays. Deliberately not here: pip and
 * unpacking (wheel.ts).
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError } from "../base/errors.ts";
import { ensureFolder } from "../base/files.ts";
import { isProvablyDead, makeOwnerWord } from "../base/process-owner.ts";
import type { WheelSource } from "./catalog.ts";
import type { CachedRepo } from "./hub-cache.ts";
import { wheelCommit } from "./locate.ts";
import type { PullContext } from "./pull-context.ts";
import { downloadWheel, extractMember } from "./wheel.ts";

/** Pulls the model of `source`. Errors as pullModel. */
export async function pullFromWheel(source: WheelSource, context: PullContext): Promise<void> {
  const { repo, store, environment, options } = context;
  const requirement = `${source.package}==${source.version}`;
  const planned = [];
  for (const member of source.members) {
    const digest = { algorithm: "sha256", hex: member.sha256 } as const;
    const label = `${requirement}/${member.name}`;
    const request = { label, sizeBytes: member.sizeBytes, digest };
    planned.push({ member, request, isHere: await store.has(request) });
  }
  const missing = planned.filter(({ isHere }) => !isHere);
  if (missing.length > 0) {
    const unpackedBytes = missing.reduce((sum, { member }) => sum + member.sizeBytes, 0);
    // The wheel, hardly smaller than its members, lies beside them for a while.
    await context.announce(
      missing.map(({ request }) => request),
      unpackedBytes,
    );
    await inScratch(repo, async (folder) => {
      context.report("fetch", requirement);
      const wheel = await downloadWheel(source, folder, { environment, signal: options.signal });
      for (const { member, request } of missing) {
        await store.get(request, async (sink) => {
          await extractMember(wheel, member, sink);
          context.advance("unpack", member.name, sink.sizeBytes);
        });
      }
    });
  }
  const commit = wheelCommit(source);
  for (const { member, request } of planned) {
    await repo.linkFile(commit, member.name, request.digest);
  }
  await repo.writeRef(source.version, commit);
  await repo.writeRef("main", commit);
  await store.sweep();
}

/** Runs `body` with a folder of its own in the repository; those of dead pulls are removed. */
async function inScratch(repo: CachedRepo, body: (folder: string) => Promise<void>): Promise<void> {
  const parent = join(repo.folder, "scratch");
  const folder = join(parent, makeOwnerWord());
  await ensureFolder(parent);
  try {
    for (const name of await readdir(parent)) {
      if (isProvablyDead(name)) await rm(join(parent, name), { recursive: true, force: true });
    }
    await mkdir(folder);
    await body(folder);
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot pull into ${repo.folder}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
