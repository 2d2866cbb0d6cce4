/**
 * Opening a session.
 *
 * Owns: what is said of options before anything starts. What only some options need is loaded for
 * them only.
 */
import { RaysidueError } from "../../base/errors.ts";
import { parseClusterAddress } from "../../ray/cluster-address.ts";
import { type ConnectOptions, isSlurm, Session } from "./session.ts";

/**
 * A session on a fleet: embedded on this machine, on a Ray cluster, or at `address`. A fleet that is
 * the session's own starts with the first run that needs it; a scheduler at an address must answer
 * now, else RaysidueError.
 */
export async function connect(options: ConnectOptions = {}): Promise<Session> {
  // A misspelt device is told now, not by the log of a daemon that ends at its start.
  for (const device of options.emulate ?? []) {
    const { parseEmulated } = await import("../../worker/emulated.ts");
    parseEmulated(device);
  }
  for (const engine of options.ownEngines ?? []) {
    const { parseEngine } = await import("../../engine/host/engine-registry.ts");
    parseEngine(engine);
  }
  const { address, ownEngines, device } = options;
  if (address !== undefined && !isSlurm(address) && ownEngines !== undefined) {
    const text = "engines of a fleet are named where its workers start (worker start --engine)";
    throw new RaysidueError("usage", `${text}; leave the command out here`);
  }
  const cluster = address === undefined ? undefined : parseClusterAddress(address);
  const session = new Session(options, cluster);
  if (!session.isEmbedded && device !== undefined) {
    const text = "devices of a fleet are named where its workers start (worker start --device)";
    throw new RaysidueError("usage", `${text}; leave --device out here`);
  }
  if (!session.isEmbedded) await session.connection();
  return session;
}
