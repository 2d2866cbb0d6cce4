/** Costs from runs: against arithmetic by hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { learn, type PastRun } from "./calibration.ts";

/** Two devices, a second a thousand cost units; the run opened 1 s before its first lease. */
function runOf(items: number, seconds: PastRun["seconds"]): PastRun {
  const leases = ["a", "b"].flatMap((device) =>
    Array.from({ length: items / 2 }, (_, i) => {
      const [from, to] = [1 + i, 2 + i];
      return { device, cost: 1000, from, to, busy: 1 };
    }),
  );
  leases.sort((x, y) => x.to - y.to);
  return { kind: "annotate", fingerprint: "", seconds, rows: items, items, leases };
}

test("what is done once is told from what each item and each row costs", () => {
  const first = runOf(4, { total: 4, read: 0.5, write: 0.1 });
  const second = { ...runOf(204, { total: 110, read: 0.5, write: 2.5 }), againSeconds: 0.5 };
  const costs = learn({ first, second });
  assert.equal(costs.items, 208);
  assert.equal(costs.devices, 2);
  assert.ok(Math.abs(costs.secondsPerCost - 0.001) < 1e-9);
  // 200 more rows took 0.4 s more when the code was warm, and 2 s more before it was.
  assert.ok(Math.abs(costs.writeSecondsPerRow - 0.002) < 1e-9);
  const alone = 4 - 0.5 - 2 - 4 * 0.002;
  assert.ok(Math.abs(costs.startSeconds - (alone + 2)) < 1e-9, `${costs.startSeconds}`);
});

test("one past run: writing counts by the row where there are many", () => {
  const many = learn({ first: runOf(400, { total: 210, read: 1, write: 4 }) });
  assert.ok(Math.abs(many.writeSecondsPerRow - 0.01) < 1e-9);
  const few = learn({ first: runOf(4, { total: 4, read: 0.5, write: 0.1 }) });
  assert.equal(few.writeSecondsPerRow, 0);
});
