import assert from "node:assert/strict";
import { test } from "node:test";
import type { Chain, Domain } from "./annotate.ts";
import { domainRegions } from "./domain-regions.ts";

const domain = (start: number, positions: number[], chain: Chain = "H"): Domain => ({
  chain,
  start,
  confidence: 0.9,
  positions: Uint8Array.from(positions),
  insertions: new Uint8Array(positions.length),
});

const all = { onlyFirst: false };

test("regions follow IMGT's positions, and what is outside of the domain is a point", () => {
  const positions = [26, 27, 38, 39, 55, 56, 65, 66, 104, 105, 117, 118];
  const annotation = { domains: [domain(2, positions)], note: "" };
  assert.equal(domainRegions(annotation, 16, all), "..F11FF22FF33F..");
});

test("the first heavy and the first light domain count, in characters of their own", () => {
  const [light, heavy] = [domain(0, [105, 118], "K"), domain(3, [27, 56])];
  const domains = [light, heavy, domain(6, [27]), domain(7, [27], "L")];
  assert.equal(domainRegions({ domains, note: "" }, 8, all), "6L.12...");
  assert.equal(domainRegions({ domains: [light], note: "" }, 3, all), "6L.");
});

test("or the first alone, as in the original; without a domain there are no regions", () => {
  const domains = [domain(0, [105, 118], "K"), domain(3, [27])];
  assert.equal(domainRegions({ domains, note: "" }, 5, { onlyFirst: true }), "3F...");
  assert.equal(domainRegions({ domains: [], note: "none" }, 5, all), undefined);
});
