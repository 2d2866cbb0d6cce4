/**
 * One worker daemon on every node of a Ray cluster, for as long as the fleet is open.
 *
 * Owns: which nodes have a daemon. Nodes that join get one, nodes that leave are forgotten, daemons
 * that end are started again with back-off. Invariant: after `close` no agent of the fleet is left.
 * Deliberately not here: work, and who is alive in its sense (the scheduler's heartbeats say that).
 */
import { setTimeout as delay } from "node:timers/promises";
import { Deferred } from "../base/deferred.ts";
import { messageOf, RaysidueError } from "../base/errors.ts";
import type { DaemonStatus, RayNode } from "../rpc/bridge-messages.ts";
import type { RayCluster } from "./cluster.ts";
import { DaemonBoard } from "./daemon-board.ts";
import {
  daemonName,
  type StartDaemon,
  type Supplies,
  startDaemon,
  UnreachableError,
} from "./daemon-start.ts";
import { type FleetNow, NODE_START_SECONDS, workersWanted } from "./fleet-size.ts";
import { NodeRequest } from "./node-request.ts";
import { Outlook } from "./outlook.ts";
import { Silence } from "./silence.ts";
import { stopFleet } from "./stop-fleet.ts";
import { ChangedError } from "./tar.ts";

export interface WorkerFleetOptions {
  readonly cluster: RayCluster;
  /** `[a-z0-9-]+` */
  readonly fleet: string;
  readonly supplies: Supplies;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** The scheduler's, `HOST:PORT`, as nodes may reach it. */
  readonly addresses: readonly string[];
  /** Of each node; absent: all it has. */
  readonly cpus?: number | undefined;
  readonly gpus?: number | undefined;
  /** Asked of Ray's autoscaler where there are fewer; these are never given back. */
  readonly workersMin?: number | undefined;
  readonly workersMax?: number | undefined;
  /** A daemon without work for this long is given back; absent: none is. */
  readonly idleMaxSeconds?: number | undefined;
  /** Told what a person should read. */
  readonly onNotice: (text: string) => void;
}

/** Ray's table of nodes is cheap to read, and a node that joins should work soon. */
const NODES_MS = 1000;
/** Where there is no node yet, one that was asked for is waited for so long. */
const NODE_WAIT_MS = 600_000;
const SILENT_CLOSE_MS = 3000;
const BACKOFF_FIRST_MS = 1000;
const BACKOFF_MAX_MS = 30_000;
export class WorkerFleet {
  readonly #options: WorkerFleetOptions;
  readonly #board: DaemonBoard;
  readonly #members = new Map<string, Promise<void>>();
  /** Each node's first attempt. */
  readonly #attempts = new Map<string, Promise<void>>();
  readonly #first = new Deferred<void>();
  readonly #head: Silence;
  readonly #outlook: Outlook;
  readonly #request: NodeRequest;
  /** Nodes whose daemons stay without work, and those whose daemons were given back. */
  readonly #kept = new Set<string>();
  readonly #resting = new Set<string>();
  #nodes: readonly RayNode[] = [];
  #resizing: Promise<void> | undefined;
  readonly #stop = new AbortController();
  #watching: Promise<void> | undefined;
  #failures = 0;
  #closing: Promise<void> | undefined;

  constructor(options: WorkerFleetOptions) {
    this.#options = options;
    this.#board = new DaemonBoard(options.cluster, options.onNotice);
    this.#head = new Silence("the Ray cluster's head", options.onNotice);
    this.#outlook = new Outlook(options.onNotice);
    this.#request = new NodeRequest(options.cluster, options);
  }

  /**
   * Resolves when the first daemon runs; the others follow. Throws UnreachableError where no node
   * reaches the scheduler, and the first failure where every node failed.
   */
  async start(): Promise<void> {
    const nodes = await this.#liveNodes();
    const { workersMin = 0, cpus = 1, onNotice } = this.#options;
    if (nodes.length < workersMin) {
      onNotice(`asking Ray's autoscaler for ${workersMin} nodes, ${nodes.length} are there`);
      await this.#request.ask(workersMin, this.#nodes);
    } else if (nodes.length === 0) {
      const text = `the Ray cluster has no node with ${cpus} CPUs or more`;
      throw new RaysidueError("try-again", `${text}; ask for nodes with --min-workers`);
    }
    const late = setTimeout(() => {
      const text = `no node came within ${NODE_WAIT_MS / 1000} s; does the cluster have an autoscaler?`;
      if (this.#members.size === 0) this.#first.reject(new RaysidueError("try-again", text));
    }, NODE_WAIT_MS);
    this.#watching = this.#watch(nodes);
    try {
      await this.#first.promise.finally(() => clearTimeout(late));
    } catch (thrown) {
      await this.close();
      throw thrown;
    }
  }

  /** Rejects when no worker is left and none can come. */
  get lost(): Promise<never> {
    return this.#outlook.lost;
  }

  get statuses(): readonly DaemonStatus[] {
    return this.#board.all;
  }

  /** Asks for more nodes, or for those fewer that the rest of the work is worth. */
  resize(now: FleetNow): void {
    this.#outlook.count(now.workers);
    if (this.#stop.signal.aborted) return;
    this.#resizing ??= this.#resize(now)
      // Out of reach: the board says so, and the next progress asks again.
      .catch(() => {})
      .finally(() => {
        this.#resizing = undefined;
      });
  }

  /** Resolves when every node that is a member now has a daemon that runs, or failed once. */
  async settled(): Promise<void> {
    await Promise.all(this.#attempts.values());
  }

  /** Leaves the daemons as they are and watches them no more: `raysidue cluster up`. */
  async leave(): Promise<void> {
    this.#stop.abort();
    await this.#board.close();
    await this.#watching;
    await Promise.all(this.#members.values());
    this.#closing = Promise.resolve();
  }

  /** Ends every daemon and agent of the fleet. Repeated calls share one promise. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    this.#first.reject(new RaysidueError("cancelled", "the fleet was closed while it started"));
    const ended = this.#endAll();
    if (!this.#board.isOutOfReach && !this.#head.isSilent) return ended;
    // Daemons without their scheduler end by themselves; who is silent must not hold us up.
    ended.catch(() => {});
    await Promise.race([ended, delay(SILENT_CLOSE_MS)]);
  }

  async #endAll(): Promise<void> {
    await this.#board.close();
    await this.#watching;
    await Promise.all(this.#members.values());
    await this.#resizing;
    await this.#request.close().catch(() => {});
    await stopFleet(this.#options.cluster, this.#options.fleet);
  }

  async #liveNodes(): Promise<readonly RayNode[]> {
    const nodes = await this.#options.cluster.nodes();
    this.#nodes = nodes;
    const wanted = this.#options.cpus ?? 1;
    const fit = nodes.filter(({ isAlive, cpus }) => isAlive && cpus >= wanted);
    return fit.slice(0, this.#options.workersMax ?? fit.length);
  }

  /** Nodes cost: without a limit none is asked for. */
  get #mayAsk(): boolean {
    const { workersMin, workersMax } = this.#options;
    return workersMin !== undefined || workersMax !== undefined;
  }

  async #resize(now: FleetNow): Promise<void> {
    const { workersMin, workersMax, onNotice } = this.#options;
    if (!this.#mayAsk) return;
    const limits = {
      workersMin,
      workersMax: workersMax ?? workersMin,
      nodeStartSeconds: NODE_START_SECONDS,
    };
    const wanted = workersWanted(now, limits);
    if (wanted > now.workers) this.#resting.clear();
    if (wanted <= now.workers && this.#request.asked === 0) return;
    const isMore = wanted > Math.max(this.#request.asked, this.#members.size);
    if (!(await this.#request.ask(wanted, this.#nodes)) || !isMore) return;
    const left = Math.round(now.idealSeconds);
    onNotice(
      `asking Ray's autoscaler for ${wanted} nodes: ${left} s of work are left for ${now.workers}`,
    );
  }

  async #watch(initial: readonly RayNode[]): Promise<void> {
    let nodes = initial;
    while (!this.#stop.signal.aborted) {
      for (const node of nodes) {
        if (this.#members.has(node.nodeId) || this.#resting.has(node.nodeId)) continue;
        const attempt = new Deferred<void>();
        this.#attempts.set(node.nodeId, attempt.promise);
        const member = this.#keep(node, attempt).finally(() => this.#members.delete(node.nodeId));
        this.#members.set(node.nodeId, member);
      }
      await this.#pause(NODES_MS);
      const { signal } = this.#stop;
      nodes = (await this.#head.ask(() => this.#liveNodes(), { signal })) ?? nodes;
      this.#outlook.look({ nowMs: performance.now(), isOutOfReach: this.#head.isSilent });
    }
  }

  /** One node's daemon, from its first start until the node or the fleet is gone. */
  async #keep(node: RayNode, attempt: Deferred<void>): Promise<void> {
    let backoffMs = BACKOFF_FIRST_MS;
    while (!this.#stop.signal.aborted) {
      const start = this.#startOf(node);
      try {
        const { version } = await startDaemon(start);
        this.#first.resolve();
        attempt.resolve();
        backoffMs = BACKOFF_FIRST_MS;
        const last = await this.#board.when(
          daemonName(start),
          (status) =>
            status.version !== version && (status.state === "ended" || status.state === "lost"),
        );
        if (last !== undefined) this.#say(node, `${last.state}: ${last.reason}`);
        if (this.#wasGivenBack(last)) {
          this.#resting.add(node.nodeId);
          this.#board.remove(daemonName(start));
          return;
        }
      } catch (thrown) {
        attempt.resolve();
        if (this.#stop.signal.aborted) return;
        this.#fail(node, thrown);
      }
      this.#board.remove(daemonName(start));
      await this.#pause(backoffMs);
      backoffMs = Math.min(BACKOFF_MAX_MS, backoffMs * 2);
      // As the last answer of the head said.
      if (!this.#nodes.some(({ nodeId, isAlive }) => isAlive && nodeId === node.nodeId)) return;
    }
  }

  /** A daemon that ends well by itself had no work. */
  #wasGivenBack(last: DaemonStatus | undefined): boolean {
    const { idleMaxSeconds } = this.#options;
    return idleMaxSeconds !== undefined && last?.state === "ended" && last.exitCode === 0;
  }

  #fail(node: RayNode, thrown: unknown): void {
    this.#failures++;
    // Also where trying again may help: who starts a fleet is told, and nothing is left.
    const isHopeless = this.#failures >= this.#members.size;
    if (thrown instanceof UnreachableError || isHopeless) this.#first.reject(thrown);
    if (thrown instanceof ChangedError) return this.#outlook.close(thrown.message);
    this.#say(node, messageOf(thrown));
  }

  #say(node: RayNode, text: string): void {
    if (!this.#stop.signal.aborted)
      this.#options.onNotice(`${node.hostname} (${node.address}): ${text}`);
  }

  #startOf(node: RayNode): StartDaemon {
    const { cluster, fleet, supplies, environment, addresses, cpus, gpus } = this.#options;
    return {
      cluster,
      board: this.#board,
      supplies,
      node,
      spec: {
        fleet,
        role: "worker",
        arguments: [...this.#options.arguments, ...this.#idleArguments(node)],
        environment,
        addresses,
        asksAutoscaler: this.#mayAsk,
        cpus: cpus ?? node.cpus,
        gpus: gpus ?? node.gpus,
      },
    };
  }

  #idleArguments({ nodeId }: RayNode): readonly string[] {
    const { idleMaxSeconds, workersMin = 0 } = this.#options;
    if (this.#kept.size < workersMin) this.#kept.add(nodeId);
    if (idleMaxSeconds === undefined || this.#kept.has(nodeId)) return [];
    return ["--max-idle", String(idleMaxSeconds)];
  }

  #pause(ms: number): Promise<void> {
    return delay(ms, undefined, { signal: this.#stop.signal }).catch(() => {});
  }
}
