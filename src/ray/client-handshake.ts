/**
 * The first words of a Ray Client session: init, versions, and why there is none.
 *
 * Owns: what each way of failing means to a person. Deliberately not here: the session's life
 * (client-session.ts).
 */
import { setTimeout as delay } from "node:timers/promises";
import { Deferred } from "../base/deferred.ts";
import { messageOf, RaysidueError } from "../base/errors.ts";
import {
  type DataRequest,
  type DataStream,
  failureKind,
  type RayClientChannel,
  type RayClientChannelOptions,
} from "../rpc/ray-client-channel.ts";
import { RequestLog } from "./request-log.ts";

export type SessionOptions = Omit<RayClientChannelOptions, "clientId">;

/** How long the server keeps a session whose connection broke, and we try to get back to it. */
export const GRACE_SECONDS = 30;
/** Starting the session's server process takes 2.5 to 6 s, on a busy head up to 30. */
export const INIT_MS = 60_000;
/** The oldest Ray whose messages are those of proto/ray. */
const RAY_MIN = [2, 10] as const;

export interface Opened {
  readonly channel: RayClientChannel;
  readonly log: RequestLog;
  readonly stream: DataStream;
  readonly rayVersion: string;
  readonly pythonVersion: string;
  /** From now on somebody else hears of the stream's end. */
  handOver(onEnd: (failure: unknown) => void): void;
}

/** Opens the stream and asks for a session. Throws RaysidueError; "try-again" may be chance. */
export async function handshake(
  channel: RayClientChannel,
  options: SessionOptions,
): Promise<Opened> {
  const log = new RequestLog();
  const failed = new Deferred<never>();
  let onEnd = (failure: unknown) =>
    failed.reject(explainFailure(failure, options.address, options.tls));
  const stream = channel.open(false, {
    onReply: (reply) => {
      const acknowledged = log.take(reply);
      if (acknowledged !== undefined) stream.write(0, { acknowledge: { reqId: acknowledged } });
    },
    onEnd: (failure) => onEnd(failure),
  });
  const ask = (message: DataRequest) => {
    const request = log.add(() => [message]);
    stream.write(request.reqId, message);
    const late = delay(INIT_MS, undefined, { ref: false }).then(() => {
      const text = `Ray Client at ${options.address} did not answer within ${INIT_MS / 1000} s`;
      throw new RaysidueError("unavailable", text);
    });
    return Promise.race([request.reply.promise, failed.promise, late]);
  };
  const init = {
    reconnectGracePeriod: GRACE_SECONDS,
    jobConfig: Buffer.alloc(0),
    rayInitKwargs: "",
  };
  const first = await ask({ init });
  if (first.init?.ok !== true) {
    const text = `Ray Client at ${options.address} could not start a session: ${first.init?.msg ?? ""}`;
    stream.cancel();
    throw new RaysidueError("try-again", text.replace(/\s*\n\s*/g, "; ").slice(0, 500));
  }
  const { connectionInfo } = await ask({ connectionInfo: {} });
  const rayVersion = connectionInfo?.rayVersion ?? "";
  const tooOld = tooOldRay(rayVersion, options.address);
  if (tooOld !== undefined) {
    stream.cancel();
    throw tooOld;
  }
  return {
    channel,
    log,
    stream,
    rayVersion,
    pythonVersion: connectionInfo?.pythonVersion ?? "",
    handOver: (next) => {
      onEnd = next;
    },
  };
}

/** The error where the Ray of a cluster is too old for us. */
export function tooOldRay(rayVersion: string, address: string): RaysidueError | undefined {
  const [major = 0, minor = 0] = rayVersion.split(".").map(Number);
  if (major > RAY_MIN[0] || (major === RAY_MIN[0] && minor >= RAY_MIN[1])) return undefined;
  const text = `the cluster at ${address} runs Ray ${rayVersion}; ${RAY_MIN.join(".")} is the oldest that will do`;
  return new RaysidueError("unavailable", `${text}; upgrade Ray there`);
}

/** Why there is no session, in words that say what to do. */
export function explainFailure(thrown: unknown, address: string, tls?: unknown): RaysidueError {
  if (thrown instanceof RaysidueError) return thrown;
  const cause = { cause: thrown };
  const details = (thrown as { details?: string } | undefined)?.details ?? messageOf(thrown);
  switch (failureKind(thrown)) {
    case "refused":
      return new RaysidueError(
        "unauthenticated",
        `Ray Client at ${address} refused the token (${details}); set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH`,
        cause,
      );
    case "foreign":
      return new RaysidueError(
        "unavailable",
        `what listens at ${address} is not Ray Client; its port is the head's --ray-client-server-port, 10001 by default`,
        cause,
      );
    case "gone":
      return new RaysidueError("try-again", `Ray Client at ${address}: ${details}`, cause);
    case "broken": {
      const how =
        tls === undefined
          ? "without TLS; if the cluster has RAY_USE_TLS=1, set it here too, with RAY_TLS_SERVER_CERT, RAY_TLS_SERVER_KEY and RAY_TLS_CA_CERT"
          : "with TLS; does the cluster have RAY_USE_TLS=1, and its authority signed our certificate?";
      const text = `no Ray Client answers at ${address} ${how} (${details})`;
      return new RaysidueError("unavailable", text, cause);
    }
  }
}
