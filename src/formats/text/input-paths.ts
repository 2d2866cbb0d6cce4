/**
 * The files that a command line names: files, folders, patterns.
 *
 * Owns: finding them, and what is said where there are none. Invariant: every path is looked at
 * before the first is handed out, so that a misspelt one is known at once; folders and patterns give
 * their files in the order of code units, the same on every machine. Memory is the paths: a hundred
 * bytes a file. It knows no format: extensions are the caller's.
 */
import type { Dirent, Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, RaysidueError } from "../../base/errors.ts";
import { expandGlob, isGlob } from "./glob.ts";

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
): Promise<string[]> {
  if (paths.length === 0)
    throw new RaysidueError("usage", "no input given; name a file, a folder, or - for stdin");
  if (paths.filter((path) => path === "-").length > 1) {
    throw new RaysidueError("usage", "- (standard input) can be given only once");
  }
  const found: string[] = [];
  for (const path of paths) {
    if (path === "-") found.push(path);
    // A folder may hold more files than a call can have arguments.
    else for (const file of await expand(path, options)) found.push(file);
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
  return fromSystemError(thrown, `cannot read ${path}`);
}

async function expand(path: string, options: ListOptions): Promise<readonly string[]> {
  if (isGlob(path) && (await stat(path).catch(() => undefined)) === undefined) {
    const files = (await expandGlob(path)).filter((match) => !match.isFolder);
    if (files.length > 0) return files.map((match) => match.path);
    throw new RaysidueError("bad-input", `${path}: no file matches the pattern`);
  }
  const stats = await statOf(path);
  if (!stats.isDirectory()) return [path];
  const files: string[] = [];
  await search(path, stats, options, new Set(), files);
  if (files.length === 0) {
    const deeper = options.recursive ? "" : " (sub-folders are searched with --recursive)";
    throw new RaysidueError(
      "bad-input",
      `${path}: directory without ${options.kind}; ` +
        `looked for ${options.extensions.join(", ")}, each also with .gz${deeper}`,
    );
  }
  // By code unit, not by locale: the same order on every machine.
  return files.sort((a, b) => (a < b ? -1 : 1));
}

async function search(
  folder: string,
  stats: Stats,
  options: ListOptions,
  visited: Set<string>,
  files: string[],
): Promise<void> {
  const identity = `${stats.dev}:${stats.ino}`;
  if (visited.has(identity)) return;
  visited.add(identity);
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (thrown) {
    throw cannotRead(thrown, folder);
  }
  // Sorted, so that of two ways to one folder it is always the same that is taken.
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const { name } = entry;
    // Hidden files are other programs' business: temporary files, `._name` of archives.
    if (name.startsWith(".")) continue;
    const path = join(folder, name);
    if (hasExtension(name, options.extensions)) {
      // The folder's own word spares a look at each of a million files.
      if (entry.isFile()) {
        files.push(path);
        continue;
      }
      const child = await statOf(path);
      if (child.isFile()) files.push(path);
      else if (child.isDirectory() && options.recursive) {
        await search(path, child, options, visited, files);
      }
    } else if (options.recursive && !entry.isFile()) {
      // A dangling link that is no candidate is none of our business.
      const child = await stat(path).catch(() => undefined);
      if (child?.isDirectory()) await search(path, child, options, visited, files);
    }
  }
}

function hasExtension(name: string, extensions: readonly string[]): boolean {
  const bare = name.toLowerCase().replace(/\.gz$/, "");
  return extensions.some((extension) => bare.endsWith(extension));
}
