/**
 * The bytes of the index beside a shard.
 *
 * Owns: the layout of `NAME.idx`. Little-endian:
 *   0 magic "RIDX"  4 version u16  6 entry bytes u16  8 rowCount u32  12 zero u32
 *   16 shardBytes u64 (of the shard when it was scanned)  24 trustedBytes u64 (end of trust)
 *   32 fan-out: for each first byte of a key, entries up to and with it (u32) and the CRC-32 of
 *      its own entries (u32)  2080 zero  2092 CRC-32 of bytes 0..2092
 *   2096 entries by ascending key, 48 bytes each: key, payload offset u64, size u32, CRC-32 u32
 * Invariant: every byte is under a checksum, and the entries of one first byte can be read and
 * verified alone. No I/O.
 */
import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { KEY_BYTES } from "./content-key.ts";
import { compareKeys, sortedKeyOrder } from "./key-order.ts";
import type { Segment } from "./shard-scan.ts";

export const INDEX_ENTRY_BYTES = 48;
export const INDEX_HEADER_BYTES = 2096;
const FAN_OUT_OFFSET = 32;
const MAGIC = 0x58444952; // "RIDX"
const VERSION = 1;

export interface IndexHeader {
  readonly rowCount: number;
  readonly shardBytes: number;
  /** Rows stand below this offset; what is behind it was torn or damaged. */
  readonly trustedBytes: number;
  /** [256]: entries whose key's first byte is at most the position. */
  readonly ends: Uint32Array;
  /** [256]: CRC-32 of the entries of each first byte. */
  readonly crcs: Uint32Array;
  /** SHA-256 of the header, in hex: with all the checksums in it, it names the shard's content. */
  readonly digest: string;
}

/** Number of entries before those whose key starts with `byte`. */
export function startOf(header: IndexHeader, byte: number): number {
  return byte === 0 ? 0 : header.ends[byte - 1]!;
}

/**
 * First entry, from entry `low` on, that is not before the key at `keyStart` of `keys`. By binary
 * search: `entries` are ascending.
 */
export function lowerBound(
  entries: Buffer,
  low: number,
  keys: Uint8Array,
  keyStart: number,
): number {
  let from = low;
  let to = entries.length / INDEX_ENTRY_BYTES;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (compareKeys(entries, middle * INDEX_ENTRY_BYTES, keys, keyStart) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Payload offset, size and CRC-32 of entry `entry`. */
export function entryAt(entries: Buffer, entry: number) {
  const at = entry * INDEX_ENTRY_BYTES + KEY_BYTES;
  return {
    offset: entries.readUInt32LE(at) + entries.readUInt32LE(at + 4) * 2 ** 32,
    size: entries.readUInt32LE(at + 8),
    crc: entries.readUInt32LE(at + 12),
  };
}

/** The index of a shard's segments. Of a key that stands twice the first row counts. */
export function encodeIndex(
  segments: readonly Segment[],
  rowCount: number,
  shardBytes: number,
): Buffer {
  const keys = Buffer.concat(segments.map((each) => each.keys));
  const rows = Buffer.alloc(rowCount * (INDEX_ENTRY_BYTES - KEY_BYTES));
  let at = 0;
  for (const segment of segments) {
    let offset = segment.payloadOffset;
    for (let row = 0; row < segment.sizes.length; row++) {
      rows.writeUInt32LE(offset % 2 ** 32, at);
      rows.writeUInt32LE(Math.floor(offset / 2 ** 32), at + 4);
      rows.writeUInt32LE(segment.sizes[row]!, at + 8);
      at = rows.writeUInt32LE(segment.crcs[row]!, at + 12);
      offset += segment.sizes[row]!;
    }
  }
  const bytes = Buffer.alloc(INDEX_HEADER_BYTES + rowCount * INDEX_ENTRY_BYTES);
  const ends = new Uint32Array(256);
  let end = INDEX_HEADER_BYTES;
  let previous = -1;
  for (const row of sortedKeyOrder(keys)) {
    const key = row * KEY_BYTES;
    if (previous >= 0 && compareKeys(keys, previous, keys, key) === 0) continue;
    keys.copy(bytes, end, key, key + KEY_BYTES);
    rows.copy(bytes, end + KEY_BYTES, row * 16, row * 16 + 16);
    end += INDEX_ENTRY_BYTES;
    ends[keys[key]!]!++;
    previous = key;
  }
  writeHeader(bytes, ends, { shardBytes, trustedBytes: segments.at(-1)?.endOffset ?? 0 });
  return bytes.subarray(0, end);
}

/** `counts`: entries of each first byte. The entries must be in place. */
function writeHeader(
  bytes: Buffer,
  counts: Uint32Array,
  sizes: { readonly shardBytes: number; readonly trustedBytes: number },
): void {
  let end = 0;
  for (let byte = 0; byte < 256; byte++) {
    const start = end;
    end += counts[byte]!;
    const own = bytes.subarray(
      INDEX_HEADER_BYTES + start * INDEX_ENTRY_BYTES,
      INDEX_HEADER_BYTES + end * INDEX_ENTRY_BYTES,
    );
    bytes.writeUInt32LE(end, FAN_OUT_OFFSET + byte * 8);
    bytes.writeUInt32LE(crc32(own), FAN_OUT_OFFSET + byte * 8 + 4);
  }
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt16LE(VERSION, 4);
  bytes.writeUInt16LE(INDEX_ENTRY_BYTES, 6);
  bytes.writeUInt32LE(end, 8);
  bytes.writeBigUInt64LE(BigInt(sizes.shardBytes), 16);
  bytes.writeBigUInt64LE(BigInt(sizes.trustedBytes), 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, INDEX_HEADER_BYTES - 4)), INDEX_HEADER_BYTES - 4);
}

/** The header in `bytes`, or undefined where it or the size of its file is wrong. */
export function parseIndexHeader(bytes: Buffer, fileBytes: number): IndexHeader | undefined {
  if (bytes.readUInt32LE(0) !== MAGIC || bytes.readUInt16LE(4) !== VERSION) return undefined;
  if (
    bytes.readUInt32LE(INDEX_HEADER_BYTES - 4) !== crc32(bytes.subarray(0, INDEX_HEADER_BYTES - 4))
  ) {
    return undefined;
  }
  const rowCount = bytes.readUInt32LE(8);
  if (fileBytes !== INDEX_HEADER_BYTES + rowCount * INDEX_ENTRY_BYTES) return undefined;
  const ends = new Uint32Array(256);
  const crcs = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    ends[byte] = bytes.readUInt32LE(FAN_OUT_OFFSET + byte * 8);
    crcs[byte] = bytes.readUInt32LE(FAN_OUT_OFFSET + byte * 8 + 4);
    if (ends[byte]! > rowCount || (byte > 0 && ends[byte]! < ends[byte - 1]!)) return undefined;
  }
  if (ends[255] !== rowCount) return undefined;
  return {
    rowCount,
    shardBytes: Number(bytes.readBigUInt64LE(16)),
    trustedBytes: Number(bytes.readBigUInt64LE(24)),
    ends,
    crcs,
    digest: hash("sha256", bytes.subarray(0, INDEX_HEADER_BYTES), "hex"),
  };
}
