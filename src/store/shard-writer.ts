/**
 * Writing a shard: an append-only file of result rows (layout: segment.ts).
 *
 * Owns: making rows durable. Invariant: what `append` resolved for is on disk and stays readable
 * whatever dies later; a failed append leaves no byte behind. Deliberately not here: whether a row
 * counts (the scheduler's journal says that), and finding it by key (shard-index.ts).
 */
import assert from "node:assert/strict";
import { type FileHandle, open } from "node:fs/promises";
import { Deferred } from "../base/deferred.ts";
import { fromSystemError, RaysidueError } from "../base/errors.ts";
import { syncFolder } from "../base/files.ts";
import { encodeSegment, type Rows, SHARD_ROWS_MAX, shardPath } from "./segment.ts";

/** Where a segment landed in its shard, in bytes. Rows' payloads follow one another. */
export interface Placement {
  readonly segmentOffset: number;
  readonly payloadOffset: number;
}

interface Pending {
  readonly buffers: readonly Uint8Array[];
  readonly sizeBytes: number;
  readonly headBytes: number;
  readonly done: Deferred<Placement>;
}

/** Appends that share one flush. More would only hold early ones back; also far below IOV_MAX. */
const GROUP_SEGMENTS_MAX = 64;
const GROUP_BYTES_MAX = 64 * 1024 * 1024;

export class ShardWriter {
  readonly path: string;
  readonly #file: FileHandle;
  /** End of what is durable. */
  #end = 0;
  #rowCount = 0;
  #pending: Pending[] = [];
  #flushing: Promise<void> | undefined;
  /** Set when a failed write could not be undone: the file's end is then unknown. */
  #broken: RaysidueError | undefined;
  #closed: Promise<void> | undefined;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /**
   * Creates shard `name` in `folder`. Throws RaysidueError: "bad-input" for a name that is not a
   * plain `NAME.shard` or that exists already, and what fromSystemError says of the folder.
   */
  static async open(folder: string, name: string): Promise<ShardWriter> {
    const path = shardPath(folder, name);
    let file: FileHandle | undefined;
    try {
      file = await open(path, "wx");
      await syncFolder(folder);
      return new ShardWriter(path, file);
    } catch (thrown) {
      await file?.close();
      if ((thrown as NodeJS.ErrnoException).code === "EEXIST") {
        const text = `shard ${path} exists already; every writer needs a name of its own`;
        throw new RaysidueError("bad-input", text, { cause: thrown });
      }
      throw fromSystemError(thrown, `cannot create shard ${path}`);
    }
  }

  /** Bytes that are durable. */
  get sizeBytes(): number {
    return this.#end;
  }

  /** Rows handed over so far; at most SHARD_ROWS_MAX fit: go on in another shard before that. */
  get rowCount(): number {
    return this.#rowCount;
  }

  /**
   * Resolves when the rows are durable; calls are written in their order, several under one flush.
   * The buffers must not change before. Rejects with a RaysidueError ("try-again" for a full
   * disk); the shard then ends where it ended before, and may be appended to again.
   */
  append(rows: Rows): Promise<Placement> {
    assert(this.#closed === undefined, "append after close");
    assert(this.#rowCount + rows.sizes.length <= SHARD_ROWS_MAX, "too many rows for one shard");
    const buffers = encodeSegment(rows);
    const headBytes = buffers[0]!.length;
    const done = new Deferred<Placement>();
    this.#rowCount += rows.sizes.length;
    this.#pending.push({
      buffers,
      headBytes,
      sizeBytes: headBytes + rows.payload.length,
      done,
    });
    this.#flushing ??= this.#flush();
    return done.promise;
  }

  /** Waits for appends under way and closes the file. Repeated calls share one promise. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#flushing;
      await this.#file.close();
    })();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #flush(): Promise<void> {
    while (this.#pending.length > 0) {
      const group = this.#takeGroup();
      try {
        if (this.#broken !== undefined) throw this.#broken;
        await this.#writeFully(group.flatMap((each) => each.buffers));
        await this.#file.datasync();
        for (const each of group) {
          each.done.resolve({
            segmentOffset: this.#end,
            payloadOffset: this.#end + each.headBytes,
          });
          this.#end += each.sizeBytes;
        }
      } catch (thrown) {
        const error = fromSystemError(thrown, `cannot append to shard ${this.path}`);
        await this.#cutTail(error);
        for (const each of group) each.done.reject(error);
      }
    }
    this.#flushing = undefined;
  }

  #takeGroup(): Pending[] {
    let count = 0;
    let bytes = 0;
    do {
      bytes += this.#pending[count]!.sizeBytes;
      count++;
    } while (
      count < Math.min(this.#pending.length, GROUP_SEGMENTS_MAX) &&
      bytes + this.#pending[count]!.sizeBytes <= GROUP_BYTES_MAX
    );
    return this.#pending.splice(0, count);
  }

  /** Writes at the durable end; the system may take less than it was given. */
  async #writeFully(buffers: Uint8Array[]): Promise<void> {
    let position = this.#end;
    let left = buffers;
    while (left.length > 0) {
      let { bytesWritten } = await this.#file.writev(left, position);
      position += bytesWritten;
      let full = 0;
      while (full < left.length && bytesWritten >= left[full]!.length) {
        bytesWritten -= left[full]!.length;
        full++;
      }
      left = left.slice(full);
      if (bytesWritten > 0) left[0] = left[0]!.subarray(bytesWritten);
    }
  }

  async #cutTail(error: RaysidueError): Promise<void> {
    if (this.#broken !== undefined) return;
    try {
      await this.#file.truncate(this.#end);
      await this.#file.datasync();
    } catch {
      // What stands behind the durable end is now unknown, and may not be followed by more. The
      // readers' checksums tell it from rows.
      this.#broken = error;
    }
  }
}
