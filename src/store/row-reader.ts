/**
 * Reading rows by their place.
 *
 * Owns: which bytes of which shard are read in one call, and verifying rows. Invariant: a returned
 * row has the size asked for, and its checksum where one was given. Deliberately not here: finding
 * rows (result-store.ts), and which files are open (descriptor-cache.ts).
 */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { fromSystemError, RaysidueError } from "../base/errors.ts";
import type { DescriptorCache } from "./descriptor-cache.ts";
import { SEGMENT_PAYLOAD_BYTES_MAX } from "./segment.ts";

/** Where rows stand, one position a key or row asked for. */
export interface RowPlaces {
  /** Number of the shard within the store; -1 where absent. */
  readonly shards: Int32Array;
  /** Of the payload, in bytes. */
  readonly offsets: Float64Array;
  /** Of the payload, in bytes. */
  readonly sizes: Uint32Array;
  /** CRC-32 of the payload; reading verifies it where given. */
  readonly crcs?: Uint32Array;
}

export interface RowPlace {
  readonly shard: number;
  readonly offset: number;
  readonly size: number;
  readonly crc?: number;
}

/** One read, unless a single row is larger. */
const READ_BYTES_MAX = 1 << 20;
/** Reading over a gap this small is cheaper than another call. */
const GAP_BYTES_MAX = 1 << 16;

/**
 * The payloads of rows, in the order asked for; neighbours come in one read. `paths[i]` is shard
 * i's file. Throws RaysidueError: "try-again" where a shard is gone, "bad-input" where it is too
 * short or a row's checksum differs.
 */
export async function readRows(
  descriptors: DescriptorCache,
  paths: (shard: number) => string,
  places: RowPlaces,
): Promise<Buffer[]> {
  const { shards, offsets, sizes } = places;
  const order = Uint32Array.from(shards.keys()).sort(
    (a, b) => shards[a]! - shards[b]! || offsets[a]! - offsets[b]!,
  );
  const payloads = new Array<Buffer>(shards.length);
  let scratch: Buffer | undefined;
  for (let from = 0; from < order.length; ) {
    const number = shards[order[from]!]!;
    const start = offsets[order[from]!]!;
    let to = from;
    let end = start;
    let wantedBytes = 0;
    do {
      const row = order[to]!;
      assert(sizes[row]! <= SEGMENT_PAYLOAD_BYTES_MAX && offsets[row]! >= 0, "impossible place");
      end = Math.max(end, offsets[row]! + sizes[row]!);
      wantedBytes += sizes[row]!;
      to++;
    } while (to < order.length && isNeighbour(places, order[to]!, { number, start, end }));
    const path = paths(number);
    // Few rows scattered over a piece must not keep all of it in memory.
    const isSparse = 2 * wantedBytes < end - start;
    if (isSparse) scratch ??= Buffer.allocUnsafe(READ_BYTES_MAX);
    const target = isSparse ? scratch!.subarray(0, end - start) : Buffer.allocUnsafe(end - start);
    const bytes = await readBytes(descriptors, path, { start, end, target });
    for (const row of order.subarray(from, to)) {
      const at = offsets[row]! - start;
      const view = bytes.subarray(at, at + sizes[row]!);
      payloads[row] = isSparse ? Buffer.from(view) : view;
      if (places.crcs === undefined || crc32(payloads[row]) === places.crcs[row]) continue;
      const text = `shard ${path}, offset ${offsets[row]}: checksum differs; remove this shard or run \`raysidue cache verify\``;
      throw new RaysidueError("bad-input", text);
    }
    from = to;
  }
  return payloads;
}

async function readBytes(
  descriptors: DescriptorCache,
  path: string,
  range: { readonly start: number; readonly end: number; readonly target: Buffer },
): Promise<Buffer> {
  const bytes = range.target;
  try {
    await descriptors.use(path, async (file) => {
      for (let done = 0; done < bytes.length; ) {
        const left = bytes.length - done;
        const { bytesRead } = await file.read(bytes, done, left, range.start + done);
        if (bytesRead === 0) {
          const text = `shard ${path} ends before offset ${range.end}; remove it and run the same command again`;
          throw new RaysidueError("bad-input", text);
        }
        done += bytesRead;
      }
    });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") {
      throw fromSystemError(thrown, `cannot read shard ${path}`);
    }
    const text = `shard ${path} was removed; run the same command again`;
    throw new RaysidueError("try-again", text, { cause: thrown });
  }
  return bytes;
}

function isNeighbour(
  places: RowPlaces,
  row: number,
  piece: { readonly number: number; readonly start: number; readonly end: number },
): boolean {
  const offset = places.offsets[row]!;
  return (
    places.shards[row] === piece.number &&
    offset <= piece.end + GAP_BYTES_MAX &&
    offset + places.sizes[row]! - piece.start <= READ_BYTES_MAX
  );
}
