/**
 * A folder of shards as a set of results known by content key.
 *
 * Owns: finding rows and reading them. Invariants: memory is bounded by the slice of keys or rows
 * asked for and 2 KiB a shard, never by what the folder holds; a row that `lookup` found stays
 * readable until `close`, even if its shard is pruned meanwhile (it is held open; beyond
 * PINNED_MAX shards its use mark protects it). Deliberately not here: which spaces there are and
 * what is removed when (cache.ts), and writing shards (shard-writer.ts).
 */
import assert from "node:assert/strict";
import { readdir, utimes } from "node:fs/promises";
import { fromSystemError, messageOf, RaysidueError } from "../base/errors.ts";
import { writeFileAtomically } from "../base/files.ts";
import { KEY_BYTES } from "./content-key.ts";
import { DescriptorCache } from "./descriptor-cache.ts";
import type { IndexHeader } from "./index-layout.ts";
import { type KeySlice, lookupInIndex, sliceKeys } from "./index-lookup.ts";
import { type RowPlace, type RowPlaces, readRows } from "./row-reader.ts";
import { isShardName, shardPath } from "./segment.ts";
import { buildIndex, fileSource, indexPath, memorySource, readIndexHeader } from "./shard-index.ts";
import { describeStop } from "./shard-scan.ts";

interface Shard {
  readonly name: string;
  readonly path: string;
  /** Undefined: rows are read from it by place, but not looked up. */
  header: IndexHeader | undefined;
  /** The index where it could not be written beside the shard. */
  memory: Buffer | undefined;
  isHeld: boolean;
  markedAt: number;
}

/** Idle descriptors; well below the 1,024 of a bare shell. */
const OPEN_MAX = 128;
/** Held descriptors. Node raises its limit to the hard one, at least 4,096 on usual systems. */
const PINNED_MAX = 1024;
/** Indexes that no file holds (a read-only folder without them). */
const MEMORY_BYTES_MAX = 256 << 20;
/** A third of what prune protects by default (cache.ts). */
const MARK_EVERY_MS = 5 * 60_000;

export class ResultStore {
  readonly folder: string;
  /** What a person should hear: shards that are not trusted to their end, indexes not written. */
  readonly warnings: string[] = [];
  readonly #isWritable: boolean;
  readonly #shards: Shard[] = [];
  readonly #descriptors = new DescriptorCache(OPEN_MAX);
  #memoryBytes = 0;

  private constructor(folder: string, isWritable: boolean) {
    this.folder = folder;
    this.#isWritable = isWritable;
  }

  /**
   * Opens the shards that stand in `folder` now; a folder that is not there holds none. Indexes
   * that are absent or wrong are made by scanning, and written if `writable`. A shard that cannot
   * be read is left out with a warning. Throws RaysidueError where the folder cannot be listed.
   */
  static async open(folder: string, options: { readonly writable: boolean }): Promise<ResultStore> {
    const store = new ResultStore(folder, options.writable);
    for (const name of await listShards(folder)) {
      const shard = makeShard(folder, name);
      try {
        shard.header = await readIndexHeader(shard.path);
        if (shard.header === undefined) await store.#buildIndex(shard);
        store.#shards.push(shard);
      } catch (thrown) {
        store.warnings.push(`left out: ${messageOf(thrown)}`);
      }
    }
    return store;
  }

  /** A store without shards, for a folder that cannot be used. */
  static empty(folder: string): ResultStore {
    return new ResultStore(folder, false);
  }

  get shardNames(): readonly string[] {
    return this.#shards.map((shard) => shard.name);
  }

  /** Rows that can be looked up. */
  get rowCount(): number {
    return this.#shards.reduce((sum, shard) => sum + (shard.header?.rowCount ?? 0), 0);
  }

  /**
   * The number of shard `name`, for reading rows whose place is known otherwise; a shard that is
   * still being written may be named too. Throws "bad-input" for anything but a shard's name.
   */
  shardNumber(name: string): number {
    const present = this.#shards.findIndex((shard) => shard.name === name);
    if (present >= 0) return present;
    return this.#shards.push(makeShard(this.folder, name)) - 1;
  }

  /**
   * Where the rows of `keys` stand: 32 bytes each, strictly ascending. Cost: one read a MiB of
   * index entries that share a first byte with a key. A row is held from here on (see above).
   */
  async lookup(keys: Uint8Array): Promise<RowPlaces & { readonly crcs: Uint32Array }> {
    const slice = sliceKeys(keys);
    const count = keys.length / KEY_BYTES;
    const found = {
      shards: new Int32Array(count).fill(-1),
      offsets: new Float64Array(count),
      sizes: new Uint32Array(count),
      crcs: new Uint32Array(count),
    };
    for (const [number, shard] of this.#shards.entries()) {
      if (shard.header === undefined || count === 0) continue;
      let isHit: boolean;
      try {
        isHit = await this.#lookupIn(number, slice, found);
      } catch {
        // The index was pruned or is damaged; the shard itself decides.
        isHit = (await this.#rebuild(shard)) && (await this.#lookupIn(number, slice, found));
      }
      if (isHit && !(await this.#hold(shard))) {
        // Pruned between the index and now: absent.
        for (let i = 0; i < count; i++) if (found.shards[i] === number) found.shards[i] = -1;
      }
    }
    return found;
  }

  /**
   * The payload of one row. Throws RaysidueError: "try-again" where the shard is gone, "bad-input"
   * where it is too short or the row's checksum differs.
   */
  async read(place: RowPlace): Promise<Buffer> {
    const [payload] = await this.readMany({
      shards: Int32Array.of(place.shard),
      offsets: Float64Array.of(place.offset),
      sizes: Uint32Array.of(place.size),
      ...(place.crc === undefined ? {} : { crcs: Uint32Array.of(place.crc) }),
    });
    return payload!;
  }

  /** The payloads of many rows, in the order asked for; neighbours come in one read. As `read`. */
  async readMany(places: RowPlaces): Promise<Buffer[]> {
    for (const number of new Set(places.shards)) {
      assert(this.#shards[number] !== undefined, `no shard ${number}`);
      await this.#mark(this.#shards[number]);
    }
    return readRows(this.#descriptors, (number) => this.#shards[number]!.path, places);
  }

  /** Closes every file. Nothing may be read afterwards. */
  async close(): Promise<void> {
    await this.#descriptors.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #lookupIn(number: number, slice: KeySlice, found: Required<RowPlaces>): Promise<boolean> {
    const { header, memory, path } = this.#shards[number]!;
    assert(header !== undefined);
    if (memory !== undefined) {
      return lookupInIndex({ header, source: memorySource(memory), number }, slice, found);
    }
    return this.#descriptors.use(indexPath(path), (file) =>
      lookupInIndex({ header, source: fileSource(file), number }, slice, found),
    );
  }

  /** Whether the shard is still there. */
  async #rebuild(shard: Shard): Promise<boolean> {
    try {
      shard.memory = undefined;
      await this.#buildIndex(shard);
      return true;
    } catch (thrown) {
      this.warnings.push(`left out: ${messageOf(thrown)}`);
      shard.header = undefined;
      return false;
    }
  }

  async #buildIndex(shard: Shard): Promise<void> {
    const built = await buildIndex(shard.path);
    shard.header = built.header;
    if (built.stop !== undefined) this.warnings.push(describeStop(shard.path, built.stop));
    if (this.#isWritable) {
      try {
        // The old file may be open: its content must not be read under the new header.
        await this.#descriptors.forget(indexPath(shard.path));
        await writeFileAtomically(indexPath(shard.path), built.bytes);
        return;
      } catch (thrown) {
        this.warnings.push(`index kept in memory only: ${messageOf(thrown)}`);
      }
    }
    this.#memoryBytes += built.bytes.length;
    if (this.#memoryBytes > MEMORY_BYTES_MAX) {
      const text = `shard ${shard.path}: no room for its index; make ${this.folder} writable`;
      throw new RaysidueError("unavailable", text);
    }
    shard.memory = built.bytes;
  }

  /** Keeps a shard readable and marks it as used. False where it is gone. */
  async #hold(shard: Shard): Promise<boolean> {
    if (shard.isHeld) return true;
    try {
      if (this.#descriptors.pinnedCount < PINNED_MAX) await this.#descriptors.pin(shard.path);
      else await this.#descriptors.use(shard.path, async () => {});
    } catch (thrown) {
      this.warnings.push(messageOf(fromSystemError(thrown, `left out shard ${shard.path}`)));
      shard.header = undefined;
      return false;
    }
    shard.isHeld = true;
    await this.#mark(shard);
    return true;
  }

  async #mark(shard: Shard): Promise<void> {
    const now = Date.now();
    if (!this.#isWritable || !shard.isHeld || now - shard.markedAt < MARK_EVERY_MS) return;
    shard.markedAt = now;
    // A mark is advice to prune; a run does not fail for want of it.
    await utimes(indexPath(shard.path), now / 1000, now / 1000).catch(() => {});
  }
}

/** Names of the shards in `folder`, sorted; none where it does not exist. */
export async function listShards(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && isShardName(entry.name))
      .map((entry) => entry.name)
      .sort();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw fromSystemError(thrown, `cannot list ${folder}`);
  }
}

function makeShard(folder: string, name: string): Shard {
  const path = shardPath(folder, name);
  return { name, path, header: undefined, memory: undefined, isHeld: false, markedAt: 0 };
}
