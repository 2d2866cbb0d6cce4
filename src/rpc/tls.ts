/**
 * TLS of servers and clients: certificates from files, named by the environment or by options.
 *
 * Owns: reading them and what gRPC makes of them. Invariant: an address says whether it is spoken
 * to in TLS (`grpcs://`), nothing falls back to plain text.
 */
import { readFile } from "node:fs/promises";
import { checkServerIdentity, createSecureContext, type PeerCertificate } from "node:tls";
import { type ChannelCredentials, credentials, ServerCredentials } from "@grpc/grpc-js";
import { fromSystemError, messageOf, RaysidueError } from "../base/errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What a client presents and trusts. PEM texts; a server may ask for a certificate or not. */
export interface TlsFiles {
  /** Whose signature is trusted; absent: the authorities that Node knows. */
  readonly authority?: Buffer | undefined;
  readonly certificate?: Buffer | undefined;
  readonly key?: Buffer | undefined;
  /** In the server's certificate, where it is reached by another name; absent: the address's. */
  readonly serverName?: string | undefined;
}

/** What a server presents. PEM texts. */
export interface ServerTls {
  readonly certificate: Buffer;
  readonly key: Buffer;
  /** Clients must have a certificate that this authority signed. */
  readonly clientAuthority?: Buffer | undefined;
}

/**
 * For `grpcs://` and `bridges://`: RAYSIDUE_TLS_CA and, where they are asked for, _CERT and _KEY,
 * each a file or the PEM text itself; RAYSIDUE_TLS_SERVER_NAME behind a tunnel.
 */
export async function readClientTls(environment: Environment): Promise<TlsFiles> {
  const read = async (name: string) => {
    const given = environment[name];
    if (!given) return undefined;
    return given.startsWith("-----BEGIN ") ? Buffer.from(given) : readPem(given, name);
  };
  return {
    serverName: environment.RAYSIDUE_TLS_SERVER_NAME || undefined,
    authority: await read("RAYSIDUE_TLS_CA"),
    certificate: await read("RAYSIDUE_TLS_CERT"),
    key: await read("RAYSIDUE_TLS_KEY"),
  };
}

/** Files of `--tls-cert`, `--tls-key`, `--tls-client-ca`. Throws RaysidueError. */
export async function readServerTls(paths: {
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly tlsClientCa?: string | undefined;
}): Promise<ServerTls | undefined> {
  const { tlsCert, tlsKey, tlsClientCa } = paths;
  if (tlsCert === undefined && tlsKey === undefined && tlsClientCa === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new RaysidueError("usage", "TLS needs both --tls-cert and --tls-key");
  }
  return {
    certificate: await readPem(tlsCert, "--tls-cert"),
    key: await readPem(tlsKey, "--tls-key"),
    ...(tlsClientCa !== undefined && {
      clientAuthority: await readPem(tlsClientCa, "--tls-client-ca"),
    }),
  };
}

export async function readPem(path: string, what: string): Promise<Buffer> {
  let pem: Buffer;
  try {
    pem = await readFile(path);
  } catch (thrown) {
    throw fromSystemError(thrown, `${what}: cannot read ${path}`);
  }
  if (pem.includes("-----BEGIN ")) return pem;
  throw new RaysidueError("bad-input", `${what}: ${path} is no PEM file`);
}

/** Absent: no TLS. Throws RaysidueError "bad-input" where the files do not fit. */
export function clientCredentials(tls: TlsFiles | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const { authority = null, key = null, certificate = null, serverName } = tls;
  const names =
    serverName === undefined
      ? {}
      : {
          checkServerIdentity: (_: string, peer: PeerCertificate) =>
            checkServerIdentity(serverName, peer),
        };
  return fitting(() => credentials.createSsl(authority, key, certificate, names));
}

/** As clientCredentials. */
export function serverCredentials(tls: ServerTls | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const { certificate, key, clientAuthority } = tls;
  const pairs = [{ cert_chain: certificate, private_key: key }];
  const mustPresent = clientAuthority !== undefined;
  return fitting(() => {
    // Throws here and not at the first connection.
    createSecureContext({ cert: certificate, key, ca: clientAuthority });
    return ServerCredentials.createSsl(clientAuthority ?? null, pairs, mustPresent);
  });
}

function fitting<T>(make: () => T): T {
  try {
    return make();
  } catch (thrown) {
    const text = `TLS: certificate and key do not fit or are damaged (${messageOf(thrown)})`;
    throw new RaysidueError("bad-input", text, { cause: thrown });
  }
}
