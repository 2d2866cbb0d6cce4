/**
 * What one fleet asks of Ray's autoscaler.
 *
 * Owns: the last request, so that the same is not said twice. Invariant: what was asked is taken
 * back by `close`, and by whoever ends the fleet otherwise. Ray keeps one request for the whole
 * cluster: the last word counts.
 */
import type { RayNode } from "../rpc/bridge-messages.ts";
import type { RayCluster } from "./cluster.ts";

export interface WorkerShape {
  /** Absent: all that a node has. */
  readonly cpus?: number | undefined;
  readonly gpus?: number | undefined;
}

export class NodeRequest {
  readonly #cluster: RayCluster;
  readonly #shape: WorkerShape;
  #asked = 0;

  constructor(cluster: RayCluster, shape: WorkerShape) {
    this.#cluster = cluster;
    this.#shape = shape;
  }

  get asked(): number {
    return this.#asked;
  }

  /** Asks for room for `workers` in all; returns whether that is news. */
  async ask(workers: number, nodes: readonly RayNode[]): Promise<boolean> {
    if (workers === this.#asked) return false;
    const bundle = bundleOf(this.#shape, nodes);
    await this.#cluster.requestResources(Array.from({ length: workers }, () => bundle));
    this.#asked = workers;
    return true;
  }

  async close(): Promise<void> {
    if (this.#asked === 0) return;
    this.#asked = 0;
    await this.#cluster.requestResources([]);
  }
}

/** What a worker holds of a node; of nodes taken whole, what the smallest has. */
export function bundleOf({ cpus, gpus }: WorkerShape, nodes: readonly RayNode[]) {
  const alive = nodes.filter((node) => node.isAlive && node.cpus >= 1);
  const least = (of: (node: RayNode) => number) => Math.min(...alive.map(of));
  const CPU = cpus ?? (alive.length > 0 ? least((node) => node.cpus) : 1);
  const GPU = gpus ?? (alive.length > 0 ? least((node) => node.gpus) : 0);
  return GPU > 0 ? { CPU, GPU } : { CPU };
}
