/**
 * Ray Client's gRPC services, as raw messages.
 *
 * Owns: loading proto/ray at run time, the channel with the limits and keepalives that Ray's own
 * client has, the metadata of every call. Deliberately not here: what a session is, and pickles
 * (src/ray).
 */
import { fileURLToPath } from "node:url";
import {
  type ChannelOptions,
  type Client,
  type credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { RawStream } from "./stream.ts";
import { clientCredentials, type TlsFiles } from "./tls.ts";

const PROTO_FOLDER = fileURLToPath(new URL("../../../proto", import.meta.url));

/** Ray's server allows 2 GiB - 1; replies come in chunks of 5 MiB, over gRPC's default of 4. */
const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.max_receive_message_length": 64 * 1024 * 1024,
  "grpc.max_send_message_length": 64 * 1024 * 1024,
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 600_000,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc.enable_http_proxy": 0,
  "grpc.use_local_subchannel_pool": 1,
};

export interface GetReply {
  readonly valid: boolean;
  readonly data: Buffer;
  readonly error: Buffer;
  readonly chunkId: number;
  readonly totalChunks: number;
}

/** One of these fields is set; `reqId` names the request that is answered. */
export interface DataReply {
  readonly reqId: number;
  readonly get?: GetReply;
  readonly put?: { readonly id: Buffer; readonly valid: boolean; readonly error: Buffer };
  readonly init?: { readonly ok: boolean; readonly msg: string };
  readonly connectionInfo?: { readonly rayVersion: string; readonly pythonVersion: string };
  readonly connectionCleanup?: object;
  readonly taskTicket?: {
    readonly valid: boolean;
    readonly returnIds: readonly Buffer[];
    readonly error: Buffer;
  };
}

/** A request without its number; one field, named as in ray_client.proto in lowerCamelCase. */
export type DataRequest = Readonly<Record<string, object>>;

/** The stream of one session's requests and replies. */
export interface DataStream {
  /** `reqId` 0: needs no reply. */
  write(reqId: number, request: DataRequest): void;
  end(): void;
  cancel(): void;
}

export interface DataListener {
  onReply(reply: DataReply): void;
  /** The stream is over; undefined: as it should be. */
  onEnd(failure: ServiceError | undefined): void;
}

export interface RayClientChannelOptions {
  /** `HOST:PORT` */
  readonly address: string;
  /** 32 hex digits of our choice; the session is known by it. */
  readonly clientId: string;
  /** Of Ray (RAY_AUTH_MODE=token); absent: none is sent. */
  readonly token?: string | undefined;
  readonly tls?: TlsFiles | undefined;
}

interface Services {
  readonly RayletDriver: new (
    ...args: ClientArguments
  ) => Client & {
    clusterInfo(
      request: object,
      metadata: Metadata,
      options: object,
      reply: (error: ServiceError | null, answer: { readonly json?: string }) => void,
    ): void;
  };
  readonly RayletDataStreamer: new (
    ...args: ClientArguments
  ) => Client & {
    datapath(metadata: Metadata): RawStream & {
      on(event: "data", listener: (reply: DataReply) => void): unknown;
      on(event: "error", listener: (error: ServiceError) => void): unknown;
      on(event: "end", listener: () => void): unknown;
    };
  };
}
type ClientArguments = [string, ReturnType<typeof credentials.createInsecure>, ChannelOptions];

let loaded: Services | undefined;

function services(): Services {
  loaded ??= (
    loadPackageDefinition(
      loadSync("ray/ray_client.proto", {
        includeDirs: [PROTO_FOLDER],
        longs: Number,
        enums: String,
        defaults: true,
        oneofs: true,
      }),
    ) as unknown as { ray: { rpc: Services } }
  ).ray.rpc;
  return loaded;
}

export class RayClientChannel {
  readonly #options: RayClientChannelOptions;
  readonly #driver: InstanceType<Services["RayletDriver"]>;
  readonly #streamer: InstanceType<Services["RayletDataStreamer"]>;

  constructor(options: RayClientChannelOptions) {
    this.#options = options;
    const channelCredentials = clientCredentials(options.tls);
    const { RayletDriver, RayletDataStreamer } = services();
    this.#driver = new RayletDriver(options.address, channelCredentials, CHANNEL_OPTIONS);
    this.#streamer = new RayletDataStreamer(options.address, channelCredentials, CHANNEL_OPTIONS);
  }

  get clientId(): string {
    return this.#options.clientId;
  }

  /** Opens the session's stream, or with `isReconnecting` opens it again. */
  open(isReconnecting: boolean, listener: DataListener): DataStream {
    const metadata = this.#metadata();
    // Ray compares exactly these words.
    metadata.set("reconnecting", isReconnecting ? "True" : "False");
    const stream = this.#streamer.datapath(metadata);
    let isOver = false;
    const end = (failure: ServiceError | undefined) => {
      if (!isOver) listener.onEnd(failure);
      isOver = true;
    };
    stream.on("data", (reply: DataReply) => listener.onReply(reply));
    stream.on("error", (error: ServiceError) => end(error));
    stream.on("end", () => end(undefined));
    return {
      write: (reqId, request) => {
        if (!isOver) stream.write({ reqId, ...request } as never);
      },
      end: () => stream.end(),
      cancel: () => stream.cancel?.(),
    };
  }

  /** Ray's answer as JSON text. Rejects with gRPC's error. */
  clusterInfo(type: "IS_INITIALIZED" | "NODES" | "PING", timeoutMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + timeoutMs };
      this.#driver.clusterInfo({ type }, this.#metadata(), options, (error, answer) => {
        if (error === null) resolve(answer.json ?? "");
        else reject(error);
      });
    });
  }

  close(): void {
    this.#driver.close();
    this.#streamer.close();
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    metadata.set("client_id", this.#options.clientId);
    const { token } = this.#options;
    if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
    return metadata;
  }
}

/** How a failed call is to be understood. */
export type FailureKind =
  | "refused" // the token is wrong or missing
  | "foreign" // something else than Ray Client listens there
  | "gone" // the session is over: no reconnecting
  | "broken"; // the connection is; it may come back

/** By gRPC's status, as Ray's own client tells them apart. */
export function failureKind(error: unknown): FailureKind {
  switch ((error as { code?: unknown } | undefined)?.code) {
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return "refused";
    case status.UNIMPLEMENTED:
      return "foreign";
    case status.RESOURCE_EXHAUSTED:
    case status.INVALID_ARGUMENT:
    case status.NOT_FOUND:
    case status.FAILED_PRECONDITION:
    case status.ABORTED:
      return "gone";
    default:
      return "broken";
  }
}
