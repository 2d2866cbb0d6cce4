/**
 * One Ray cluster with a bridge for all tests of a file.
 *
 * Owns: starting it before the first test and ending it after the last. Where none can be started,
 * `skip` says why.
 */
import { after, before } from "node:test";
import { type RunningBridge, startBridge } from "./bridge.ts";
import { absence, RayNodes, type RayNodesOptions } from "./ray-nodes.ts";

export interface RayOfFile {
  readonly skip: string | false;
  nodes: RayNodes;
  /** Another one after a test that ended it. */
  bridge: RunningBridge;
}

/** A head and `count` - 1 nodes of one CPU each; to be used in tests only. */
export function rayOfFile(
  count: number,
  options: Omit<RayNodesOptions, "count" | "cpus"> = {},
): RayOfFile {
  const ray = { skip: absence() ?? false } as RayOfFile;
  before(async () => {
    if (ray.skip !== false) return;
    ray.nodes = await RayNodes.start({ count, cpus: 1, ...options });
    ray.bridge = await startBridge(ray.nodes);
  });
  after(async () => {
    await ray.nodes?.stop();
  });
  return ray;
}
