/**
 * Open files of a store, bounded in number.
 *
 * Owns: when files are opened and closed. Invariants: no file is closed while it is being read; at
 * most `openMax` idle and used files are open besides the pinned ones. A pinned file stays open,
 * and so stays readable though its name is removed.
 */
import { type FileHandle, open } from "node:fs/promises";

interface Entry {
  readonly opened: Promise<FileHandle>;
  users: number;
  isPinned: boolean;
}

export class DescriptorCache {
  readonly #openMax: number;
  /** In order of use, the latest last. */
  readonly #entries = new Map<string, Entry>();
  #pinnedCount = 0;

  constructor(openMax: number) {
    this.#openMax = openMax;
  }

  get pinnedCount(): number {
    return this.#pinnedCount;
  }

  /** Runs `read` with the open file. Throws the system's error where it cannot be opened. */
  async use<T>(path: string, read: (file: FileHandle) => Promise<T>): Promise<T> {
    const entry = this.#enter(path);
    try {
      return await read(await entry.opened);
    } finally {
      entry.users--;
      await this.#closeIdle();
    }
  }

  /** Keeps the file open until `close`. Throws the system's error where it cannot be opened. */
  async pin(path: string): Promise<void> {
    const entry = this.#enter(path);
    try {
      await entry.opened;
      if (!entry.isPinned) this.#pinnedCount++;
      entry.isPinned = true;
    } finally {
      entry.users--;
    }
  }

  /** Closes the file if it is open: what stands under its name has been replaced. */
  async forget(path: string): Promise<void> {
    const entry = this.#entries.get(path);
    if (entry === undefined) return;
    this.#entries.delete(path);
    await closeEntry(entry);
  }

  /** Closes all files, each once its reads are over; nothing may be read afterwards. */
  async close(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const entry of entries) await closeEntry(entry);
  }

  #enter(path: string): Entry {
    const entry = this.#entries.get(path) ?? { opened: open(path, "r"), users: 0, isPinned: false };
    entry.users++;
    this.#entries.delete(path);
    this.#entries.set(path, entry);
    // A failed opening must not be remembered: the next use tries again.
    entry.opened.catch(() => {
      if (this.#entries.get(path) === entry) this.#entries.delete(path);
    });
    return entry;
  }

  async #closeIdle(): Promise<void> {
    for (const [path, entry] of this.#entries) {
      if (this.#entries.size - this.#pinnedCount <= this.#openMax) return;
      if (entry.users > 0 || entry.isPinned) continue;
      this.#entries.delete(path);
      await closeEntry(entry);
    }
  }
}

async function closeEntry(entry: Entry): Promise<void> {
  // What never opened needs no closing; a file that was only read loses nothing by a failed close.
  await entry.opened.then((file) => file.close()).catch(() => {});
}
