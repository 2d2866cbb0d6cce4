/**
 * Brings rows here that workers wrote to storage of their own.
 *
 * Owns: the connections to workers' bulk services. Invariant: a fetched payload has exactly the
 * bytes that were committed, or the fetch throws.
 */
import { RaysidueError } from "../../base/errors.ts";
import type { ShardRows } from "../../rpc/messages.ts";
import type { TlsFiles } from "../../rpc/tls.ts";
import { WorkerConnection } from "../../rpc/worker-service.ts";

export class RowFetcher {
  readonly #credentials: { readonly token: string; readonly tls: TlsFiles | undefined };
  readonly #runId: string;
  readonly #workers = new Map<string, WorkerConnection>();

  constructor(options: {
    readonly token: string;
    readonly tls: TlsFiles | undefined;
    readonly runId: string;
  }) {
    this.#credentials = options;
    this.#runId = options.runId;
  }

  /** The rows' payloads one after another. Throws RaysidueError where the worker is gone. */
  async fetch(rows: ShardRows, address: string): Promise<Buffer> {
    let worker = this.#workers.get(address);
    if (worker === undefined) {
      worker = new WorkerConnection(address, this.#credentials);
      this.#workers.set(address, worker);
    }
    const size = rows.sizes.reduce((sum, each) => sum + each, 0);
    const range = { runId: this.#runId, shard: rows.shard, offset: rows.payloadOffset, size };
    const pieces: Uint8Array[] = [];
    for await (const piece of worker.readShard(range)) pieces.push(piece);
    const payload = Buffer.concat(pieces);
    if (payload.length === size) return payload;
    const text = `worker at ${address} sent ${payload.length} of ${size} bytes of ${rows.shard}`;
    throw new RaysidueError("try-again", text);
  }

  close(): void {
    for (const worker of this.#workers.values()) worker.close();
    this.#workers.clear();
  }
}
