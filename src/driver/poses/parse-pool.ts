/**
 * Files of poses parsed on all cores of the driver's machine.
 *
 * Owns: the threads. Invariant: a file's poses are those that one thread would read; a pool that is
 * closed has no thread left. Parsing is 5 ms a pose of 4,500 atoms, and a fleet scores none before
 * all are read: one thread reads no faster than sixty cores score.
 */
import os from "node:os";
import Tinypool from "tinypool";
import { RaysidueError } from "../../base/errors.ts";
import type { ParsedPose } from "./parse-poses.ts";
import { type ParseReply, type ParseRequest, parseFile } from "./parse-thread.ts";

/** So much is parsed before a thread could have started. */
const BYTES_ALONE = 4 << 20;
/** More than these read faster than one thread can plan. */
const THREADS_MAX = 8;

export class ParsePool {
  readonly #bytesAlone: number;
  #pool: Tinypool | undefined;
  #bytes = 0;

  /** Threads are asked when so much was parsed without. */
  constructor(bytesAlone = BYTES_ALONE) {
    this.#bytesAlone = bytesAlone;
  }

  /**
   * The poses of one file, whose bytes are given away. Throws RaysidueError for a wrong choice of
   * chains.
   */
  async parse(request: ParseRequest): Promise<readonly ParsedPose[]> {
    const isEarly = this.#bytes < this.#bytesAlone;
    this.#bytes += request.bytes.length;
    const reply = await (isEarly ? parseFile(request) : this.#parseInThread(request));
    if ("error" in reply) throw new RaysidueError(reply.error.code, reply.error.message);
    return reply.poses;
  }

  async close(): Promise<void> {
    await this.#pool?.destroy();
  }

  #parseInThread(request: ParseRequest): Promise<ParseReply> {
    const { buffer, byteLength } = request.bytes;
    // A file's own memory goes over without a copy; a part of another's cannot.
    const isOwn = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
    return this.#threads().run(request, { transferList: isOwn ? [buffer] : [] });
  }

  #threads(): Tinypool {
    this.#pool ??= new Tinypool({
      filename: new URL("./parse-thread.js", import.meta.url).href,
      name: "parseFile",
      minThreads: 0,
      maxThreads: Math.min(os.availableParallelism(), THREADS_MAX),
    });
    return this.#pool;
  }
}
