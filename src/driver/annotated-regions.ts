/**
 * Numberings of antibody sequences from the `annotate` kind, on the run's own fleet.
 *
 * Owns: annotating what is distinct and not yet known, and a domain as a string of regions.
 * Invariant: an annotation is known by its sequence alone and shared with `raysidue annotate`.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { ensureFolder } from "../base/files.ts";
import {
  ANNOTATE_ENGINE,
  ANNOTATE_FINGERPRINT,
  type Annotation,
  canonicalAnnotate,
  decodeAnnotation,
  resolveAnnotate,
} from "../kind/annotate.ts";
import { domainRegions } from "../kind/domain-regions.ts";
import { publish } from "../store/cache.ts";
import { itemDigest, spaceDigest } from "../store/content-key.ts";
import type { ResultStore } from "../store/result-store.ts";
import { computePlan, openStores } from "./compute-plan.ts";
import { Plan } from "./plan.ts";
import type { RegionContext, RegionSource } from "./region-source.ts";

const IDENTITY = {
  kind: "annotate",
  fingerprint: ANNOTATE_FINGERPRINT,
  parameters: canonicalAnnotate(resolveAnnotate({})),
} as const;

/** Regions by annotation of the sequences. */
export function annotatedRegions(): RegionSource {
  return {
    name: `annotate ${ANNOTATE_FINGERPRINT}`,
    regionsOf,
  };
}

async function regionsOf(
  sequences: ReadonlySet<string>,
  context: RegionContext,
): Promise<ReadonlyMap<string, string>> {
  const { session, shardFolder, cacheFolder, signal, onWarning } = context;
  const work = join(context.workFolder, "annotate");
  await ensureFolder(work);
  await ensureFolder(shardFolder);
  const space = { ...IDENTITY, model: ANNOTATE_ENGINE };
  using plan = new Plan(work, spaceDigest(space));
  const ordered = [...sequences];
  for (const sequence of ordered) {
    const data = Buffer.from(sequence);
    plan.addItem({ digest: itemDigest(data), data, length: data.length, cost: data.length });
  }
  plan.deduplicate();
  const stores = await openStores(shardFolder, plan, { root: cacheFolder, space });
  try {
    const { items, located } = plan.distinct.counts();
    if (located < items) await session.prepareEngine(ANNOTATE_ENGINE, onWarning);
    await computePlan({
      session,
      folders: { shards: shardFolder, work, tracePath: join(work, "trace.tsv") },
      plan,
      stores,
      request: {
        ...IDENTITY,
        model: "",
        engine: ANNOTATE_ENGINE,
        weight: 1,
        name: "annotate",
        expectedGflop: 0,
      },
      signal,
      onProgress: () => {},
      onWarning,
    });
    if (cacheFolder !== null) {
      const { warnings } = await publish(cacheFolder, space, shardFolder);
      for (const warning of warnings) onWarning(warning);
    }
    return await readRegions(ordered, plan, stores);
  } finally {
    for (const store of stores) await store.close();
    await rm(work, { recursive: true, force: true });
  }
}

async function readRegions(
  sequences: readonly string[],
  plan: Plan,
  stores: readonly ResultStore[],
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  let at = 0;
  for (const rows of plan.rows()) {
    for (const { item } of rows) {
      const sequence = sequences[at++]!;
      const place = item === undefined ? undefined : plan.distinct.place(item);
      // One that the engine gave up has no numbering, and its poses fail with that.
      if (place === undefined) continue;
      const payload = await stores[place.store]!.read(place);
      const annotation: Annotation = decodeAnnotation(payload, sequence.length);
      const regions = domainRegions(annotation, sequence.length);
      if (regions !== undefined) found.set(sequence, regions);
    }
  }
  return found;
}
