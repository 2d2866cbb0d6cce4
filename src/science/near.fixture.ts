/** How tests compare measures of geometry: within a tolerance of the value wanted. */
import assert from "node:assert/strict";

/** Throws AssertionError, beginning with `what`, where `value` is farther off. NaN is off. */
export function near(value: number, wanted: number, tolerance: number, what = "it is"): void {
  assert.ok(Math.abs(value - wanted) <= tolerance, `${what}: ${value} instead of ${wanted}`);
}
