import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalParameters, checkOwnKind, showOwnRow } from "./own.ts";

test("parameters have one form, whatever the order of their keys", () => {
  const one = canonicalParameters({ b: [1, { d: null, c: "x" }], a: true });
  assert.equal(one, '{"a":true,"b":[1,{"c":"x","d":null}]}');
  assert.equal(canonicalParameters({ a: true, b: [1, { c: "x", d: null }] }), one);
  assert.equal(canonicalParameters({ b: 1.5e-7, "a\n": -0 }), '{"a\\n":0,"b":1.5e-7}');
  let deep: Record<string, unknown> = {};
  for (let i = 0; i < 40; i++) deep = { deep };
  for (const wrong of [{ a: Number.NaN }, { a: undefined }, { a: 1n }, { a: () => 1 }, deep]) {
    assert.throws(() => canonicalParameters(wrong), { code: "usage" });
  }
});

test("a row is shown as JSON where it is JSON, else as its bytes", () => {
  assert.deepEqual(showOwnRow(Buffer.from(' {"charge": -1.5} ')), { result: { charge: -1.5 } });
  assert.deepEqual(showOwnRow(Buffer.from("3")), { result: 3 });
  assert.deepEqual(showOwnRow(Buffer.from("{")), { base64: "ew==" });
  assert.deepEqual(showOwnRow(Buffer.from([0x22, 0xff, 0x22])), { base64: "Iv8i" });
});

test("names of own kinds", () => {
  checkOwnKind("net-charge_2");
  assert.throws(() => checkOwnKind("embed"), { code: "usage", message: /raysidue embed/ });
  for (const name of ["", "Charge", "../x", "a b", "x".repeat(65)]) {
    assert.throws(() => checkOwnKind(name), { code: "usage" }, name);
  }
});
