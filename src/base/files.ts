/**
 * Durable file operations.
 *
 * Owns: "written whole or not at all" and "durable when we say so". Invariant: no reader ever sees
 * a file under its final name before its bytes and its folder entry are on disk.
 */
import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fromSystemError } from "./errors.ts";

/** Flushes a folder's entries, so that a rename or creation in it survives a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A name beside `path` that no other process uses; swept up by whoever owns the folder. */
export function temporaryBeside(path: string): string {
  return join(
    dirname(path),
    `.${basename(path)}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`,
  );
}

/** Replaces `path` by `content`, whole or not at all. Throws RaysidueError naming the path. */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    const handle = await open(temporary, "wx");
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw fromSystemError(thrown, `cannot write ${path}`);
  }
}

/** Creates a folder and its parents. Throws RaysidueError naming the path. */
export async function ensureFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (thrown) {
    throw fromSystemError(await causeOf(thrown, path), `cannot create folder ${path}`);
  }
}

/** Node says ENOENT where a parent could not be created, whatever the reason; this finds it. */
async function causeOf(thrown: unknown, path: string): Promise<unknown> {
  if ((thrown as NodeJS.ErrnoException).code !== "ENOENT" || dirname(path) === path) return thrown;
  try {
    await mkdir(path);
    return thrown;
  } catch (second) {
    const isParentMissing = (second as NodeJS.ErrnoException).code === "ENOENT";
    return isParentMissing ? causeOf(thrown, dirname(path)) : second;
  }
}
