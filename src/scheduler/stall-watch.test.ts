/** When a process that looks every second is said to have been held up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { StallWatch } from "./stall-watch.ts";

test("looks in time are no stall, a late one is, once", () => {
  const watch = new StallWatch(1000);
  const looks = [5000, 5100, 6100, 8000, 11_000, 11_500];
  assert.deepEqual(
    looks.map((now) => watch.hasEnded(now)),
    [false, false, false, false, true, false],
  );
});
