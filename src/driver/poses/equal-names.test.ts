import assert from "node:assert/strict";
import { test } from "node:test";
import { EqualNames } from "./equal-names.ts";

test("poses with the name of another are counted, and the first is named", () => {
  const names = new EqualNames();
  for (const name of ["a", "b"]) names.add(name);
  assert.deepEqual(names.notices, []);
  for (const name of ["b", "a"]) names.add(name);
  assert.equal(names.notices.length, 1);
  assert.match(names.notices[0]!, /^2 poses have the name of another, "b" first: index\.tsv/);
});
