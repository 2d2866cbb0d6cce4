/** The nearest germline: shares of the germline's residues, ties, and J genes of the V's species. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { germlineOf, nearestGermline, POSITIONS } from "./germlines.ts";

const aligned = (text: string, from = 0) => "-".repeat(from) + text.padEnd(POSITIONS - from, "-");
const v = new Map([
  [
    "H",
    [
      germlineOf("human", "V1", aligned("AACDEFGHIK")),
      germlineOf("mouse", "V2", aligned("AACDE")),
      germlineOf("rat", "V3", aligned("AACDEFGHIK")),
      germlineOf("pig", "V4", aligned("AACD-FGHIL")),
    ],
  ],
]);
const j = new Map([
  [
    "H",
    [
      germlineOf("human", "J1", aligned("WGQG", 117)),
      germlineOf("pig", "J2", aligned("WGRG", 117)),
      germlineOf("pig", "J3", aligned("WGQG", 117)),
    ],
  ],
]);
const domain = (text: string) => {
  const residues = new Uint8Array(POSITIONS);
  residues.set(Buffer.from(text), 0);
  residues.set(Buffer.from("WGQG"), 117);
  return residues;
};

test("the largest share of the germline's own residues; J of the same species", () => {
  const found = nearestGermline({ v, j }, "H", domain("AACDWFGHIL"));
  assert.deepEqual(found, {
    species: "pig",
    v: { gene: "V4", identity: 1 },
    j: { gene: "J3", identity: 1 },
  });
  // Of a short germline all residues, of a long one nine tenths.
  const short = nearestGermline({ v, j }, "H", domain("AACDEFGHIW"));
  assert.deepEqual(short, { species: "mouse", v: { gene: "V2", identity: 1 }, j: undefined });
});

test("of equals the first; nothing of a chain that the table has not", () => {
  const found = nearestGermline({ v, j }, "H", domain("WACDEFGHIK"));
  assert.deepEqual([found?.v.gene, found?.v.identity], ["V1", 0.9]);
  assert.equal(nearestGermline({ v, j }, "K", domain("A")), undefined);
});
