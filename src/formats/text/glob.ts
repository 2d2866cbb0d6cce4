/**
 * Paths that a pattern stands for, where a shell could not hand over a million of them.
 *
 * Owns: the pattern: `*` and `?` within a name, `[a-c]`, `[!a]`, `{a,b}`, and double stars for any
 * number of folders. Invariant: names that begin with a point are found only by a pattern that does;
 * the order is that of the code units of the paths, and no path comes twice.
 */
import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

const MAGIC = /[*?[{]/;
const ANY_DEPTH = "**";

export interface GlobMatch {
  readonly path: string;
  readonly isFolder: boolean;
}

export function isGlob(path: string): boolean {
  return MAGIC.test(path);
}

/** What matches. Folders that cannot be read have no matches; a pattern may match nothing. */
export async function expandGlob(pattern: string): Promise<GlobMatch[]> {
  const found = new Map<string, GlobMatch>();
  const segments = pattern.split("/").filter((segment) => segment !== "" && segment !== ".");
  for await (const match of walk(pattern.startsWith("/") ? "/" : ".", segments)) {
    found.set(match.path, match);
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function* walk(folder: string, segments: readonly string[]): AsyncGenerator<GlobMatch> {
  const [segment, ...rest] = segments;
  if (segment === undefined) return;
  if (segment === ANY_DEPTH) {
    yield* walk(folder, rest);
    for (const entry of await entriesOf(folder)) {
      // Links to folders are not followed below double stars: they may lead in a circle.
      if (!entry.name.startsWith(".") && entry.isDirectory()) {
        yield* walk(join(folder, entry.name), segments);
      }
    }
    return;
  }
  if (!MAGIC.test(segment)) {
    const path = join(folder, segment);
    if (rest.length > 0) yield* walk(path, rest);
    else yield* matchOf(path);
    return;
  }
  const isMatch = compile(segment);
  for (const entry of await entriesOf(folder)) {
    if (!isMatch(entry.name)) continue;
    const path = join(folder, entry.name);
    if (rest.length > 0) {
      if (!entry.isFile()) yield* walk(path, rest);
    } else if (entry.isFile()) yield { path, isFolder: false };
    else yield* matchOf(path);
  }
}

async function* matchOf(path: string): AsyncGenerator<GlobMatch> {
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined) yield { path, isFolder: found.isDirectory() };
}

function entriesOf(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch(() => []);
}

function compile(segment: string): (name: string) => boolean {
  let depth = 0;
  const source = segment.replace(/\[[^\]]+\]|[\s\S]/g, (part) => {
    if (part === "*") return "[^/]*";
    if (part === "?") return "[^/]";
    if (part.length > 1) return part.replace(/^\[!/, "[^").replaceAll("\\", "\\\\");
    if (part === "{") {
      depth++;
      return "(?:";
    }
    if (part === "}" && depth > 0) {
      depth--;
      return ")";
    }
    if (part === "," && depth > 0) return "|";
    return part.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  });
  let pattern: RegExp;
  try {
    pattern = new RegExp(`^${source}$`);
  } catch {
    // Brackets that never close are letters like any other.
    return (name) => name === segment;
  }
  const showsHidden = segment.startsWith(".");
  return (name) => (showsHidden || !name.startsWith(".")) && pattern.test(name);
}
