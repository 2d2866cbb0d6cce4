/**
 * A run's scratch on a disk that the user names: a fast one of this node, beside a slow output.
 *
 * Owns: the folder's name and its end. Invariant: what a killed process left there goes with the
 * next run that names the same place; a living process's, or another machine's, stays.
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fromSystemError } from "../../base/errors.ts";
import { ensureFolder } from "../../base/files.ts";
import { isProvablyDead, makeOwnerWord } from "../../base/process-owner.ts";

const PREFIX = "raysidue-scratch-";

export class ScratchFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** A new, empty folder below `root`. Throws RaysidueError where there can be none. */
  static async create(root: string): Promise<ScratchFolder> {
    await ensureFolder(root);
    const folder = new ScratchFolder(join(resolve(root), PREFIX + makeOwnerWord()));
    try {
      for (const name of await readdir(root)) {
        if (!name.startsWith(PREFIX) || !isProvablyDead(name.slice(PREFIX.length))) continue;
        await rm(join(root, name), { recursive: true, force: true });
      }
      await mkdir(folder.path);
    } catch (thrown) {
      throw fromSystemError(thrown, `cannot use scratch folder ${root}`);
    }
    return folder;
  }

  /** Removes it. Repeated calls do nothing. */
  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
