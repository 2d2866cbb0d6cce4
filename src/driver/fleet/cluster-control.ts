/**
 * The fleet on a Ray cluster that outlives sessions: what `raysidue cluster` does.
 *
 * Owns: bringing the shared fleet up (scheduler on the head, a worker daemon a node), growing,
 * shrinking and ending it. Invariant: after `down` nothing of raysidue is on the cluster but the
 * nodes' caches. The shared fleet requires the user's token, so that any later session may join.
 */
import { RaysidueError } from "../../base/errors.ts";
import type { RayCluster } from "../../ray/cluster.ts";
import { parseClusterAddress } from "../../ray/cluster-address.ts";
import { Supplies } from "../../ray/daemon-start.ts";
import { NODE_WAIT_SECONDS } from "../../ray/fleet-size.ts";
import { NodeRequest } from "../../ray/node-request.ts";
import { openCluster } from "../../ray/open-cluster.ts";
import { stopFleet } from "../../ray/stop-fleet.ts";
import type { DaemonStatus, RayNode } from "../../rpc/bridge-messages.ts";
import { DEFAULT_PORT } from "./address.ts";
import { type RayFleetOptions, workerFleet } from "./ray-fleet.ts";
import { startHeadScheduler } from "./ray-scheduler.ts";
import { SHARED_FLEET } from "./shared-fleet.ts";
import { findToken, userTokenOrNew } from "./token.ts";

/** A worker that is given back finishes its running batches within this time. */
const DRAIN_SECONDS = 20;

export interface FleetUpOptions extends RayFleetOptions {
  /** How long workers on nodes that were asked for are waited for; absent: 10 minutes. */
  readonly waitMaxSeconds?: number;
}

export interface ClusterState {
  /** Which way was taken, and which Ray it is. */
  readonly description: string;
  readonly nodes: readonly RayNode[];
  /** Of the shared fleet and of sessions. */
  readonly daemons: readonly DaemonStatus[];
}

export class ClusterControl {
  readonly #cluster: RayCluster;

  private constructor(cluster: RayCluster) {
    this.#cluster = cluster;
  }

  /** Throws RaysidueError "usage" for an address that is none of a Ray cluster. */
  static async connect(text: string): Promise<ClusterControl> {
    const address = parseClusterAddress(text);
    if (address === undefined) {
      const forms = "bridge://HOST:7471, ray://HOST:10001 or http://HOST:8265";
      throw new RaysidueError("usage", `--address ${text}: a Ray cluster is ${forms}`);
    }
    const token = await findToken();
    return new ClusterControl(await openCluster(address, { token, environment: process.env }));
  }

  get description(): string {
    return this.#cluster.description;
  }

  async state(): Promise<ClusterState> {
    const [nodes, daemons] = await Promise.all([
      this.#cluster.nodes(),
      this.#cluster.findDaemons(),
    ]);
    return { description: this.#cluster.description, nodes, daemons };
  }

  /**
   * Brings the shared fleet up where it is not, a daemon on every node that has none. Resolves when
   * each node's daemon runs or failed (told by `onNotice`) and at least `workersMin` run, with the
   * scheduler's `HOST:PORT`. Throws RaysidueError "try-again" where these do not come.
   */
  up(options: FleetUpOptions): Promise<string> {
    return this.#up(options, { count: options.workersMin ?? 0, nodesFirst: new Set() });
  }

  async #up(
    options: FleetUpOptions,
    wanted: { readonly count: number; readonly nodesFirst: ReadonlySet<string> },
  ): Promise<string> {
    const { count, nodesFirst } = wanted;
    const supplies = new Supplies([], options.packagePath ?? "");
    const own = { fleet: SHARED_FLEET, token: await userTokenOrNew(), supplies };
    const address = await startHeadScheduler(this.#cluster, own, DEFAULT_PORT);
    const workers = workerFleet(this.#cluster, { ...own, address }, { ...options, nodesFirst });
    try {
      await workers.start(count);
      await workers.settled();
      await workers.grown(count, options.waitMaxSeconds ?? NODE_WAIT_SECONDS);
    } finally {
      // What runs goes on; what failed was told.
      await workers.leave();
    }
    return address;
  }

  /**
   * Makes the shared fleet `count` workers large. Nodes that are missing are asked of Ray's
   * autoscaler and waited for; those that are left over are its own again.
   */
  async scale(count: number, options: FleetUpOptions): Promise<void> {
    const daemons = await this.#cluster.findDaemons(SHARED_FLEET);
    const workers = daemons.filter(({ role }) => role === "worker");
    const nodesFirst = new Set(workers.map(({ nodeId }) => nodeId));
    if (workers.length < count) {
      await this.#up({ ...options, workersMax: count }, { count, nodesFirst });
      return;
    }
    const [kept, surplus] = [workers.slice(0, count), workers.slice(count)];
    await Promise.all(surplus.map(({ name }) => this.#cluster.stopDaemon(name, DRAIN_SECONDS)));
    const used = new Set(kept.map(({ nodeId }) => nodeId));
    const nodes = (await this.#cluster.nodes()).filter(({ nodeId }) => used.has(nodeId));
    await new NodeRequest(this.#cluster, options).ask(nodes.length, nodes);
  }

  /** Ends the shared fleet, or with `all` every fleet. Returns how many daemons there were. */
  async down({ all }: { readonly all: boolean }): Promise<number> {
    await this.#cluster.requestResources([]);
    return stopFleet(this.#cluster, all ? "" : SHARED_FLEET);
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
