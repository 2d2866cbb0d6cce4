/**
 * Which nodes of a Ray cluster a fleet uses: those that get a daemon, those that are to keep theirs,
 * and those whose daemon was given back.
 *
 * Owns: that bookkeeping, of nodes as the cluster last told them. Pure. Invariant: never more nodes
 * in use than the fleet may have workers, in whatever order the cluster tells its nodes.
 */
import type { RayNode } from "../rpc/bridge-messages.ts";

export interface FleetNodesOptions {
  /** A node with fewer CPUs gets no daemon; absent: one is enough. */
  readonly cpus?: number | undefined;
  /** So many nodes keep their daemons even when these have no work. */
  readonly workersMin?: number | undefined;
  readonly workersMax?: number | undefined;
  /** Nodes that have a daemon of the fleet already: they come first. */
  readonly nodesFirst?: ReadonlySet<string> | undefined;
}

export class FleetNodes {
  readonly #options: FleetNodesOptions;
  readonly #used = new Set<string>();
  readonly #kept = new Set<string>();
  readonly #resting = new Set<string>();
  #fit: readonly RayNode[] = [];

  constructor(options: FleetNodesOptions) {
    this.#options = options;
  }

  /** Nodes that a worker fits on, those of the fleet first. */
  get all(): readonly RayNode[] {
    return this.#fit;
  }

  /** Nodes with a daemon, or with one under way. */
  get usedCount(): number {
    return this.#used.size;
  }

  has(nodeId: string): boolean {
    return this.#fit.some((node) => node.nodeId === nodeId);
  }

  /** Takes what the cluster says now; a node that left is forgotten. */
  update(nodes: readonly RayNode[]): void {
    const { cpus = 1, nodesFirst } = this.#options;
    const rank = ({ nodeId }: RayNode) =>
      this.#used.has(nodeId) ? 0 : nodesFirst?.has(nodeId) === true ? 1 : 2;
    this.#fit = nodes
      .filter((node) => node.isAlive && node.cpus >= cpus)
      .toSorted((a, b) => rank(a) - rank(b));
    for (const known of [this.#kept, this.#resting]) {
      for (const nodeId of known) if (!this.has(nodeId)) known.delete(nodeId);
    }
  }

  /** Nodes that are to get a daemon now: they count as used from here on. */
  take(): readonly RayNode[] {
    const { workersMax = Number.POSITIVE_INFINITY } = this.#options;
    const isFree = ({ nodeId }: RayNode) => !this.#used.has(nodeId) && !this.#resting.has(nodeId);
    const free = this.#fit.filter(isFree);
    // Of those that left only the rest is used still: their places are free.
    const room = workersMax - (this.#fit.length - free.length);
    const taken = free.slice(0, Math.max(0, room));
    for (const { nodeId } of taken) this.#used.add(nodeId);
    return taken;
  }

  /** A node has no daemon of the fleet any more. */
  leave(nodeId: string): void {
    this.#used.delete(nodeId);
  }

  /** Whether the node's daemon is one of those that stay without work. */
  keeps(nodeId: string): boolean {
    const { workersMin = 0 } = this.#options;
    if (this.#kept.size < workersMin) this.#kept.add(nodeId);
    return this.#kept.has(nodeId);
  }

  /** A node's daemon had no work and was given back. */
  rest(nodeId: string): void {
    this.#used.delete(nodeId);
    this.#resting.add(nodeId);
  }

  /** There is work again. */
  wake(): void {
    this.#resting.clear();
  }
}
