import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../base/random.ts";
import { EventQueue } from "./event-queue.ts";

test("actions run in order of time, and of one time in the order asked for", () => {
  const [clock, random] = [new EventQueue(), new Random(7)];
  const asked: { at: number; order: number }[] = [];
  const ran: { at: number; order: number }[] = [];
  for (let order = 0; order < 2000; order++) {
    const each = { at: random.below(100), order };
    asked.push(each);
    clock.at(each.at, () => {
      assert.equal(clock.now, each.at);
      ran.push(each);
    });
  }
  while (clock.runNext()) {}
  assert.deepEqual(
    ran,
    asked.sort((a, b) => a.at - b.at || a.order - b.order),
  );
  assert.ok(clock.isEmpty);
});

test("time never goes back", () => {
  const clock = new EventQueue();
  let late = -1;
  clock.at(50, () => clock.at(10, () => (late = clock.now)));
  while (clock.runNext()) {}
  assert.equal(late, 50);
});

test("draws are the seed's, uniform and normal as they should be", () => {
  const draw = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 20_000 }, () => random.next());
  };
  assert.deepEqual(draw(1), draw(1));
  assert.notDeepEqual(draw(1).slice(0, 5), draw(2).slice(0, 5));
  const mean = draw(3).reduce((sum, each) => sum + each, 0) / 20_000;
  assert.ok(Math.abs(mean - 0.5) < 0.01, `${mean}`);
  const random = new Random(4);
  const normal = Array.from({ length: 20_000 }, () => random.normal());
  const variance = normal.reduce((sum, each) => sum + each * each, 0) / 20_000;
  assert.ok(Math.abs(variance - 1) < 0.05, `${variance}`);
});
