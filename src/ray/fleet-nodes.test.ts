/** Which nodes a fleet uses, and how it asks for more of them, by hand-made clusters. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RayNode } from "../rpc/bridge-messages.ts";
import { FleetNodes } from "./fleet-nodes.ts";
import { bundlesFor } from "./node-request.ts";

const node = (nodeId: string, more: Partial<RayNode> = {}): RayNode => ({
  ...{ nodeId, address: "10.0.0.1", hostname: nodeId, isAlive: true, isHead: false },
  ...{ cpus: 8, gpus: 0, memoryBytes: 0 },
  ...more,
});
const ids = (nodes: readonly RayNode[]) => nodes.map(({ nodeId }) => nodeId);

test("never more nodes than workers, in whatever order the cluster tells them", () => {
  const nodes = new FleetNodes({ workersMax: 2 });
  nodes.update([node("a"), node("b")]);
  assert.deepEqual(ids(nodes.take()), ["a", "b"]);
  nodes.update([node("c"), node("b"), node("a")]);
  assert.deepEqual(ids(nodes.take()), []);
  // A node that left makes room, before its daemon is known to have ended.
  nodes.update([node("c"), node("b")]);
  assert.deepEqual(ids(nodes.take()), ["c"]);
});

test("only living nodes that a worker fits on, those of the fleet first", () => {
  const nodes = new FleetNodes({ cpus: 4, workersMax: 1, nodesFirst: new Set(["d"]) });
  nodes.update([node("a", { cpus: 2 }), node("b", { isAlive: false }), node("c"), node("d")]);
  assert.deepEqual(ids(nodes.all), ["d", "c"]);
  assert.deepEqual(ids(nodes.take()), ["d"]);
});

test("a node whose daemon was given back rests until there is work", () => {
  const nodes = new FleetNodes({ workersMin: 1 });
  nodes.update([node("a"), node("b")]);
  nodes.take();
  assert.deepEqual(
    ["a", "b"].map((id) => nodes.keeps(id)),
    [true, false],
  );
  nodes.rest("b");
  assert.deepEqual(ids(nodes.take()), []);
  nodes.wake();
  assert.deepEqual(ids(nodes.take()), ["b"]);
});

test("nodes that are there are asked for whole, further ones as what a worker holds", () => {
  const there = [node("head", { isHead: true, cpus: 2 }), node("a")];
  assert.deepEqual(bundlesFor(3, there, {}), [{ CPU: 2 }, { CPU: 8 }, { CPU: 8 }]);
  assert.deepEqual(bundlesFor(3, there, { cpus: 4, gpus: 1 }), [
    { CPU: 2 },
    { CPU: 8 },
    { CPU: 4, GPU: 1 },
  ]);
  // Of what kind they will be is not known yet: any must do.
  assert.deepEqual(bundlesFor(2, there.slice(0, 1), {}), [{ CPU: 2 }, { CPU: 1 }]);
  assert.deepEqual(bundlesFor(0, there, {}), []);
});
