/**
 * Finding a slice of ascending keys in one index.
 *
 * Owns: which parts of an index are read, and matching keys with entries. Invariant: memory is
 * bounded by READ_BYTES_MAX of entries (or those of one first byte, if they are more).
 */
import assert from "node:assert/strict";
import { KEY_BYTES } from "./content-key.ts";
import {
  entryAt,
  INDEX_ENTRY_BYTES,
  type IndexHeader,
  lowerBound,
  startOf,
} from "./index-layout.ts";
import { compareKeys } from "./key-order.ts";
import type { RowPlaces } from "./row-reader.ts";
import { type IndexSource, readEntries } from "./shard-index.ts";

/** One read of entries. */
const READ_BYTES_MAX = 1 << 20;

/** Ascending keys of 32 bytes, and where those of each first byte start: [257]. */
export interface KeySlice {
  readonly keys: Uint8Array;
  readonly starts: Uint32Array;
}

/** Checks that `keys` ascend strictly, and notes where each first byte starts. */
export function sliceKeys(keys: Uint8Array): KeySlice {
  const starts = new Uint32Array(257);
  assert(keys.length % KEY_BYTES === 0);
  for (let at = 0; at < keys.length; at += KEY_BYTES) {
    assert(at === 0 || compareKeys(keys, at - KEY_BYTES, keys, at) < 0, "keys ascend strictly");
    starts[keys[at]! + 1]!++;
  }
  for (let byte = 0; byte < 256; byte++) starts[byte + 1]! += starts[byte]!;
  return { keys, starts };
}

/**
 * Enters the place of every key that is in the index of shard `number` into `found`, unless it has
 * one; returns whether there was any. Throws what `source` throws, and "bad-input" for an index
 * that is damaged; `found` may then hold some places already.
 */
export async function lookupInIndex(
  index: { readonly header: IndexHeader; readonly source: IndexSource; readonly number: number },
  { keys, starts }: KeySlice,
  found: Required<RowPlaces>,
): Promise<boolean> {
  let isHit = false;
  for (const { first, last } of partitionRanges(index.header, starts)) {
    const entries = await readEntries(index.source, index.header, first, last);
    const entryCount = entries.length / INDEX_ENTRY_BYTES;
    let entry = 0;
    for (let key = starts[first]!; key < starts[last + 1]!; key++) {
      if (found.shards[key] !== -1) continue;
      entry = lowerBound(entries, entry, keys, key * KEY_BYTES);
      if (entry === entryCount) break;
      if (compareKeys(entries, entry * INDEX_ENTRY_BYTES, keys, key * KEY_BYTES) !== 0) continue;
      const { offset, size, crc } = entryAt(entries, entry);
      found.shards[key] = index.number;
      found.offsets[key] = offset;
      found.sizes[key] = size;
      found.crcs[key] = crc;
      isHit = true;
    }
  }
  return isHit;
}

/** Runs of first bytes that both keys and entries have, each small enough for one read. */
function* partitionRanges(header: IndexHeader, starts: Uint32Array) {
  let first = -1;
  const bytesOf = (from: number, to: number) =>
    (header.ends[to]! - startOf(header, from)) * INDEX_ENTRY_BYTES;
  for (let byte = 0; byte <= 256; byte++) {
    const isNeeded =
      byte < 256 && starts[byte + 1]! > starts[byte]! && header.ends[byte]! > startOf(header, byte);
    const isFull = first >= 0 && isNeeded && bytesOf(first, byte) > READ_BYTES_MAX;
    if (first >= 0 && (!isNeeded || isFull)) {
      yield { first, last: byte - 1 };
      first = -1;
    }
    if (isNeeded && first < 0) first = byte;
  }
}
