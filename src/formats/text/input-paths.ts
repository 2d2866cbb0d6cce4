/**
 * The files that a command line names: files, folders, patterns.
 *
 * Owns: finding them, and what is said where there are none. Invariant: every path given is looked at
 * before the first is handed out, so that a misspelt one is known at once; folders and patterns give
 * their files in the order of code units, the same on every machine. Memory is the paths
 * (path-list.ts). It knows no format: extensions are the caller's.
 */
import type { Stats } from "node:fs";
import { opendir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, RaysidueError } from "../../base/errors.ts";
import { ENTRIES_AT_ONCE, expandGlob, isGlob } from "./glob.ts";
import { PathList, PathTree } from "./path-list.ts";

export interface ListOptions {
  /** Search sub-folders of folders too. Links are followed; a folder is visited once. */
  readonly recursive: boolean;
  /** Lower case, with dot; what counts in folders. Files named explicitly may be called anything. */
  readonly extensions: readonly string[];
  /** What to call such files in messages, e.g. `FASTA`. */
  readonly kind: string;
}

/**
 * The paths that `paths` stand for, in order; `-` stays. Throws RaysidueError: bad-input for a path
 * that is missing, a folder without such files, a pattern that nothing matches.
 */
export async function listInputs(
  paths: readonly string[],
  options: ListOptions,
): Promise<PathList> {
  if (paths.length === 0)
    throw new RaysidueError("usage", "no input given; name a file, a folder, or - for stdin");
  if (paths.filter((path) => path === "-").length > 1) {
    throw new RaysidueError("usage", "- (standard input) can be given only once");
  }
  const found = new PathList();
  for (const path of paths) {
    if (path === "-") found.add("", path);
    else await expand(path, options, found);
  }
  return found;
}

async function statOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (thrown) {
    throw cannotRead(thrown, path);
  }
}

/** `fromSystemError` speaks of writing where permission is missing; here it is reading. */
export function cannotRead(thrown: unknown, path: string): RaysidueError {
  const errno = (thrown as NodeJS.ErrnoException | null)?.code;
  if (errno === "ABORT_ERR") {
    return new RaysidueError("cancelled", `${path}: interrupted while reading`, { cause: thrown });
  }
  if (errno === "EACCES" || errno === "EPERM") {
    const text = `cannot read ${path}: permission denied; ask its owner for read access`;
    return new RaysidueError("bad-input", text, { cause: thrown });
  }
  if (errno === "ELOOP") {
    const text = `cannot read ${path}: the link leads in a circle`;
    return new RaysidueError("bad-input", text, { cause: thrown });
  }
  // Bytes of a name that are no UTF-8 have become this character, and no longer name the file.
  if (errno === "ENOENT" && path.includes("\u{fffd}")) {
    const text = `cannot read ${path}: its name is not UTF-8; rename the file`;
    return new RaysidueError("bad-input", text, { cause: thrown });
  }
  return fromSystemError(thrown, `cannot read ${path}`);
}

async function expand(path: string, options: ListOptions, found: PathList): Promise<void> {
  const before = found.length;
  if (isGlob(path) && (await stat(path).catch(() => undefined)) === undefined) {
    (await expandGlob(path)).addTo(found);
    if (found.length > before) return;
    throw new RaysidueError("bad-input", `${path}: no file matches the pattern`);
  }
  const stats = await statOf(path);
  if (!stats.isDirectory()) return found.add("", path);
  const tree = new PathTree();
  const folder = join(path, "/");
  await search(folder === "./" ? "" : folder, stats, { ...options, visited: new Set(), tree });
  tree.addTo(found);
  if (found.length === before) {
    const deeper = options.recursive ? "" : " (sub-folders are searched with --recursive)";
    throw new RaysidueError(
      "bad-input",
      `${path}: directory without ${options.kind}; ` +
        `looked for ${options.extensions.join(", ")}, each also with .gz${deeper}`,
    );
  }
}

interface Search extends ListOptions {
  readonly visited: Set<string>;
  readonly tree: PathTree;
}

/** Adds the files of `folder`, which is empty (here) or ends in a slash, and of those below it. */
async function search(folder: string, stats: Stats, options: Search): Promise<void> {
  const { extensions, recursive, visited, tree } = options;
  const identity = `${stats.dev}:${stats.ino}`;
  if (visited.has(identity)) return;
  visited.add(identity);
  const others: string[] = [];
  try {
    const entries = await opendir(folder || ".", { bufferSize: ENTRIES_AT_ONCE });
    for await (const entry of entries) {
      const { name } = entry;
      // Hidden files are other programs' business: temporary files, `._name` of archives.
      if (name.startsWith(".")) continue;
      // The folder's own word spares a look at each of a million files.
      if (!entry.isFile()) others.push(name);
      else if (hasExtension(name, extensions)) tree.add(folder, name);
    }
  } catch (thrown) {
    throw cannotRead(thrown, folder || ".");
  }
  // Sorted, so that of two ways to one folder it is always the same that is taken.
  for (const name of others.sort()) {
    const isCandidate = hasExtension(name, extensions);
    if (!isCandidate && !recursive) continue;
    const path = folder + name;
    const child = await stat(path).catch(() => undefined);
    // A dangling link is handed out, too: whoever opens it says so, and can go on with the rest.
    if (isCandidate && (child === undefined || child.isFile())) tree.add(folder, name);
    else if (recursive && child?.isDirectory()) await search(`${path}/`, child, options);
  }
}

function hasExtension(name: string, extensions: readonly string[]): boolean {
  const bare = name.toLowerCase().replace(/\.gz$/, "");
  return extensions.some((extension) => bare.endsWith(extension));
}
