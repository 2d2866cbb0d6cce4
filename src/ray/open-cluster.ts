/**
 * Which way leads into a Ray cluster, from an address as users write it.
 *
 * `bridge://HOST:PORT` (`bridges://` with TLS) is a bridge that runs. `ray://HOST:PORT` is a head
 * with Ray Client; if a bridge answers on that host, it is taken instead. `http://HOST:8265` is the
 * Jobs REST API, which starts a bridge (jobs-api.ts). Owns: the choice, and saying which it was.
 */
import { RaysidueError } from "../base/errors.ts";
import { readClientTls } from "../rpc/tls.ts";
import { BridgeCluster } from "./bridge-cluster.ts";
import { ClientCluster } from "./client-cluster.ts";
import type { RayCluster } from "./cluster.ts";
import { startBridgeJob } from "./jobs-api.ts";
import { type Environment, rayTls, rayToken } from "./ray-settings.ts";

export const BRIDGE_PORT = 7471;
const RAY_CLIENT_PORT = 10_001;
const DASHBOARD_PORT = 8265;

const DEFAULT_PORTS = new Map(
  Object.entries({
    bridge: BRIDGE_PORT,
    bridges: BRIDGE_PORT,
    ray: RAY_CLIENT_PORT,
    http: DASHBOARD_PORT,
    https: DASHBOARD_PORT,
  }),
);

export interface ClusterAddress {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
}

/** Undefined for an address of another kind. Throws RaysidueError "usage" for a malformed one. */
export function parseClusterAddress(text: string): ClusterAddress | undefined {
  const scheme = /^([a-z]+):\/\//.exec(text)?.[1] ?? "";
  const defaultPort = DEFAULT_PORTS.get(scheme);
  if (defaultPort === undefined) return undefined;
  const match = /^[a-z]+:\/\/(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?\/?$/.exec(text);
  const port = match?.[2] === undefined ? defaultPort : Number(match[2]);
  if (match === null || port < 1 || port > 65_535) {
    throw new RaysidueError("usage", `--address ${text}: write ${scheme}://HOST:${defaultPort}`);
  }
  return { scheme, host: match[1]!, port };
}

export interface OpenOptions {
  /** Of the bridge; absent: `ray://` goes straight to Ray Client. */
  readonly token: string | undefined;
  readonly environment: Environment;
}

/** Throws RaysidueError "unavailable", "unauthenticated", "try-again". */
export async function openCluster(
  address: ClusterAddress,
  { token, environment }: OpenOptions,
): Promise<RayCluster> {
  const { scheme, host } = address;
  const hostPort = `${host}:${address.port}`;
  switch (scheme) {
    case "bridge":
    case "bridges": {
      const tls = scheme === "bridges" ? await readClientTls(environment) : undefined;
      return BridgeCluster.connect({ address: hostPort, token: token ?? "", tls });
    }
    case "http":
    case "https": {
      const url = `${scheme}://${hostPort}`;
      return startBridgeJob({ url, host, token: await rayToken(environment) });
    }
    default:
      return openByRayClient(address, { token, environment });
  }
}

async function openByRayClient(
  { host, port }: ClusterAddress,
  { token, environment }: OpenOptions,
): Promise<RayCluster> {
  if (token !== undefined) {
    const address = `${host}:${BRIDGE_PORT}`;
    const bridge = await BridgeCluster.connect({ address, token }).catch(() => undefined);
    if (bridge !== undefined) return bridge;
  }
  return ClientCluster.connect({
    address: `${host}:${port}`,
    token: await rayToken(environment),
    tls: await rayTls(environment),
  });
}
