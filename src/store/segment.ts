/**
 * The bytes of a shard segment, and the names shards may have.
 *
 * Owns: the layout. A shard is segments one after another; a segment is a header of 40 bytes,
 * little-endian, then `rowCount` content keys of 32 bytes, `rowCount` payload sizes (u32), and the
 * payloads one after another:
 *   0 magic "RSEG"  4 version u16  6 header bytes u16  8 rowCount u32  12 zero u32
 *   16 payloadBytes u64  24 CRC-32 of keys and sizes  28 CRC-32 of the payloads
 *   32 zero u32  36 CRC-32 of bytes 0..36
 * Invariant: no number of a header is believed before its CRC and its bounds are checked. No I/O.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { RaysidueError } from "../base/errors.ts";
import { KEY_BYTES } from "./content-key.ts";

export const SEGMENT_HEADER_BYTES = 40;
/** Far above any batch; keeps what a lying header can make a reader allocate at 36 MiB. */
export const SEGMENT_ROWS_MAX = 1 << 20;
export const SEGMENT_PAYLOAD_BYTES_MAX = 1 << 30;
/** Bounds the memory in which a shard's index is made: 48 bytes a row and a sort. */
export const SHARD_ROWS_MAX = 1 << 21;

const MAGIC = 0x47455352; // "RSEG"
const VERSION = 1;
const SHARD_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}\.shard$/;

/** Rows as a worker hands them over: row i has key `keys[32 i ..]` and the next `sizes[i]` bytes. */
export interface Rows {
  /** 32 bytes a row. */
  readonly keys: Uint8Array;
  readonly sizes: Uint32Array | readonly number[];
  readonly payload: Uint8Array;
}

export interface SegmentHeader {
  readonly rowCount: number;
  readonly payloadBytes: number;
  readonly tableCrc: number;
  readonly payloadCrc: number;
}

/** Whether `name` is a shard's file name: letters, digits, `._-`, no leading dot, `.shard`. */
export function isShardName(name: string): boolean {
  return SHARD_NAME.test(name);
}

/** The path of shard `name` in `folder`. Throws "bad-input" for anything but a plain shard name. */
export function shardPath(folder: string, name: string): string {
  if (isShardName(name)) return join(folder, name);
  const shown = JSON.stringify(name.slice(0, 80));
  throw new RaysidueError("bad-input", `${shown} is no shard name; expected NAME.shard`);
}

/** Bytes of keys and sizes of a segment. */
export function tableBytes(rowCount: number): number {
  return rowCount * (KEY_BYTES + 4);
}

/** The segment of `rows` as buffers to be written one after another; the payload is not copied. */
export function encodeSegment(rows: Rows): Uint8Array[] {
  const rowCount = rows.sizes.length;
  assert(rowCount > 0 && rowCount <= SEGMENT_ROWS_MAX, `segment of ${rowCount} rows`);
  assert(rows.keys.length === rowCount * KEY_BYTES, "as many keys as sizes");
  assert(rows.payload.length <= SEGMENT_PAYLOAD_BYTES_MAX, "segment payload too large");
  const head = Buffer.alloc(SEGMENT_HEADER_BYTES + tableBytes(rowCount));
  head.set(rows.keys, SEGMENT_HEADER_BYTES);
  let at = SEGMENT_HEADER_BYTES + rows.keys.length;
  let total = 0;
  for (const size of rows.sizes) {
    at = head.writeUInt32LE(size, at);
    total += size;
  }
  assert(total === rows.payload.length, "sizes add up to the payload");
  head.writeUInt32LE(MAGIC, 0);
  head.writeUInt16LE(VERSION, 4);
  head.writeUInt16LE(SEGMENT_HEADER_BYTES, 6);
  head.writeUInt32LE(rowCount, 8);
  head.writeBigUInt64LE(BigInt(rows.payload.length), 16);
  head.writeUInt32LE(crc32(head.subarray(SEGMENT_HEADER_BYTES)), 24);
  head.writeUInt32LE(crc32(rows.payload), 28);
  head.writeUInt32LE(crc32(head.subarray(0, 36)), 36);
  return rows.payload.length === 0 ? [head] : [head, rows.payload];
}

/** The header in the first 40 bytes of `bytes`, or in words what is wrong with it. */
export function parseSegmentHeader(bytes: Buffer): SegmentHeader | string {
  if (bytes.readUInt32LE(0) !== MAGIC) return "no segment starts here";
  if (bytes.readUInt32LE(36) !== crc32(bytes.subarray(0, 36))) return "header checksum differs";
  if (bytes.readUInt16LE(4) !== VERSION) {
    return `segment version ${bytes.readUInt16LE(4)}, this program reads ${VERSION}`;
  }
  const rowCount = bytes.readUInt32LE(8);
  const payloadBytes = Number(bytes.readBigUInt64LE(16));
  if (rowCount === 0 || rowCount > SEGMENT_ROWS_MAX) return `impossible row count ${rowCount}`;
  if (payloadBytes > SEGMENT_PAYLOAD_BYTES_MAX) return `impossible payload of ${payloadBytes} B`;
  if (bytes.readUInt16LE(6) !== SEGMENT_HEADER_BYTES) return "impossible header size";
  return {
    rowCount,
    payloadBytes,
    tableCrc: bytes.readUInt32LE(24),
    payloadCrc: bytes.readUInt32LE(28),
  };
}
