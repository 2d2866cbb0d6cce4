/**
 * The folder of a fleet under SLURM, on storage that all nodes see: token, flags, logs.
 *
 * Owns: its name and its end. Invariant: only this user reads it, the token is in no other file, and
 * what a killed driver left there goes with the next one of this machine that has the same root.
 */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError } from "../../base/errors.ts";
import { isProvablyDead, makeOwnerWord } from "../../base/process-owner.ts";

const PREFIX = "slurm-";

export class SlurmFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** `flags`: for `worker start`. Throws RaysidueError where there can be none. */
  static async create(
    root: string,
    contents: { readonly token: string; readonly flags: readonly string[] },
  ): Promise<SlurmFolder> {
    const folder = new SlurmFolder(join(root, PREFIX + makeOwnerWord()));
    try {
      await mkdir(root, { recursive: true });
      for (const name of await readdir(root)) {
        if (!name.startsWith(PREFIX) || !isProvablyDead(name.slice(PREFIX.length))) continue;
        await rm(join(root, name), { recursive: true, force: true });
      }
      await mkdir(folder.path, { mode: 0o700 });
      await writeFile(folder.tokenPath, contents.token, { mode: 0o600, flag: "wx" });
      const lines = contents.flags.map((flag) => `${flag}\n`);
      await writeFile(folder.flagsPath, lines.join(""), { flag: "wx" });
      return folder;
    } catch (thrown) {
      throw fromSystemError(thrown, `cannot write ${folder.path}`);
    }
  }

  get tokenPath(): string {
    return join(this.path, "token");
  }

  /** A word a line. */
  get flagsPath(): string {
    return join(this.path, "flags");
  }

  /** As sbatch takes it: a file for each task of an array. */
  get logPattern(): string {
    // In a name, `%` begins a field and is written twice.
    return join(this.path.replaceAll("%", "%%"), "%A_%a.log");
  }

  /** The end of the youngest log: what a worker said last. */
  async lastWords(): Promise<string> {
    const names = (await readdir(this.path)).filter((name) => name.endsWith(".log")).sort();
    const youngest = names.at(-1);
    if (youngest === undefined) return "they left no log; look at the nodes with sinfo";
    const text = await readFile(join(this.path, youngest), "utf8");
    return text.trim().split("\n").at(-1) || "their logs are empty; look at the nodes with sinfo";
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
