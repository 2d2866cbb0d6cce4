/**
 * Servers and clients of gRPC with this project's limits and token.
 *
 * Owns: message sizes, keepalive, and the bearer token that every call carries. Invariant: no
 * server here answers a call without the right token, and none listens anywhere but where it was
 * told. Deliberately not here: what the messages mean (codec.ts).
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import {
  type ChannelOptions,
  credentials,
  Metadata,
  Server,
  ServerInterceptingCall,
  type ServerInterceptor,
  status,
} from "@grpc/grpc-js";
import { RaysidueError } from "../base/errors.ts";
import { type ServerTls, serverCredentials } from "./tls.ts";

/** Largest message either way. Frames are cut far below it; a longer one is hostile or a bug. */
export const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  // No transport pings unless asked for: an engine is busy for as long as its batch takes.
  "grpc.keepalive_time_ms": 2 ** 31 - 1,
  // A proxy of the environment must never see a loopback or cluster-internal connection.
  "grpc.enable_http_proxy": 0,
  "grpc.use_local_subchannel_pool": 1,
  "grpc-node.max_session_memory": 256,
};

/** A peer that answers no ping for this long is gone: it froze, or the network between was cut. */
const SILENCE_MS_MAX = 60_000;

/** Options of a client that must notice a silent server. TCP alone would wait for hours. */
export function noticeSilence(silenceMs = SILENCE_MS_MAX): ChannelOptions {
  return { "grpc.keepalive_time_ms": silenceMs / 2, "grpc.keepalive_timeout_ms": silenceMs };
}

/** A secret for one run or one daemon: 192 random bits, URL-safe. */
export function makeToken(): string {
  return randomBytes(24).toString("base64url");
}

/** Metadata of a call that carries `token`. */
export function bearer(token: string): Metadata {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}

function requireToken(token: string): ServerInterceptor {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const expected = digest(`Bearer ${token}`);
  return (_method, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            const given = String(metadata.get("authorization")[0] ?? "");
            // Digests make the comparison's time independent of the token's content and length.
            if (timingSafeEqual(digest(given), expected)) pass(metadata);
            else
              call.sendStatus({ code: status.UNAUTHENTICATED, details: "wrong or missing token" });
          },
        }),
    });
}

/** A server on which every service added needs `token`. */
export function createServer(token: string): Server {
  return new Server({ ...CHANNEL_OPTIONS, interceptors: [requireToken(token)] });
}

/**
 * Binds `server` to `address`: `HOST:PORT` (port 0: any free one) or `unix:PATH`.
 * Returns the port, 0 for a Unix socket. Throws RaysidueError "unavailable".
 */
export async function listen(server: Server, address: string, tls?: ServerTls): Promise<number> {
  const accepted = serverCredentials(tls);
  return new Promise((resolve, reject) => {
    server.bindAsync(address, accepted, (error, port) => {
      if (error === null) return resolve(port);
      const text = `cannot listen on ${address}: ${error.message}; is the port taken?`;
      reject(new RaysidueError("unavailable", text, { cause: error }));
    });
  });
}

type ClientConstructor<T> = new (
  address: string,
  channelCredentials: ReturnType<typeof credentials.createInsecure>,
  options: ChannelOptions,
) => T;

/**
 * A client of a generated service at `HOST:PORT` or `unix:PATH`, without TLS unless credentials say
 * otherwise. Connects at its first call.
 */
export function createClient<T>(
  Client: ClientConstructor<T>,
  address: string,
  channelCredentials = credentials.createInsecure(),
  options: ChannelOptions = {},
): T {
  return new Client(address, channelCredentials, { ...CHANNEL_OPTIONS, ...options });
}
