/**
 * What comes out of wheels for tests, in the cache that lasts: fetched through pip once.
 */
import { join } from "node:path";
import { RaysidueError } from "../../src/base/errors.ts";
import { ensureGermlines, ensureScorer } from "../../src/model/pull.ts";
import { MODEL_CACHE } from "./sandbox.ts";

export const SCORER_ENVIRONMENT = { HF_HUB_CACHE: MODEL_CACHE };

const CACHES = { cacheRoot: MODEL_CACHE, ownCache: join(MODEL_CACHE, "..", "own") };

/** Why the scoring network cannot be had; false where it is here. */
export function scorerProblem(): Promise<string | false> {
  return problemOf(() => ensureScorer("deeprank-ab", CACHES));
}

/** Why the table of germlines cannot be had; false where it is here. */
export function germlinesProblem(): Promise<string | false> {
  return problemOf(() => ensureGermlines(CACHES));
}

async function problemOf(ensure: () => Promise<unknown>): Promise<string | false> {
  try {
    await ensure();
    return false;
  } catch (thrown) {
    if (!(thrown instanceof RaysidueError) || thrown.code === "bad-input") throw thrown;
    return `PyPI cannot be reached: ${thrown.message}`;
  }
}
