/**
 * A fleet's growth and shrinking by whole nodes: what is asked of Ray's autoscaler, and when.
 *
 * Owns: the fleet's request, and what a person is told of it. Nodes cost: without a limit
 * (--min-workers, --max-workers, `cluster scale`) none is asked for. Deliberately not here: how many
 * are worth it (fleet-size.ts), and which have a daemon (fleet-nodes.ts).
 */
import type { RayCluster } from "./cluster.ts";
import type { FleetNodes } from "./fleet-nodes.ts";
import { type FleetNow, NODE_START_SECONDS, workersWanted } from "./fleet-size.ts";
import { NodeRequest, type WorkerShape } from "./node-request.ts";

export interface FleetGrowthOptions extends WorkerShape {
  readonly cluster: RayCluster;
  /** Asked for where there are fewer; these are never given back. */
  readonly workersMin?: number | undefined;
  readonly workersMax?: number | undefined;
  /** From asking for a node until its daemon works; absent: NODE_START_SECONDS. */
  readonly nodeStartSeconds?: number | undefined;
  /** Told what a person should read. */
  readonly onNotice: (text: string) => void;
}

export class FleetGrowth {
  readonly #options: FleetGrowthOptions;
  readonly #nodes: FleetNodes;
  readonly #request: NodeRequest;
  /** Never fewer are asked for. */
  #least: number;
  #resizing: Promise<void> | undefined;

  constructor(options: FleetGrowthOptions, nodes: FleetNodes) {
    this.#options = options;
    this.#nodes = nodes;
    this.#request = new NodeRequest(options.cluster, options);
    this.#least = options.workersMin ?? 0;
  }

  get mayAsk(): boolean {
    const { workersMin, workersMax } = this.#options;
    return workersMin !== undefined || workersMax !== undefined;
  }

  /** Asks for `count` nodes where there are fewer, until `grown`; returns whether there are. */
  async start(count: number): Promise<boolean> {
    this.#least = count;
    const there = this.#nodes.all.length;
    if (there >= count) return false;
    this.#options.onNotice(`asking Ray's autoscaler for ${count} nodes, ${there} are there`);
    await this.#request.ask(count, this.#nodes.all);
    return true;
  }

  /** How far the work is: asks for more nodes, or for those fewer that the rest of it is worth. */
  resize(now: FleetNow): void {
    this.#resizing ??= this.#resize(now)
      // Out of reach: the fleet says so, and the next progress asks again.
      .catch(() => {})
      .finally(() => {
        this.#resizing = undefined;
      });
  }

  /** Other nodes are there than before: what is asked for in all stays the same. */
  async renew(): Promise<void> {
    if (this.#request.asked > 0) await this.#request.ask(this.#request.asked, this.#nodes.all);
  }

  /** `workers` are enough. */
  async lower(workers: number): Promise<void> {
    await this.#request.lower(Math.max(workers, this.#least), this.#nodes.all);
  }

  /** Those that came hold their nodes: no more is asked for than what is never given back. */
  async grown(): Promise<void> {
    this.#least = this.#options.workersMin ?? 0;
    await this.lower(0);
  }

  /** Takes the request back. */
  async close(): Promise<void> {
    await this.#resizing;
    await this.#request.lower(0, []);
  }

  async #resize(now: FleetNow): Promise<void> {
    const { workersMin, workersMax = workersMin, onNotice } = this.#options;
    const { nodeStartSeconds = NODE_START_SECONDS } = this.#options;
    const wanted = workersWanted(now, { workersMin, workersMax, nodeStartSeconds });
    if (wanted > now.workers) this.#nodes.wake();
    const { asked } = this.#request;
    if (!this.mayAsk || (wanted <= now.workers && asked === 0)) return;
    const isMore = wanted > Math.max(asked, this.#nodes.usedCount);
    if (!(await this.#request.ask(wanted, this.#nodes.all)) || !isMore) return;
    const left = Math.round(now.idealSeconds);
    onNotice(
      `asking Ray's autoscaler for ${wanted} nodes: ${left} s of work are left for ${now.workers}`,
    );
  }
}
