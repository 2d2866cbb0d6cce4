/**
 * The index beside a shard: where the row of a content key stands (layout: index-layout.ts).
 *
 * Owns: making an index from a scan, and reading parts of it. Invariant: an index never says more
 * than its shard: it is written atomically, and not believed if the shard's size or a checksum
 * differs. It can always be made again.
 */
import assert from "node:assert/strict";
import { type FileHandle, open, stat } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { fromSystemError, RaysidueError } from "../base/errors.ts";
import { writeFileAtomically } from "../base/files.ts";
import {
  encodeIndex,
  INDEX_ENTRY_BYTES,
  INDEX_HEADER_BYTES,
  type IndexHeader,
  parseIndexHeader,
  startOf,
} from "./index-layout.ts";
import { SHARD_ROWS_MAX } from "./segment.ts";
import { type ScanStop, type Segment, scanShard } from "./shard-scan.ts";

/** Where index bytes come from: a file, or memory where none could be written. */
export type IndexSource = (target: Buffer, position: number) => Promise<void>;

export interface BuiltIndex {
  /** The whole index, as it stands in the file. */
  readonly bytes: Buffer;
  readonly header: IndexHeader;
  /** Where and why the scan stopped, if the shard is not trusted to its end. */
  readonly stop: ScanStop | undefined;
}

/** The index's path beside a shard's. */
export function indexPath(shardFile: string): string {
  return shardFile.replace(/\.shard$/, ".idx");
}

/** Scans a shard and makes its index. Throws "bad-input" where it has more than SHARD_ROWS_MAX rows. */
export async function buildIndex(shardFile: string): Promise<BuiltIndex> {
  const shardBytes = await sizeOf(shardFile);
  const segments: Segment[] = [];
  let stop: ScanStop | undefined;
  let rowCount = 0;
  for await (const found of scanShard(shardFile)) {
    if (found.type !== "segment") {
      stop = found;
      break;
    }
    rowCount += found.sizes.length;
    if (rowCount > SHARD_ROWS_MAX) {
      const text = `shard ${shardFile} has more than ${SHARD_ROWS_MAX} rows; it is not ours, remove it`;
      throw new RaysidueError("bad-input", text);
    }
    segments.push(found);
  }
  const bytes = encodeIndex(segments, rowCount, shardBytes);
  const header = parseIndexHeader(bytes.subarray(0, INDEX_HEADER_BYTES), bytes.length);
  assert(header !== undefined);
  return { bytes, header, stop };
}

/** The header if index and shard belong together and its checksum is right; else undefined. */
export async function readIndexHeader(shardFile: string): Promise<IndexHeader | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(indexPath(shardFile), "r");
    const { size } = await file.stat();
    if (size < INDEX_HEADER_BYTES) return undefined;
    const bytes = Buffer.alloc(INDEX_HEADER_BYTES);
    await fileSource(file)(bytes, 0);
    const header = parseIndexHeader(bytes, size);
    return header?.shardBytes === (await sizeOf(shardFile)) ? header : undefined;
  } catch (thrown) {
    // Absent, unreadable or cut short: all mean that the shard has to be scanned.
    if (thrown instanceof RaysidueError && thrown.code === "try-again") throw thrown;
    return undefined;
  } finally {
    await file?.close();
  }
}

/** Makes the index of a finished shard unless a valid one stands there. */
export async function ensureIndex(shardFile: string): Promise<IndexHeader> {
  const present = await readIndexHeader(shardFile);
  if (present !== undefined) return present;
  const built = await buildIndex(shardFile);
  await writeFileAtomically(indexPath(shardFile), built.bytes);
  return built.header;
}

/** Reads from an open index file. Throws RaysidueError "bad-input" where the file is too short. */
export function fileSource(file: FileHandle): IndexSource {
  return async (target, position) => {
    for (let done = 0; done < target.length; ) {
      const { bytesRead } = await file.read(target, done, target.length - done, position + done);
      if (bytesRead === 0) throw new RaysidueError("bad-input", "index file is cut short");
      done += bytesRead;
    }
  };
}

/** Reads from an index kept in memory. */
export function memorySource(bytes: Buffer): IndexSource {
  return async (target, position) => {
    bytes.copy(target, 0, position, position + target.length);
  };
}

/**
 * The entries of keys whose first byte is `first` to `last`, verified. Throws "bad-input" where a
 * checksum differs: the index has to be made again.
 */
export async function readEntries(
  source: IndexSource,
  header: IndexHeader,
  first: number,
  last: number,
): Promise<Buffer> {
  const from = startOf(header, first);
  const entries = Buffer.allocUnsafe((header.ends[last]! - from) * INDEX_ENTRY_BYTES);
  await source(entries, INDEX_HEADER_BYTES + from * INDEX_ENTRY_BYTES);
  for (let byte = first; byte <= last; byte++) {
    const start = (startOf(header, byte) - from) * INDEX_ENTRY_BYTES;
    const end = (header.ends[byte]! - from) * INDEX_ENTRY_BYTES;
    if (crc32(entries.subarray(start, end)) !== header.crcs[byte]) {
      throw new RaysidueError(
        "bad-input",
        `index checksum differs for keys 0x${byte.toString(16)}`,
      );
    }
  }
  return entries;
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot read shard ${path}`);
  }
}
