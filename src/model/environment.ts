/**
 * What the environment says about models: where caches lie, which hub, which token, offline or not.
 *
 * Owns: reading those variables, with huggingface_hub's names and precedence. Invariant: the
 * environment is an argument, so a test needs no global state. Deliberately not here: options of
 * the command line, which callers pass beside this.
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { RaysidueError } from "../base/errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

function expandHome(path: string, environment: Environment): string {
  const home = environment.HOME || homedir();
  return path === "~" || path.startsWith("~/") ? join(home, path.slice(1)) : path;
}

function xdgCache(environment: Environment): string {
  return environment.XDG_CACHE_HOME || join(environment.HOME || homedir(), ".cache");
}

function huggingFaceHome(environment: Environment): string {
  return environment.HF_HOME || join(xdgCache(environment), "huggingface");
}

/** The folder of the hub cache: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME. */
export function hubCacheRoot(environment: Environment): string {
  const named = environment.HF_HUB_CACHE || environment.HUGGINGFACE_HUB_CACHE;
  return expandHome(named || join(huggingFaceHome(environment), "hub"), environment);
}

/** Raysidue's own cache folder, where digests of files are remembered. */
export function ownCacheFolder(environment: Environment): string {
  const named = environment.RAYSIDUE_CACHE_DIR;
  return expandHome(named || join(xdgCache(environment), "raysidue"), environment);
}

/** The hub's address without a trailing slash. Throws RaysidueError "usage" for no http(s) URL. */
export function hubEndpoint(environment: Environment): string {
  const text = environment.HF_ENDPOINT || "https://huggingface.co";
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "https:" && url?.protocol !== "http:") {
    throw new RaysidueError(
      "usage",
      `HF_ENDPOINT=${text} is no http(s) address; correct or unset it`,
    );
  }
  return text.replace(/\/+$/, "");
}

/** The user's hub token: HF_TOKEN, the file HF_TOKEN_PATH, or the one `hf auth login` wrote. */
export async function hubToken(environment: Environment): Promise<string | undefined> {
  const given = environment.HF_TOKEN?.trim();
  if (given) return given;
  const path = environment.HF_TOKEN_PATH || join(huggingFaceHome(environment), "token");
  try {
    return (await readFile(expandHome(path, environment), "utf8")).trim() || undefined;
  } catch {
    // Most people have no token, and most models need none.
    return undefined;
  }
}

/** Whether HF_HUB_OFFLINE forbids the network (huggingface_hub's reading of truth). */
export function isOffline(environment: Environment): boolean {
  return /^(1|on|yes|true)$/i.test(environment.HF_HUB_OFFLINE ?? "");
}
