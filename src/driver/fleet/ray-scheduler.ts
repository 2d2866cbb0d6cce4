/**
 * Starting the scheduler of a fleet on a Ray cluster: here, or on the head.
 *
 * Deliberately not here: the choice (ray-fleet.ts), and a scheduler that is there already
 * (shared-fleet.ts).
 */
import { createSocket } from "node:dgram";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DaemonChild } from "../../base/child-process.ts";
import { messageOf, RaysidueError } from "../../base/errors.ts";
import { headOf, type RayCluster } from "../../ray/cluster.ts";
import { DaemonBoard } from "../../ray/daemon-board.ts";
import { type Supplies, startDaemon } from "../../ray/daemon-start.ts";
import { expectAnswer } from "./shared-fleet.ts";

const PROGRAM = fileURLToPath(new URL("../../cli/main.js", import.meta.url));

export interface OwnFleet {
  /** `[a-z0-9-]+` */
  readonly fleet: string;
  readonly token: string;
  readonly supplies: Supplies;
}

/** A scheduler as a child of ours, listening where a cluster's head would reach us. */
export class SchedulerHere {
  /** `HOST:PORT` */
  readonly address: string;
  readonly #child: DaemonChild;
  readonly #folder: string;

  private constructor(child: DaemonChild, address: string, folder: string) {
    this.#child = child;
    this.address = address;
    this.#folder = folder;
  }

  /**
   * `heads`: names and addresses of the cluster's head. The first is how we reach it; where that is
   * this machine itself (`ray://127.0.0.1:10001` on the head, a tunnel), the next may be how its
   * nodes know it.
   */
  static async start(heads: readonly string[], token: string): Promise<SchedulerHere> {
    const host = await ownAddress(heads);
    const folder = await mkdtemp(join(tmpdir(), "raysidue-"));
    try {
      const { child, line } = await DaemonChild.start({
        what: "scheduler",
        arguments: [PROGRAM, "scheduler", "start", "--listen", `${host}:0`, "--with-parent"],
        environment: { RAYSIDUE_TOKEN: token },
        logPath: join(folder, "log.ndjson"),
      });
      return new SchedulerHere(child, line.replace(/^grpc:\/\//, ""), folder);
    } catch (thrown) {
      await rm(folder, { recursive: true, force: true });
      throw thrown;
    }
  }

  /** Resolves when it has ended, for whatever reason. */
  get ended(): Promise<unknown> {
    return this.#child.exited;
  }

  async stop(): Promise<void> {
    await this.#child.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** The first address of this machine towards one of `heads` that others may reach. */
async function ownAddress([first, ...rest]: readonly string[]): Promise<string> {
  const own = await addressTowards(first!);
  if (!/^(127\.|\[::1\]$)/.test(own)) return own;
  for (const head of rest) {
    const other = await addressTowards(head).catch(() => own);
    if (other !== own) return other;
  }
  return own;
}

/** This machine's address on the way to `host`: what its nodes most likely reach us at. */
async function addressTowards(host: string): Promise<string> {
  const isV6 = host.startsWith("[");
  const socket = createSocket(isV6 ? "udp6" : "udp4");
  try {
    // Connecting a datagram socket sends nothing; it only looks up the route.
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.connect(9, host.replace(/^\[|\]$/g, ""), resolve);
    });
    const { address } = socket.address();
    return isV6 ? `[${address}]` : address;
  } catch (thrown) {
    throw new RaysidueError("unavailable", `no way to ${host}: ${messageOf(thrown)}`);
  } finally {
    socket.close();
  }
}

/** A scheduler on the head, as a daemon of the fleet; resolves with its `HOST:PORT`. Port 0: any. */
export async function startHeadScheduler(
  cluster: RayCluster,
  own: OwnFleet,
  port = 0,
): Promise<string> {
  const head = await headOf(cluster);
  const board = new DaemonBoard(cluster, () => {});
  try {
    const { line } = await startDaemon({
      cluster,
      board,
      // A scheduler opens no model.
      supplies: own.supplies.withoutModels,
      node: head,
      spec: {
        fleet: own.fleet,
        role: "scheduler",
        arguments: ["scheduler", "start", "--listen", `{nodeAddress}:${port}`, "--with-parent"],
        environment: { RAYSIDUE_TOKEN: own.token },
        addresses: [],
        asksAutoscaler: false,
        cpus: 0,
        gpus: 0,
      },
    });
    const address = line.replace(/^grpc:\/\//, "");
    await expectAnswer(address, own.token);
    return address;
  } finally {
    await board.close();
  }
}
