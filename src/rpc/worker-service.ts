/**
 * The worker daemon's gRPC service, both sides: bytes of shards, for drivers on other storage.
 *
 * Bulk flows towards the client on purpose: grpc-js's server side keeps a 64 KiB window, which on a
 * slow link holds uploads at a hundredth of what downloads reach.
 */
import type { Client, Server } from "@grpc/grpc-js";
import { bearer, createClient, noticeSilence } from "./channel.ts";
import { WorkerClient, type WorkerServer, WorkerService } from "./gen/raysidue/v1/worker.ts";
import { fromStatus, toStatus } from "./status.ts";
import { clientCredentials, type TlsFiles } from "./tls.ts";

/** What a worker's address begins with where it speaks TLS. */
export const TLS_SCHEME = "grpcs://";

export interface ShardRange {
  readonly runId: string;
  readonly shard: string;
  readonly offset: number;
  readonly size: number;
}

export function addWorkerService(
  server: Server,
  readShard: (range: ShardRange) => AsyncIterable<Uint8Array>,
): void {
  const service: WorkerServer = {
    readShard: (call) => {
      const send = async () => {
        for await (const data of readShard(call.request)) {
          if (call.cancelled) return;
          if (!call.write({ data })) await new Promise((resolve) => call.once("drain", resolve));
        }
        call.end();
      };
      send().catch((thrown: unknown) => call.emit("error", toStatus(thrown)));
    },
  };
  server.addService(WorkerService, service);
}

/** A worker's bulk service at `HOST:PORT`, or `grpcs://HOST:PORT` in TLS. */
export class WorkerConnection {
  readonly #client: WorkerClient;
  readonly #address: string;
  readonly #token: string;

  constructor(address: string, { token, tls }: { token: string; tls: TlsFiles | undefined }) {
    this.#address = address;
    this.#token = token;
    const isTls = address.startsWith(TLS_SCHEME);
    const target = isTls ? address.slice(TLS_SCHEME.length) : address;
    const channelCredentials = clientCredentials(isTls ? (tls ?? {}) : undefined);
    this.#client = createClient(WorkerClient as never, target, channelCredentials, noticeSilence());
  }

  /** Exactly the bytes asked for, in pieces. Throws RaysidueError where the worker is gone. */
  async *readShard(range: ShardRange): AsyncGenerator<Uint8Array> {
    try {
      for await (const { data } of this.#client.readShard(range, bearer(this.#token))) {
        yield data as Uint8Array;
      }
    } catch (thrown) {
      throw fromStatus(thrown, `worker at ${this.#address}`);
    }
  }

  close(): void {
    (this.#client as Client).close();
  }
}
