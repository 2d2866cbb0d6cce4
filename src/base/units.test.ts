import assert from "node:assert/strict";
import { test } from "node:test";
import { formatCount } from "./units.ts";

test("counts have a comma after every third digit", () => {
  const counts = [0, 7, 999, 1000, 12_345, 999_999.6, 12_345_678, 1e9, -1234];
  const texts = counts.map((count) => formatCount(count));
  assert.equal(texts.join(" "), "0 7 999 1,000 12,345 1,000,000 12,345,678 1,000,000,000 -1,234");
});
