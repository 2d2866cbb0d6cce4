/**
 * What was read out of each file of poses: so that a run over the same files parses none of them.
 *
 * Owns: an entry's key and bytes. A file is known by its name, inode, size and times of change, as
 * make and git know it; the time of last change cannot be set back by hand. Invariants: an entry
 * says only what reading the file would say again; a file that changed less than SETTLED_MS ago gets
 * none, since a second change within one tick of its clock would not show; what a run learned before
 * it was killed stays. Entries are rows of shards, shared like results (store/cache.ts).
 */
import { z } from "zod";
import { ensureFolder } from "../../base/files.ts";
import type { FileState } from "../../formats/text/file-source.ts";
import type { ChainChoice } from "../../science/chains.ts";
import { type NamedSpace, publish } from "../../store/cache.ts";
import {
  type ContentKey,
  contentKey,
  type ItemDigest,
  itemDigest,
  KEY_BYTES,
  spaceDigest,
} from "../../store/content-key.ts";
import { sortedKeyOrder } from "../../store/key-order.ts";
import type { ResultStore } from "../../store/result-store.ts";
import { ShardSink } from "../../store/shard-sink.ts";
import { openKnown } from "../run/compute-plan.ts";

/** A model of a file as a plan wants it. */
export interface ReadPose {
  readonly name: string;
  readonly line: number;
  readonly digest: ItemDigest;
  /** Residues. */
  readonly length: number;
  readonly cost: number;
  /** Which chains were found, in words, where they were. */
  readonly said?: string;
}

export interface RefusedPose {
  readonly name: string;
  readonly line: number;
  readonly reason: string;
}

export type PoseEntry = ReadPose | RefusedPose;

/** Changes when readers, what is refused, how chains are found, or the bytes of an item do. */
const READING = "3";
/** Poses of a file that are remembered; an archive of more is parsed again. */
export const ENTRIES_MAX = 1 << 17;
const SETTLED_MS = 2000;
/** Entries that are made durable together. */
const BATCH_ENTRIES = 2048;

const READ_POSE = [
  z.string(),
  z.number(),
  z.string().length(2 * KEY_BYTES),
  z.number(),
  z.number(),
] as const;
const PAYLOAD = z.array(
  z.union([
    z.tuple([...READ_POSE, z.string()]),
    z.tuple(READ_POSE),
    z.tuple([z.string(), z.number(), z.string()]),
  ]),
);

/** Chains that are found: how. The same answer finds the same chains of the same structure. */
export interface FoundChains {
  readonly foundBy: string;
}

export interface PoseBookPlace {
  /** Of shards of the output folder. */
  readonly folder: string;
  readonly cacheRoot: string | null;
  readonly choice: ChainChoice | FoundChains;
  /** Poses are read as science/health.ts cures them. */
  readonly cures: boolean;
}

export class PoseBook {
  readonly #place: PoseBookPlace;
  readonly #space: NamedSpace;
  readonly #digest: ReturnType<typeof spaceDigest>;
  readonly #stores: ResultStore[];
  readonly #sink: ShardSink;
  readonly #openedAtMs = Date.now();
  #keys: Uint8Array[] = [];
  #payloads: Uint8Array[] = [];

  private constructor(place: PoseBookPlace, space: NamedSpace, stores: ResultStore[]) {
    this.#place = place;
    this.#space = space;
    this.#digest = spaceDigest(space);
    this.#stores = stores;
    this.#sink = new ShardSink(place.folder);
  }

  static async open(place: PoseBookPlace): Promise<PoseBook> {
    const cure = place.cures ? { cures: true } : {};
    const parameters = JSON.stringify({ ...namedChains(place.choice), ...cure });
    const space = { kind: "poses", fingerprint: READING, parameters, model: "files" };
    await ensureFolder(place.folder);
    const stores = await openKnown(place.folder, { root: place.cacheRoot, space });
    return new PoseBook(place, space, stores);
  }

  /** The key of a file as it stands; undefined where it changed too recently to be known by it. */
  keyOf(name: string, state: FileState): ContentKey | undefined {
    const { inode, sizeBytes, modifiedMs, changedMs } = state;
    if (this.#openedAtMs - changedMs < SETTLED_MS) return undefined;
    const text = JSON.stringify([name, inode, sizeBytes, modifiedMs, changedMs]);
    return contentKey(this.#digest, itemDigest(Buffer.from(text)));
  }

  /** What was read of the files with these keys; undefined where that is not known. */
  async find(
    keys: readonly (ContentKey | undefined)[],
  ): Promise<(readonly PoseEntry[] | undefined)[]> {
    const found = new Array<readonly PoseEntry[] | undefined>(keys.length).fill(undefined);
    for (const store of this.#stores) {
      const missing = [...keys.keys()].filter((i) => keys[i] !== undefined && !found[i]);
      if (missing.length === 0 || store.rowCount === 0) continue;
      const order = ascending(missing.map((i) => keys[i]!))
        .map((at) => missing[at]!)
        // A file that is named twice is looked up once, and read the second time.
        .filter((i, at, all) => at === 0 || !keys[i]!.equals(keys[all[at - 1]!]!));
      const places = await store.lookup(Buffer.concat(order.map((i) => keys[i]!)));
      const hits = [...order.keys()].filter((at) => places.shards[at]! >= 0);
      const payloads = await store.readMany({
        shards: Int32Array.from(hits, (at) => places.shards[at]!),
        offsets: Float64Array.from(hits, (at) => places.offsets[at]!),
        sizes: Uint32Array.from(hits, (at) => places.sizes[at]!),
        crcs: Uint32Array.from(hits, (at) => places.crcs[at]!),
      });
      hits.forEach((at, i) => {
        found[order[at]!] = decodeEntries(payloads[i]!);
      });
    }
    return found;
  }

  async note(key: ContentKey, entries: readonly PoseEntry[]): Promise<void> {
    this.#keys.push(key);
    this.#payloads.push(encodeEntries(entries));
    if (this.#keys.length >= BATCH_ENTRIES) await this.#flush();
  }

  /** Keeps what was noted. Returns what a person should hear. */
  async close(): Promise<readonly string[]> {
    const { folder, cacheRoot } = this.#place;
    try {
      await this.#flush();
      await this.#sink.close();
      if (cacheRoot === null) return [];
      return (await publish(cacheRoot, this.#space, folder)).warnings;
    } finally {
      for (const store of this.#stores) await store.close();
    }
  }

  async #flush(): Promise<void> {
    const [keys, payloads] = [this.#keys, this.#payloads];
    if (keys.length === 0) return;
    this.#keys = [];
    this.#payloads = [];
    await this.#sink.append({
      keys: Buffer.concat(keys),
      sizes: payloads.map((payload) => payload.length),
      payload: Buffer.concat(payloads),
    });
  }
}

function namedChains(choice: ChainChoice | FoundChains) {
  if ("foundBy" in choice) return { foundBy: choice.foundBy };
  const { heavy, light, antigen } = choice;
  return { heavy, light: light ?? null, antigen };
}

/** Indexes of distinct keys in ascending order. */
export function ascending(keys: readonly Uint8Array[]): number[] {
  return [...sortedKeyOrder(Buffer.concat(keys))];
}

export function encodeEntries(entries: readonly PoseEntry[]): Uint8Array {
  const rows = entries.map((entry) => {
    if ("reason" in entry) return [entry.name, entry.line, entry.reason];
    const { name, line, digest, length, cost, said } = entry;
    return [
      name,
      line,
      digest.toString("hex"),
      length,
      cost,
      ...(said === undefined ? [] : [said]),
    ];
  });
  return Buffer.from(JSON.stringify(rows));
}

/** Undefined where it is no entry: then the file is read. */
export function decodeEntries(payload: Uint8Array): readonly PoseEntry[] | undefined {
  try {
    return PAYLOAD.parse(JSON.parse(Buffer.from(payload).toString())).map((row): PoseEntry => {
      const [name, line, third, length, cost, said] = row;
      if (length === undefined || cost === undefined) return { name, line, reason: third };
      const digest = Buffer.from(third, "hex") as ItemDigest;
      return { name, line, digest, length, cost, ...(said !== undefined && { said }) };
    });
  } catch {
    return undefined;
  }
}
