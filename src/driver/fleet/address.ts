/**
 * Addresses as users write them: `grpc://HOST:PORT`, in TLS `grpcs://HOST:PORT`.
 */
import { RaysidueError } from "../../base/errors.ts";

/** Where a scheduler listens if nothing else is said. */
export const DEFAULT_PORT = 7470;

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

/** Throws RaysidueError "usage" for anything but `grpc://HOST[:PORT]` and `grpcs://HOST[:PORT]`. */
export function parseAddress(text: string): Address {
  const match = /^grpcs?:\/\/(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?\/?$/.exec(text);
  const port = match?.[2] === undefined ? DEFAULT_PORT : Number(match[2]);
  if (match === null || port < 1 || port > 65535) {
    throw new RaysidueError("usage", `--address ${text}: not understood; write grpc://HOST:PORT`);
  }
  return { host: match[1]!, port, isTls: text.startsWith("grpcs:") };
}
