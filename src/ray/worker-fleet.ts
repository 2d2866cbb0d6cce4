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
import { DaemonBoard } from "./daemon-board.ts";
import {
  daemonName,
  type StartDaemon,
  type Supplies,
  startDaemon,
  UnreachableError,
} from "./daemon-start.ts";
import { FleetGrowth, type FleetGrowthOptions } from "./fleet-growth.ts";
import { FleetNodes } from "./fleet-nodes.ts";
import { type FleetNow, NODE_WAIT_SECONDS } from "./fleet-size.ts";
import { Outlook } from "./outlook.ts";
import { Silence } from "./silence.ts";
import { stopFleet } from "./stop-fleet.ts";
import { ChangedError } from "./tar.ts";

/** `cpus` and `gpus`: of each node; absent: all it has. */
export interface WorkerFleetOptions extends FleetGrowthOptions {
  /** `[a-z0-9-]+` */
  readonly fleet: string;
  readonly supplies: Supplies;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** The scheduler's, `HOST:PORT`, as nodes may reach it. */
  readonly addresses: readonly string[];
  /** A daemon without work for this long is given back; absent: none is. */
  readonly idleMaxSeconds?: number | undefined;
  /** Nodes that have a daemon of the fleet already. */
  readonly nodesFirst?: ReadonlySet<string> | undefined;
}

/** Ray's table of nodes is cheap to read, and a node that joins should work soon. */
const NODES_MS = 1000;
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
  readonly #nodes: FleetNodes;
  readonly #growth: FleetGrowth;
  /** Nodes whose daemons have run. */
  readonly #ran = new Set<string>();
  readonly #stop = new AbortController();
  #watching: Promise<void> | undefined;
  #failures = 0;
  #closing: Promise<void> | undefined;

  constructor(options: WorkerFleetOptions) {
    this.#options = options;
    this.#board = new DaemonBoard(options.cluster, options.onNotice);
    this.#head = new Silence("the Ray cluster's head", options.onNotice);
    this.#outlook = new Outlook(options.onNotice);
    this.#nodes = new FleetNodes(options);
    this.#growth = new FleetGrowth(options, this.#nodes);
  }

  /**
   * Resolves when the first daemon runs; the others follow. Asks for `count` nodes where there are
   * fewer; absent: `workersMin`. Throws UnreachableError where no node reaches the scheduler, and
   * the first failure where every node failed.
   */
  async start(count = this.#options.workersMin ?? 0): Promise<void> {
    await this.#look();
    const { cpus = 1 } = this.#options;
    if (!(await this.#growth.start(count)) && this.#nodes.all.length === 0) {
      const text = `the Ray cluster has no node with ${cpus} CPUs or more`;
      throw new RaysidueError("try-again", `${text}; ask for nodes with --min-workers`);
    }
    const late = setTimeout(() => {
      const text = `no node came within ${NODE_WAIT_SECONDS} s; does the cluster have an autoscaler?`;
      if (this.#members.size === 0) this.#first.reject(new RaysidueError("try-again", text));
    }, 1000 * NODE_WAIT_SECONDS);
    this.#watching = this.#watch();
    try {
      await this.#first.promise.finally(() => clearTimeout(late));
    } catch (thrown) {
      await this.close();
      throw thrown;
    }
  }

  /** Resolves when `count` daemons have run. Throws RaysidueError "try-again" after `waitSeconds`. */
  async grown(count: number, waitSeconds: number): Promise<void> {
    const deadline = performance.now() + waitSeconds * 1000;
    while (this.#ran.size < count && !this.#stop.signal.aborted) {
      if (performance.now() > deadline) {
        const text = `${this.#ran.size} of ${count} workers came within ${waitSeconds} s`;
        const advice =
          "does the cluster have an autoscaler, and room for them? ask again, or for fewer";
        throw new RaysidueError("try-again", `${text}; ${advice}`);
      }
      await this.#pause(NODES_MS / 4);
    }
  }

  /** Rejects when no worker is left and none can come. */
  get lost(): Promise<never> {
    return this.#outlook.lost;
  }

  /** Asks for more nodes, or for those fewer that the rest of the work is worth. */
  resize(now: FleetNow): void {
    this.#outlook.count(now.workers);
    if (!this.#stop.signal.aborted) this.#growth.resize(now);
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
    // Those that will be given back must not be asked for for ever.
    if (this.#options.idleMaxSeconds !== undefined) await this.#growth.grown();
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
    await this.#growth.close().catch(() => {});
    await stopFleet(this.#options.cluster, this.#options.fleet);
  }

  /** Reads Ray's table of nodes. */
  async #look(): Promise<void> {
    this.#nodes.update(await this.#options.cluster.nodes());
    await this.#growth.renew();
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      for (const node of this.#nodes.take()) {
        const { nodeId } = node;
        const attempt = new Deferred<void>();
        this.#attempts.set(nodeId, attempt.promise);
        const member = this.#keep(node, attempt).finally(() => {
          this.#members.delete(nodeId);
          this.#nodes.leave(nodeId);
        });
        this.#members.set(nodeId, member);
      }
      await this.#pause(NODES_MS);
      await this.#head.ask(() => this.#look(), { signal });
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
        this.#ran.add(node.nodeId);
        this.#first.resolve();
        attempt.resolve();
        backoffMs = BACKOFF_FIRST_MS;
        const last = await this.#board.when(
          daemonName(start),
          (status) =>
            status.version !== version && (status.state === "ended" || status.state === "lost"),
        );
        if (last !== undefined) this.#say(node, `${last.state}: ${last.reason}`);
        if (this.#wasGivenBack(last)) return this.#giveBack(start);
      } catch (thrown) {
        attempt.resolve();
        if (this.#stop.signal.aborted) return;
        this.#fail(node, thrown);
      }
      this.#board.remove(daemonName(start));
      await this.#pause(backoffMs);
      backoffMs = Math.min(BACKOFF_MAX_MS, backoffMs * 2);
      // As the last answer of the head said.
      if (!this.#nodes.has(node.nodeId)) return;
    }
  }

  /** A daemon that ends well by itself had no work. */
  #wasGivenBack(last: DaemonStatus | undefined): boolean {
    const { idleMaxSeconds } = this.#options;
    const hasEnded = last?.state === "ended" && last.exitCode === 0 && last.exitSignal === "";
    return idleMaxSeconds !== undefined && hasEnded;
  }

  /** Leaves a node to Ray: its agent ends at once, and nobody asks for it any more. */
  async #giveBack(start: StartDaemon): Promise<void> {
    this.#nodes.rest(start.node.nodeId);
    this.#board.remove(daemonName(start));
    // Out of reach: the agent ends by itself, and the next progress asks again.
    await this.#options.cluster.stopDaemon(daemonName(start), 0).catch(() => {});
    await this.#growth.lower(this.#nodes.usedCount).catch(() => {});
  }

  #fail(node: RayNode, thrown: unknown): void {
    this.#failures++;
    // Also where trying again may help: who starts a fleet is told, and nothing is left.
    const isHopeless = this.#failures >= this.#members.size;
    if (thrown instanceof UnreachableError || isHopeless) this.#first.reject(thrown);
    if (thrown instanceof ChangedError) return this.#outlook.close(thrown.fact);
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
        asksAutoscaler: this.#growth.mayAsk,
        cpus: cpus ?? node.cpus,
        gpus: gpus ?? node.gpus,
      },
    };
  }

  #idleArguments({ nodeId }: RayNode): readonly string[] {
    const { idleMaxSeconds } = this.#options;
    if (this.#nodes.keeps(nodeId) || idleMaxSeconds === undefined) return [];
    return ["--max-idle", String(idleMaxSeconds)];
  }

  #pause(ms: number): Promise<void> {
    return delay(ms, undefined, { signal: this.#stop.signal }).catch(() => {});
  }
}
