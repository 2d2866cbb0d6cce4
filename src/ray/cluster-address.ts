/**
 * Addresses of Ray clusters as users write them.
 *
 * `bridge://HOST:PORT` (`bridges://` with TLS) is a bridge that runs, `ray://HOST:PORT` a head with
 * Ray Client, `http://HOST:8265` the Jobs REST API, which starts a bridge (jobs-api.ts).
 */
import { RaysidueError } from "../base/errors.ts";

export const BRIDGE_PORT = 7471;
const RAY_CLIENT_PORT = 10_001;
export const DASHBOARD_PORT = 8265;

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
