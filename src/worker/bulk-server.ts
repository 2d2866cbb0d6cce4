/**
 * Serves bytes of this worker's shards to drivers that do not share its storage.
 *
 * Invariant: only plain shard names inside the folder of a run are read, whatever is asked for.
 */
import { open } from "node:fs/promises";
import { fromSystemError } from "../base/errors.ts";
import { createServer, listen } from "../rpc/channel.ts";
import type { ServerTls } from "../rpc/tls.ts";
import { addWorkerService, type ShardRange, TLS_SCHEME } from "../rpc/worker-service.ts";
import { shardPath } from "../store/segment.ts";

const PIECE_BYTES = 1024 * 1024;

export class BulkServer {
  readonly #server;
  readonly #listen: string;
  readonly #tls: ServerTls | undefined;
  readonly #folderOf: (runId: string) => string;
  #address = "";

  constructor(
    options: {
      readonly token: string;
      readonly listen: string;
      readonly tls?: ServerTls | undefined;
    },
    folderOf: (runId: string) => string,
  ) {
    this.#server = createServer(options.token);
    this.#listen = options.listen;
    this.#tls = options.tls;
    this.#folderOf = folderOf;
  }

  /** `HOST:PORT` once started; `grpcs://HOST:PORT` in TLS. */
  get address(): string {
    return this.#address;
  }

  async start(): Promise<void> {
    addWorkerService(this.#server, (range) => this.#read(range));
    const port = await listen(this.#server, this.#listen, this.#tls);
    const host = this.#listen.slice(0, this.#listen.lastIndexOf(":"));
    this.#address = `${this.#tls === undefined ? "" : TLS_SCHEME}${host}:${port}`;
  }

  close(): void {
    this.#server.forceShutdown();
  }

  async *#read({ runId, shard, offset, size }: ShardRange): AsyncGenerator<Uint8Array> {
    const path = shardPath(this.#folderOf(runId), shard);
    try {
      await using file = await open(path, "r");
      let position = offset;
      while (position < offset + size) {
        const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, offset + size - position));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
        if (bytesRead === 0) return;
        position += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } catch (thrown) {
      throw fromSystemError(thrown, `cannot read shard ${shard} of run ${runId}`);
    }
  }
}
