/**
 * A fleet on a Ray cluster, for one session: a worker daemon a node, and a scheduler they reach.
 *
 * Modes: *joined* (a fleet that `raysidue cluster up` left is there: it is used and left alone);
 * *here* (the scheduler is a child of ours, where nodes reach this machine); *on the head* (they do
 * not: the scheduler is a daemon on the cluster's head, as reachable from here as the cluster is).
 * Owns: that choice, which is probed and said, and the end of what it started. Invariant: the
 * cluster is left as it was found, however this session ends.
 */
import { randomBytes } from "node:crypto";
import { Deferred } from "../../base/deferred.ts";
import { RaysidueError } from "../../base/errors.ts";
import { headOf, type RayCluster } from "../../ray/cluster.ts";
import type { ClusterAddress } from "../../ray/cluster-address.ts";
import { Supplies, UnreachableError } from "../../ray/daemon-start.ts";
import { openCluster } from "../../ray/open-cluster.ts";
import { stopFleet } from "../../ray/stop-fleet.ts";
import { WorkerFleet } from "../../ray/worker-fleet.ts";
import { makeToken } from "../../rpc/channel.ts";
import type { Progress } from "../../rpc/messages.ts";
import type { ProvidedModel } from "./model-archive.ts";
import { modelArchive } from "./model-archive.ts";
import { type OwnFleet, SchedulerHere, startHeadScheduler } from "./ray-scheduler.ts";
import { findSharedScheduler, joinedText, type SchedulerPlace } from "./shared-fleet.ts";
import { type WorkerSetup, workerFlags } from "./worker-flags.ts";

/** How a fleet on a cluster is made; each has a sensible default. */
export interface RayFleetOptions extends Omit<WorkerSetup, "ownEngines"> {
  /** CPUs and GPUs that a daemon holds of each node; absent: all. */
  readonly cpus?: number;
  readonly gpus?: number;
  /** Asked of Ray's autoscaler; more are where the work is worth it. */
  readonly workersMin?: number;
  readonly workersMax?: number;
  /** Daemons beyond `workersMin` without work for so long are given back. */
  readonly idleMaxSeconds?: number;
  /** What a node takes to start: more are asked for where each has that long to do. */
  readonly nodeStartSeconds?: number;
  /** Our installation on storage that all nodes share; absent: it is shipped to them. */
  readonly packagePath?: string;
  readonly onNotice?: (text: string) => void;
  /** Gives up while the fleet starts. */
  readonly signal?: AbortSignal;
}

/** Without its scheduler for this long, a daemon of a session ends: its driver is gone. */
const GRACE_SECONDS = 20;

export interface RayFleetStart {
  readonly address: ClusterAddress;
  /** The user's token, for a bridge and for a fleet to join; undefined where there is none. */
  readonly userToken: string | undefined;
  /** Brought to every node that has them not. */
  readonly models: readonly ProvidedModel[];
  readonly options: RayFleetOptions;
}

export class RayFleet {
  /** The scheduler's, `HOST:PORT`. */
  readonly address: string;
  readonly token: string;
  readonly #cluster: RayCluster;
  readonly #broken = new Deferred<never>();
  readonly #owned: Owned | undefined;
  #isClosing = false;

  private constructor(cluster: RayCluster, at: SchedulerPlace, owned?: Owned) {
    this.#cluster = cluster;
    this.address = at.address;
    this.token = at.token;
    this.#owned = owned;
    void owned?.here?.ended.then(() => {
      const text = "the scheduler ended; the same command resumes";
      if (!this.#isClosing) this.#broken.reject(new RaysidueError("try-again", text));
    });
    owned?.workers.lost.catch((thrown: unknown) => this.#broken.reject(thrown));
  }

  /** Throws RaysidueError; the cluster is then as it was. */
  static async start(start: RayFleetStart): Promise<RayFleet> {
    const { address, userToken, options } = start;
    const cluster = await openCluster(address, { token: userToken, environment: process.env });
    options.onNotice?.(cluster.description);
    try {
      const shared = await findSharedScheduler(cluster, userToken);
      if (shared !== undefined) {
        options.onNotice?.(joinedText(shared.address));
        return new RayFleet(cluster, shared);
      }
      return await RayFleet.#own(cluster, start);
    } catch (thrown) {
      await cluster.close();
      throw thrown;
    }
  }

  /** Rejects when the fleet cannot go on. */
  get broken(): Promise<never> {
    return this.#broken.promise;
  }

  /** How far the session's run is: more nodes may be worth their start. */
  onProgress({ workers, idealSeconds, submitted, committed, quarantined }: Progress): void {
    const tasksLeft = submitted - committed - quarantined;
    this.#owned?.workers.resize({ workers, idealSeconds, tasksLeft });
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#owned !== undefined) await release(this.#owned);
    await this.#cluster.close();
  }

  static async #own(cluster: RayCluster, start: RayFleetStart): Promise<RayFleet> {
    const { options } = start;
    const archives = await Promise.all(start.models.map((model) => modelArchive(model)));
    const models = archives.filter((archive) => archive !== undefined);
    const own: OwnFleet = {
      fleet: `run-${randomBytes(5).toString("hex")}`,
      token: makeToken(),
      supplies: new Supplies(models, options.packagePath ?? ""),
    };
    const head = await headOf(cluster);
    const here = await SchedulerHere.start([start.address.host, head.address], own.token);
    const workers = workerFleet(cluster, { ...own, address: here.address }, options);
    try {
      await started(workers, options.signal);
      options.onNotice?.(`the scheduler runs here, nodes reach it at ${here.address}`);
      return new RayFleet(cluster, { address: here.address, token: own.token }, { workers, here });
    } catch (thrown) {
      await release({ workers, here });
      if (!(thrown instanceof UnreachableError)) throw thrown;
      options.onNotice?.("no node reaches this machine: the scheduler goes to the head");
      return RayFleet.#onHead(cluster, own, options);
    }
  }

  static async #onHead(
    cluster: RayCluster,
    own: OwnFleet,
    options: RayFleetOptions,
  ): Promise<RayFleet> {
    try {
      const address = await startHeadScheduler(cluster, own);
      const workers = workerFleet(cluster, { ...own, address }, options);
      await started(workers, options.signal);
      return new RayFleet(cluster, { address, token: own.token }, { workers });
    } catch (thrown) {
      await stopFleet(cluster, own.fleet).catch(() => {});
      throw thrown;
    }
  }
}

/** Ends the fleet where it is given up while it starts. */
async function started(workers: WorkerFleet, signal: AbortSignal | undefined): Promise<void> {
  const giveUp = () => void workers.close();
  if (signal?.aborted) giveUp();
  signal?.addEventListener("abort", giveUp);
  try {
    await workers.start();
  } finally {
    signal?.removeEventListener("abort", giveUp);
  }
}

interface Owned {
  readonly workers: WorkerFleet;
  /** The scheduler, where it runs on this machine. */
  readonly here?: SchedulerHere;
}

async function release({ workers, here }: Owned): Promise<void> {
  // Daemons whose scheduler is gone end by themselves; a cluster out of reach must not hold us up.
  await workers.close().catch(() => {});
  await here?.stop();
}

/** The worker daemons of a fleet whose scheduler is at `address`. */
export function workerFleet(
  cluster: RayCluster,
  own: OwnFleet & { readonly address: string },
  options: RayFleetOptions & { readonly nodesFirst?: ReadonlySet<string> },
): WorkerFleet {
  const { cpus, gpus, onNotice = () => {} } = options;
  const { workersMin, workersMax, idleMaxSeconds, nodeStartSeconds, nodesFirst } = options;
  return new WorkerFleet({
    cluster,
    fleet: own.fleet,
    supplies: own.supplies,
    addresses: [own.address],
    arguments: [
      ...["worker", "start", "--with-parent", "--address", "grpc://{address}"],
      ...["--listen", "{nodeAddress}:0", "--spool", "{folder}/spool"],
      ...["--grace", String(GRACE_SECONDS), "{layout}"],
      ...workerFlags(options),
    ],
    environment: { RAYSIDUE_TOKEN: own.token },
    cpus,
    gpus,
    workersMin,
    workersMax,
    idleMaxSeconds,
    nodeStartSeconds,
    nodesFirst,
    onNotice,
  });
}
