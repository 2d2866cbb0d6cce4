import assert from "node:assert/strict";
import { test } from "node:test";
import type { Frame } from "../rpc/messages.ts";
import { KEY_BYTES } from "../store/content-key.ts";
import { ItemFrames } from "./item-frames.ts";

/** Items whose every byte says which item it is, of lengths on both sides of the copying limit. */
function frameOf(firstTask: number, sizes: readonly number[]): Frame {
  const bytes = (size: number, i: number) => new Array<number>(size).fill((firstTask + i) & 0xff);
  return {
    data: Uint8Array.from(sizes.flatMap(bytes)),
    sizes,
    tasks: sizes.map((_, i) => firstTask + i),
    costs: sizes.map((size) => size + 2),
    keys: Uint8Array.from(sizes.flatMap((_, i) => bytes(KEY_BYTES, i))),
  };
}

test("packs any tasks in any order with their own bytes, sizes, costs and keys", () => {
  const items = new ItemFrames();
  const sizes = [3, 0, 96, 97, 500, 1];
  items.add(frameOf(0, sizes));
  const { firstTask } = items.add(frameOf(6, sizes));
  assert.equal(firstTask, 6);
  const order = [10, 0, 5, 9, 1, 3, 8, 2];
  const packed = items.pack(Uint32Array.from(order));
  assert.deepEqual(packed.tasks, order);
  assert.deepEqual(
    packed.sizes,
    order.map((task) => sizes[task % 6]),
  );
  assert.deepEqual(
    packed.costs,
    order.map((task) => sizes[task % 6]! + 2),
  );
  assert.deepEqual(
    [...packed.data],
    order.flatMap((task) => new Array<number>(sizes[task % 6]!).fill(task)),
  );
  assert.deepEqual(
    [...packed.keys],
    order.flatMap((task) => new Array<number>(KEY_BYTES).fill(task)),
  );
});

test("a frame is let go when its last task is settled, once", () => {
  const items = new ItemFrames();
  items.add(frameOf(0, [10, 20]));
  items.add(frameOf(2, [30]));
  assert.equal(items.bytes, 60);
  assert.equal(items.settle([0, 0, 0]), 0);
  assert.equal(items.settle([1, 2]), 60);
  assert.equal(items.bytes, 0);
  assert.equal(items.settle([0, 1, 2, 3]), 0);
  assert.throws(() => items.pack(Uint32Array.of(1)), /settled or unknown/);
});

test("refuses tasks out of order and outlives their buffer", () => {
  const items = new ItemFrames();
  assert.throws(() => items.add(frameOf(1, [5])), /order of submission/);
  const frame = frameOf(0, [4]);
  items.add(frame);
  frame.data.fill(9);
  frame.keys.fill(9);
  const { data, keys } = items.pack(Uint32Array.of(0));
  assert.deepEqual([...data], [0, 0, 0, 0]);
  assert.ok(keys.every((byte) => byte === 0));
});
