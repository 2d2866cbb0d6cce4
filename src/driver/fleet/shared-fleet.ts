/**
 * The fleet on a Ray cluster that `raysidue cluster up` started: finding its scheduler.
 *
 * Two ways: at once, where it most likely is, without a word to the cluster; and by asking the
 * cluster, which knows. Loads nothing that only who starts a fleet needs.
 */
import { messageOf, RaysidueError } from "../../base/errors.ts";
import type { RayCluster } from "../../ray/cluster.ts";
import { SchedulerConnection } from "../../rpc/scheduler-service.ts";
import { DEFAULT_PORT } from "./address.ts";

/** The fleet that `raysidue cluster up` starts and any later session joins. */
export const SHARED_FLEET = "shared";
const ANSWER_MS = 3000;
/** A guess at where a scheduler is must not hold up who guessed wrong. */
const AT_ONCE_MS = 500;

/** A scheduler that answers. */
export interface SchedulerPlace {
  /** `HOST:PORT` */
  readonly address: string;
  readonly token: string;
}

/**
 * A connection to the shared fleet where `raysidue cluster up` puts its scheduler if the port is
 * free. Undefined where no fleet with workers answers at once, and on a loopback host, which may be
 * a tunnel's end: what answers there need not be of the cluster.
 */
export async function joinAtOnce(
  host: string,
  token: string | undefined,
): Promise<SchedulerConnection | undefined> {
  if (token === undefined || /^(127\.|localhost$|\[::1\]$)/.test(host)) return undefined;
  const connection = new SchedulerConnection(`${host}:${DEFAULT_PORT}`, token);
  const status = await connection.status(AT_ONCE_MS).catch(() => undefined);
  if (status !== undefined && status.workers.length > 0) return connection;
  connection.close();
  return undefined;
}

/** What a person is told of a fleet that was found. */
export function joinedText(address: string): string {
  return `using the fleet that is up, scheduler at ${address}`;
}

/** The shared fleet's scheduler as the cluster knows it. Throws RaysidueError where it is not reached. */
export async function findSharedScheduler(
  cluster: RayCluster,
  token: string | undefined,
): Promise<SchedulerPlace | undefined> {
  if (token === undefined) return undefined;
  const daemons = await cluster.findDaemons(SHARED_FLEET);
  const scheduler = daemons.find(({ role, state }) => role === "scheduler" && state === "running");
  if (scheduler === undefined) return undefined;
  const address = scheduler.line.replace(/^grpc:\/\//, "");
  await expectAnswer(address, token);
  return { address, token };
}

/** Throws RaysidueError where no scheduler of ours answers at `address`. */
export async function expectAnswer(address: string, token: string): Promise<void> {
  const connection = new SchedulerConnection(address, token);
  try {
    await connection.status(ANSWER_MS);
  } catch (thrown) {
    if (thrown instanceof RaysidueError && thrown.code === "unauthenticated") {
      const text = `the fleet that is up, scheduler at ${address}, was started with another token`;
      throw new RaysidueError("unauthenticated", `${text}; set RAYSIDUE_TOKEN to that one`);
    }
    const text =
      `the scheduler on the head, at ${address}, is not reached from here (${messageOf(thrown)}); ` +
      "run raysidue on a machine of the cluster's network, or open a way there";
    throw new RaysidueError("unavailable", text, { cause: thrown });
  } finally {
    connection.close();
  }
}
