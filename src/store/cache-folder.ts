/**
 * Where the cache stands and how its folders are named.
 *
 * Owns: the default location and the path of a space: `results/KIND/<32 hex of its digest>`.
 * Invariant: nothing a user or a peer names becomes a path unchecked.
 */
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { RaysidueError } from "../base/errors.ts";
import { type Space, spaceDigest } from "./content-key.ts";

const KIND_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
/** 128 bits of the digest; space.json has it in full. */
const SPACE_NAME = /^[0-9a-f]{32}$/;

/** RAYSIDUE_CACHE_DIR, else `raysidue` in XDG_CACHE_HOME (if absolute), else in `~/.cache`. */
export function defaultCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const own = environment.RAYSIDUE_CACHE_DIR;
  if (own !== undefined && own !== "") return resolve(own);
  const xdg = environment.XDG_CACHE_HOME;
  // The XDG specification asks to ignore relative paths.
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), ".cache");
  return join(base, "raysidue");
}

/** The folder of a space's results below the cache's `root`. Throws "usage" for a bad kind. */
export function spaceFolder(root: string, space: Space): string {
  if (!isKindName(space.kind)) {
    const shown = JSON.stringify(space.kind.slice(0, 80));
    throw new RaysidueError("usage", `kind ${shown}: use lower case letters, digits, "-" and "_"`);
  }
  return join(resultsFolder(root), space.kind, spaceDigest(space).toString("hex").slice(0, 32));
}

export function resultsFolder(root: string): string {
  return join(root, "results");
}

export function isKindName(name: string): boolean {
  return KIND_NAME.test(name);
}

export function isSpaceName(name: string): boolean {
  return SPACE_NAME.test(name);
}
