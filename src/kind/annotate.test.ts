import assert from "node:assert/strict";
import { test } from "node:test";
import {
  canonicalAnnotate,
  decodeAnnotation,
  insertionCode,
  regionOf,
  regionSequences,
  resolveAnnotate,
} from "./annotate.ts";

/** A row as cluster/engines/annotate packs it. */
function rowOf(domains: readonly { chain: string; start: number; at: [number, number][] }[]) {
  const note = domains.length === 0 ? Buffer.from("nothing above 0.5") : Buffer.alloc(0);
  const head = Buffer.from([1, domains.length, note.length, 0]);
  const parts = domains.map(({ chain, start, at }) => {
    const bytes = Buffer.alloc(12);
    bytes.write(chain);
    bytes.writeUInt16LE(at.length, 2);
    bytes.writeUInt32LE(start, 4);
    bytes.writeFloatLE(0.75, 8);
    return Buffer.concat([
      bytes,
      Buffer.from(at.map(([position]) => position)),
      Buffer.from(at.map(([, insertion]) => insertion)),
    ]);
  });
  return Buffer.concat([head, note, ...parts]);
}

test("a row is decoded, and its regions follow from the positions", () => {
  const at: [number, number][] = [
    [26, 0],
    [27, 0],
    [111, 0],
    [111, 1],
    [112, 0],
    [118, 0],
  ];
  const { domains, note } = decodeAnnotation(rowOf([{ chain: "K", start: 2, at }]), 8);
  assert.equal(note, "");
  assert.equal(domains[0]!.chain, "K");
  assert.equal(domains[0]!.confidence, 0.75);
  assert.deepEqual([...domains[0]!.insertions].map(insertionCode), ["", "", "", "A", "", ""]);
  const regions = regionSequences(domains[0]!, "MKACDEFG");
  assert.deepEqual(regions, {
    fwr1: "A",
    cdr1: "C",
    fwr2: "",
    cdr2: "",
    fwr3: "",
    cdr3: "DEF",
    fwr4: "G",
  });
  assert.deepEqual(decodeAnnotation(rowOf([]), 8), { domains: [], note: "nothing above 0.5" });
});

test("bytes that are no row are refused, wherever they are cut or wrong", () => {
  const row = rowOf([{ chain: "H", start: 0, at: [[1, 0]] }]);
  for (let size = 0; size < row.length; size++) {
    assert.throws(() => decodeAnnotation(row.subarray(0, size), 8), { code: "bad-input" });
  }
  assert.throws(() => decodeAnnotation(Buffer.concat([row, row]), 8), { code: "bad-input" });
  for (const [at, value] of [
    [0, 2],
    [4, 90],
    [8, 9],
    [16, 0],
    [16, 129],
  ] as const) {
    const wrong = Buffer.from(row);
    wrong[at] = value;
    assert.throws(() => decodeAnnotation(wrong, 8), { code: "bad-input" }, `byte ${at}`);
  }
});

test("positions stand in IMGT's regions", () => {
  const starts = [1, 27, 39, 56, 66, 105, 118];
  assert.deepEqual(starts.map(regionOf), ["fwr1", "cdr1", "fwr2", "cdr2", "fwr3", "cdr3", "fwr4"]);
  assert.deepEqual(
    starts.slice(1).map((start) => regionOf(start - 1)),
    ["fwr1", "cdr1", "fwr2", "cdr2", "fwr3", "cdr3"],
  );
});

test("equal parameters have one canonical form", () => {
  const canonical = (input: object) => canonicalAnnotate(resolveAnnotate(input));
  assert.equal(canonical({ chains: ["L", "H", "H"] }), canonical({ chains: ["H", "L"] }));
  assert.equal(canonical({}), '{"chains":["H","K","L"],"minConfidence":0.5,"scheme":"imgt"}');
  assert.throws(() => resolveAnnotate({ minConfidence: 2 }), { code: "usage" });
  assert.throws(() => resolveAnnotate({ chains: [] }), { code: "usage" });
});
