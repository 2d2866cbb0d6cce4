/**
 * Reading a shard from its start with every checksum verified.
 *
 * Owns: deciding which part of a shard can be trusted. Invariant: a row is trusted only if its
 * segment and all before it verify; where trust ends, the scan says why and how much it ignores.
 * Memory is bounded by one segment's table. Deliberately not here: repairing.
 */
import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { fromSystemError } from "../base/errors.ts";
import { KEY_BYTES } from "./content-key.ts";
import {
  parseSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  tableBytes,
} from "./segment.ts";

/** A segment whose checksums are right. Offsets and sizes in bytes. */
export interface Segment {
  readonly type: "segment";
  readonly segmentOffset: number;
  readonly payloadOffset: number;
  readonly endOffset: number;
  /** 32 bytes a row. */
  readonly keys: Buffer;
  /** Of each row's payload. */
  readonly sizes: Uint32Array;
  /** CRC-32 of each row's payload. */
  readonly crcs: Uint32Array;
}

/** The last thing a scan yields where it does not trust the shard up to its end. */
export type ScanStop =
  /** An append was cut off by a crash: what it wrote was never reported as durable. */
  | { readonly type: "torn"; readonly offset: number; readonly ignoredBytes: number }
  /** Bytes have changed. */
  | {
      readonly type: "damaged";
      readonly offset: number;
      readonly ignoredBytes: number;
      readonly reason: string;
    };

/** Large enough that system calls do not count, small against everything else. */
const WINDOW_BYTES = 1 << 20;

/** Positional reads through one window, for parsers that go forward. */
class FileWindow {
  readonly #file: FileHandle;
  #buffer = Buffer.alloc(WINDOW_BYTES);
  #start = 0;
  #length = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Bytes `position .. position + size`, fewer at the file's end; valid until the next call. */
  async view(position: number, size: number): Promise<Buffer> {
    const inside = position >= this.#start && position + size <= this.#start + this.#length;
    if (!inside) {
      if (size > this.#buffer.length) this.#buffer = Buffer.alloc(size);
      this.#start = position;
      this.#length = 0;
      while (this.#length < size) {
        const room = this.#buffer.length - this.#length;
        const at = position + this.#length;
        const { bytesRead } = await this.#file.read(this.#buffer, this.#length, room, at);
        if (bytesRead === 0) break;
        this.#length += bytesRead;
      }
    }
    const from = position - this.#start;
    return this.#buffer.subarray(from, Math.min(from + size, this.#length));
  }
}

/**
 * Yields the shard's verified segments in order and then, unless all of the shard was trusted, one
 * ScanStop. Throws RaysidueError where the file cannot be read at all.
 */
export async function* scanShard(path: string): AsyncGenerator<Segment | ScanStop, void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    const { size: fileBytes } = await file.stat();
    const window = new FileWindow(file);
    let offset = 0;
    while (offset < fileBytes) {
      const found = await readSegment(window, offset, fileBytes);
      yield found;
      if (found.type !== "segment") return;
      offset = found.endOffset;
    }
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot read shard ${path}`);
  } finally {
    await file?.close();
  }
}

/** One line for people about where and why a scan stopped. */
export function describeStop(path: string, stop: ScanStop): string {
  const where = `shard ${path}, offset ${stop.offset}`;
  return stop.type === "torn"
    ? `${where}: ignored ${stop.ignoredBytes} bytes of an append that was cut off`
    : `${where}: ${stop.reason}; the ${stop.ignoredBytes} bytes from there on are not trusted`;
}

async function readSegment(
  window: FileWindow,
  segmentOffset: number,
  fileBytes: number,
): Promise<Segment | ScanStop> {
  const ignoredBytes = fileBytes - segmentOffset;
  const torn: ScanStop = { type: "torn", offset: segmentOffset, ignoredBytes };
  const damaged = (reason: string): ScanStop => ({
    type: "damaged",
    offset: segmentOffset,
    ignoredBytes,
    reason,
  });
  if (ignoredBytes < SEGMENT_HEADER_BYTES) return torn;
  const head = await window.view(segmentOffset, SEGMENT_HEADER_BYTES);
  if (head.length < SEGMENT_HEADER_BYTES) return torn;
  const header = parseSegmentHeader(head);
  if (typeof header === "string") {
    // A power cut can leave a file longer than what was written to it.
    return (await isZero(window, segmentOffset, fileBytes)) ? torn : damaged(header);
  }
  const tableOffset = segmentOffset + SEGMENT_HEADER_BYTES;
  const payloadOffset = tableOffset + tableBytes(header.rowCount);
  const endOffset = payloadOffset + header.payloadBytes;
  if (endOffset > fileBytes) return torn;
  const table = await window.view(tableOffset, tableBytes(header.rowCount));
  if (table.length < tableBytes(header.rowCount)) return torn;
  if (crc32(table) !== header.tableCrc) return damaged("checksum of keys and sizes differs");
  const keys = Buffer.from(table.subarray(0, header.rowCount * KEY_BYTES));
  const sizes = new Uint32Array(header.rowCount);
  let total = 0;
  for (let row = 0; row < sizes.length; row++) {
    sizes[row] = table.readUInt32LE(keys.length + row * 4);
    total += sizes[row]!;
  }
  if (total !== header.payloadBytes) return damaged("sizes do not add up to the payload");
  const crcs = await payloadCrcs(window, payloadOffset, sizes, header);
  if (crcs === undefined) return damaged("checksum of the payload differs");
  return { type: "segment", segmentOffset, payloadOffset, endOffset, keys, sizes, crcs };
}

/** CRC-32 of each row, or undefined if the whole payload's CRC is not the header's. */
async function payloadCrcs(
  window: FileWindow,
  payloadOffset: number,
  sizes: Uint32Array,
  header: SegmentHeader,
): Promise<Uint32Array | undefined> {
  const crcs = new Uint32Array(sizes.length);
  let whole = 0;
  let row = 0;
  let rowDone = 0;
  for (let done = 0; done < header.payloadBytes; ) {
    const wanted = Math.min(WINDOW_BYTES, header.payloadBytes - done);
    const piece = await window.view(payloadOffset + done, wanted);
    if (piece.length < wanted) return undefined;
    whole = crc32(piece, whole);
    for (let at = 0; at < piece.length; ) {
      const take = Math.min(sizes[row]! - rowDone, piece.length - at);
      crcs[row] = crc32(piece.subarray(at, at + take), crcs[row]!);
      at += take;
      rowDone += take;
      if (rowDone === sizes[row]) {
        row++;
        rowDone = 0;
      }
    }
    done += piece.length;
  }
  return whole === header.payloadCrc ? crcs : undefined;
}

async function isZero(window: FileWindow, from: number, to: number): Promise<boolean> {
  for (let at = from; at < to; at += WINDOW_BYTES) {
    const piece = await window.view(at, Math.min(WINDOW_BYTES, to - at));
    if (piece.some((byte) => byte !== 0)) return false;
  }
  return true;
}
