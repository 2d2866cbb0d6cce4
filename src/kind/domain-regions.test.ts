import assert from "node:assert/strict";
import { test } from "node:test";
import type { Domain } from "./annotate.ts";
import { domainRegions } from "./domain-regions.ts";

const domain = (start: number, positions: number[]): Domain => ({
  chain: "H",
  start,
  confidence: 0.9,
  positions: Uint8Array.from(positions),
  insertions: new Uint8Array(positions.length),
});

test("regions follow IMGT's positions, and what is outside of the domain is a point", () => {
  const positions = [26, 27, 38, 39, 55, 56, 65, 66, 104, 105, 117, 118];
  const annotation = { domains: [domain(2, positions)], note: "" };
  assert.equal(domainRegions(annotation, 16), "..F11FF22FF33F..");
});

test("of several domains the first counts, and without one there are no regions", () => {
  const domains = [domain(0, [105, 118]), domain(3, [27])];
  assert.equal(domainRegions({ domains, note: "" }, 5), "3F...");
  assert.equal(domainRegions({ domains: [], note: "none" }, 5), undefined);
});
