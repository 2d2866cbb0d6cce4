/**
 * The output folder: whose it is, who writes in it now, and where everything stands.
 *
 * Owns: the layout (below), the lock and the identity. Invariant: what stands in the folder under a
 * name of the contract is whole; what is under way stands in `.raysidue/`. A folder that belongs to
 * other parameters, or holds files of somebody else's, is refused untouched.
 *
 *     run.json  index.tsv  failed.tsv  trace.tsv  log.ndjson  embeddings/  per_residue/
 *     .raysidue/{identity.json, lock, leases, shards/, sequences/, work/}
 */
import { open, readdir, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fromSystemError, RaysidueError } from "../../base/errors.ts";
import { ensureFolder, writeFileAtomically } from "../../base/files.ts";
import { isProvablyDead, makeOwnerWord } from "../../base/process-owner.ts";
import { ScratchFolder } from "./scratch-folder.ts";

/** What a folder is for: a run with another identity may not write in it. */
export type Identity = Readonly<Record<string, string>>;

/** What a folder is for already; undefined where no run has claimed it. */
export async function identityOf(folder: string): Promise<Identity | undefined> {
  const file = identityPathIn(resolve(folder));
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Identity);
}

function identityPathIn(folder: string): string {
  return join(folder, ".raysidue", "identity.json");
}

/** Where a folder's leases stand, also for who only reads it. */
export function leasesPathIn(folder: string): string {
  return join(folder, ".raysidue", "leases");
}

export class OutputFolder {
  readonly path: string;
  #isLocked = false;
  #scratch: ScratchFolder | undefined;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Takes the folder for a run. Throws RaysidueError: "usage" where it belongs to other parameters
   * or is not ours, "try-again" where another run writes in it, "unavailable" if it is read-only.
   * `scratchRoot`: where scratch goes; default: into the folder.
   */
  static async open(path: string, identity: Identity, scratchRoot?: string): Promise<OutputFolder> {
    const folder = new OutputFolder(resolve(path));
    const present = await folder.#entries();
    const isOurs = present.includes(".raysidue") || present.includes("run.json");
    if (present.length > 0 && !isOurs) {
      throw new RaysidueError(
        "usage",
        `output folder ${folder.path} holds other files; name an empty or a new folder`,
      );
    }
    await ensureFolder(folder.shards);
    await folder.#lock();
    try {
      await folder.#checkIdentity(identity);
      // What an earlier run left unfinished here; its results are in shards/.
      await rm(folder.work, { recursive: true, force: true });
      await ensureFolder(folder.work);
      if (scratchRoot !== undefined) folder.#scratch = await ScratchFolder.create(scratchRoot);
    } catch (thrown) {
      await folder.close();
      throw fromSystemError(thrown, `cannot use output folder ${folder.path}`);
    }
    return folder;
  }

  /** Result shards of this and earlier runs with the same parameters. */
  get shards(): string {
    return join(this.path, ".raysidue", "shards");
  }

  /** Shards of what scores need of sequences: a folder a kind, each as `shards`. */
  get sequences(): string {
    return join(this.path, ".raysidue", "sequences");
  }

  /** What was read of files of poses (pose-book.ts); as `shards`. */
  get readings(): string {
    return join(this.path, ".raysidue", "readings");
  }

  /** Scratch of this run, on the output's own file system; removed at its end. */
  get work(): string {
    return join(this.path, ".raysidue", "work");
  }

  /** As `work`, for what is large and never becomes output: where the user said. */
  get scratch(): string {
    return this.#scratch?.path ?? this.work;
  }

  /** The batch attempts of this run. */
  get tracePath(): string {
    return this.file("trace.tsv");
  }

  /** The lease that computed each record of index.tsv, in its order (result-output.ts). */
  get leasesPath(): string {
    return leasesPathIn(this.path);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Gives the folder up. Repeated calls do nothing. */
  async close(): Promise<void> {
    if (!this.#isLocked) return;
    this.#isLocked = false;
    await this.#scratch?.remove();
    await rm(this.work, { recursive: true, force: true });
    await rm(this.#lockFile, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #lockFile(): string {
    return join(this.path, ".raysidue", "lock");
  }

  async #entries(): Promise<string[]> {
    try {
      return await readdir(this.path);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw fromSystemError(thrown, `cannot use output folder ${this.path}`);
    }
  }

  async #lock(): Promise<void> {
    for (;;) {
      try {
        const handle = await open(this.#lockFile, "wx");
        await handle.writeFile(makeOwnerWord());
        await handle.close();
        this.#isLocked = true;
        return;
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") {
          throw fromSystemError(thrown, `cannot use output folder ${this.path}`);
        }
      }
      const owner = await readFile(this.#lockFile, "utf8").catch(() => "");
      if (owner !== "" && !isProvablyDead(owner)) {
        throw new RaysidueError(
          "try-again",
          `another run writes in ${this.path} (${owner.trim()}); wait for it, or remove ${this.#lockFile} if it is gone`,
        );
      }
      await rm(this.#lockFile, { force: true });
    }
  }

  async #checkIdentity(identity: Identity): Promise<void> {
    const known = await identityOf(this.path);
    if (known === undefined) return this.#claim(identity);
    const names = new Set([...Object.keys(known), ...Object.keys(identity)]);
    const different = [...names].filter((name) => known[name] !== identity[name]);
    if (different.length === 0) return;
    // A run that was refused, a misspelt chain perhaps, left nothing that could be lost.
    if (!(await this.#hasResults())) return this.#claim(identity);
    const shown = different.map((name) => `${name} ${known[name]} there, ${identity[name]} now`);
    throw new RaysidueError(
      "usage",
      `output folder ${this.path} belongs to a run with other parameters (${shown.join("; ")}); name another folder`,
    );
  }

  #claim(identity: Identity): Promise<void> {
    const text = `${JSON.stringify(identity, undefined, 2)}\n`;
    return writeFileAtomically(identityPathIn(this.path), text);
  }

  /** A run ended well here, or computed a row before it was stopped. */
  async #hasResults(): Promise<boolean> {
    if ((await this.#entries()).includes("run.json")) return true;
    for (const folder of [this.shards, this.sequences]) {
      const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
      if (found.some((entry) => entry.isFile())) return true;
    }
    return false;
  }
}
