/**
 * What one fleet asks of Ray's autoscaler: how many nodes, said as bundles of resources.
 *
 * Owns: the last request, so that the same is not said twice. Ray keeps one request for the whole
 * cluster, until another: the last word counts, and whoever ends the fleet takes it back.
 */
import type { RayNode } from "../rpc/bridge-messages.ts";
import type { RayCluster } from "./cluster.ts";

export interface WorkerShape {
  /** Absent: all that a node has. */
  readonly cpus?: number | undefined;
  readonly gpus?: number | undefined;
}

type Bundle = Readonly<Record<string, number>>;

export class NodeRequest {
  readonly #cluster: RayCluster;
  readonly #shape: WorkerShape;
  #asked = 0;
  #said = "[]";
  #last: Promise<unknown> = Promise.resolve();

  constructor(cluster: RayCluster, shape: WorkerShape) {
    this.#cluster = cluster;
    this.#shape = shape;
  }

  /** Nodes that were asked for, those that are there among them. */
  get asked(): number {
    return this.#asked;
  }

  /** Asks for `workers` nodes in all, of which `nodes` are there; returns whether that is news. */
  async ask(workers: number, nodes: readonly RayNode[]): Promise<boolean> {
    const bundles = bundlesFor(workers, nodes, this.#shape);
    const text = JSON.stringify(bundles);
    if (text === this.#said) return false;
    this.#asked = workers;
    this.#said = text;
    // One after another: the last word counts.
    const said = this.#last.catch(() => {}).then(() => this.#cluster.requestResources(bundles));
    this.#last = said;
    try {
      await said;
    } catch (thrown) {
      // Nobody heard it.
      if (this.#said === text) this.#said = "";
      throw thrown;
    }
    return true;
  }

  /** Asks for fewer, where more than `workers` were asked for. */
  async lower(workers: number, nodes: readonly RayNode[]): Promise<void> {
    if (workers < this.#asked) await this.ask(workers, nodes);
  }
}

/**
 * What makes Ray's autoscaler have `workers` nodes: every one that is there, whole, since two daemons
 * of a fleet are never on one; and for each further one what a worker holds. That is unknown where
 * workers take whole nodes: then what the smallest has that is there and not the head, which is often
 * of a kind of its own. A bundle that is too small makes too few nodes come, and the rest with the
 * next request; one that no kind of node has would make none come, ever.
 */
export function bundlesFor(
  workers: number,
  nodes: readonly RayNode[],
  { cpus, gpus }: WorkerShape,
): readonly Bundle[] {
  const there = nodes.slice(0, workers);
  const others = nodes.filter(({ isHead }) => !isHead);
  const least = (of: (node: RayNode) => number) => Math.min(...others.map(of));
  const isKnown = others.length > 0;
  const further = bundle(
    cpus ?? (isKnown ? least((node) => node.cpus) : 1),
    gpus ?? (isKnown ? least((node) => node.gpus) : 0),
  );
  return [
    ...there.map((node) => bundle(node.cpus, node.gpus)),
    ...Array.from({ length: workers - there.length }, () => further),
  ];
}

function bundle(CPU: number, GPU: number): Bundle {
  return GPU > 0 ? { CPU, GPU } : { CPU };
}
