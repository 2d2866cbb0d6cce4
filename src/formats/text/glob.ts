/**
 * Paths that a pattern stands for, where a shell could not hand over a million of them.
 *
 * Owns: the pattern: `*` and `?` within a name, `[a-c]`, `[!a]`, `{a,b}`, and double stars for any
 * number of folders. Invariant: names that begin with a point are found only by a pattern that does;
 * the order is that of the code units of the paths, and no path comes twice.
 */
import type { Dirent } from "node:fs";
import { lstat, opendir, stat } from "node:fs/promises";
import { PathTree } from "./path-list.ts";

/** Entries that the system is asked for at once: a folder may hold a million. */
export const ENTRIES_AT_ONCE = 1024;

const MAGIC = /[*?[{]/;
const ANY_DEPTH = "**";

export function isGlob(path: string): boolean {
  return MAGIC.test(path);
}

/** Files that match. Folders that cannot be read have none; a pattern may match nothing. */
export async function expandGlob(pattern: string): Promise<PathTree> {
  const found = new PathTree();
  const segments = pattern.split("/").filter((segment) => segment !== "" && segment !== ".");
  await walk(pattern.startsWith("/") ? "/" : "", segments, found);
  return found;
}

/** `folder` is empty (here) or ends in a slash. */
async function walk(folder: string, segments: readonly string[], found: PathTree): Promise<void> {
  const [segment, ...rest] = segments;
  if (segment === undefined) return;
  if (segment === ANY_DEPTH) {
    await walk(folder, rest, found);
    for await (const entry of entriesOf(folder)) {
      // Links to folders are not followed below double stars: they may lead in a circle.
      if (!entry.name.startsWith(".") && entry.isDirectory()) {
        await walk(`${folder}${entry.name}/`, segments, found);
      }
    }
  } else if (!MAGIC.test(segment)) {
    if (rest.length > 0) await walk(`${folder}${segment}/`, rest, found);
    else if (await isFile(folder + segment)) found.add(folder, segment);
  } else {
    const isMatch = compile(segment);
    for await (const entry of entriesOf(folder)) {
      const { name } = entry;
      if (!isMatch(name)) continue;
      if (rest.length > 0) {
        if (!entry.isFile()) await walk(`${folder}${name}/`, rest, found);
      } else if (entry.isFile() || (!entry.isDirectory() && (await isFile(folder + name)))) {
        found.add(folder, name);
      }
    }
  }
}

/** A link that leads nowhere counts: whoever opens it says so, and can go on with the rest. */
async function isFile(path: string): Promise<boolean> {
  const found = await stat(path)
    .catch(() => lstat(path))
    .catch(() => undefined);
  return found !== undefined && !found.isDirectory();
}

async function* entriesOf(folder: string): AsyncGenerator<Dirent> {
  try {
    yield* await opendir(folder || ".", { bufferSize: ENTRIES_AT_ONCE });
  } catch {
    // A folder that cannot be read, or none, has no matches.
  }
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
