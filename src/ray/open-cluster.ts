/**
 * Opening a Ray cluster, by the way that its address names (cluster-address.ts).
 *
 * At a head with Ray Client a bridge is taken instead, if one answers there. Owns: the choice. Ways
 * that are not taken are not loaded.
 */
import { readClientTls } from "../rpc/tls.ts";
import { BridgeCluster } from "./bridge-cluster.ts";
import type { RayCluster } from "./cluster.ts";
import { BRIDGE_PORT, type ClusterAddress } from "./cluster-address.ts";
import { type Environment, rayTls, rayToken } from "./ray-settings.ts";

/** A bridge where none was promised must not hold up who has Ray Client: a firewall says nothing. */
const BRIDGE_MS = 2000;

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
      const { startBridgeJob } = await import("./jobs-api.ts");
      const tls = scheme === "https" ? await readClientTls(environment) : undefined;
      return startBridgeJob({ url, host, token: await rayToken(environment), tls });
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
    const guess = { address, token, answerMs: BRIDGE_MS };
    const bridge = await BridgeCluster.connect(guess).catch(() => undefined);
    if (bridge !== undefined) return bridge;
  }
  // Loads Ray's own protocol.
  const { ClientCluster } = await import("./client-cluster.ts");
  return ClientCluster.connect({
    address: `${host}:${port}`,
    token: await rayToken(environment),
    tls: await rayTls(environment),
  });
}
