/** The end of a fleet on a Ray cluster, whoever started it. */
import type { RayCluster } from "./cluster.ts";

/** A daemon that is told to end closes its engines at once ... */
const STOP_SECONDS = 0;
/** ... and a run that was left ends its own fleet and removes its files: only a kind end does. */
export const STOP_RUN_SECONDS = 30;

/** Ends every daemon and agent of a fleet, of all without a name; returns how many there were. */
export async function stopFleet(cluster: RayCluster, fleet: string): Promise<number> {
  const found = await cluster.findDaemons(fleet);
  const graceOf = (role: string) => (role === "run" ? STOP_RUN_SECONDS : STOP_SECONDS);
  await Promise.all(found.map(({ name, role }) => cluster.stopDaemon(name, graceOf(role))));
  return found.length;
}
