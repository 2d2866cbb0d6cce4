import assert from "node:assert/strict";
import { test } from "node:test";
import { fromWireBatch, fromWireResult, toWireBatch, toWireResult } from "./engine-codec.ts";
import { MicroBatch, MicroBatchResult } from "./gen/raysidue/v1/engine.ts";

const RESULT = {
  payload: Uint8Array.of(1, 2, 3),
  sizes: [2, 0, 1],
  failures: [{ index: 1, reason: "too long", retryable: false }],
  busySeconds: 0.5,
  paddedTokens: 9,
  tokens: 8,
};

test("items and rows survive the wire", () => {
  const items = [Uint8Array.of(7, 8), new Uint8Array(), Uint8Array.of(9)];
  const wire = MicroBatch.decode(MicroBatch.encode(toWireBatch({ id: 5, items })).finish());
  const back = fromWireBatch(wire);
  assert.equal(back.id, 5);
  assert.deepEqual(
    back.items.map((item) => [...item]),
    [[7, 8], [], [9]],
  );
  const message = toWireResult({ id: 5, result: RESULT });
  const result = fromWireResult(
    MicroBatchResult.decode(MicroBatchResult.encode(message).finish()),
    3,
  );
  assert.deepEqual({ ...result, payload: [...result.payload] }, { ...RESULT, payload: [1, 2, 3] });
});

test("an engine that lies about its rows is caught", () => {
  const wire = toWireResult({ id: 1, result: RESULT });
  const lies = [
    { ...wire, sizes: [2, 0, 2] },
    { ...wire, sizes: [3, 0, 0] },
    { ...wire, sizes: [2, 1], failures: [] },
    { ...wire, failures: [] },
    { ...wire, failures: [{ index: 0, reason: "", retryable: true }] },
    { ...wire, failures: [...wire.failures, { index: 7, reason: "", retryable: true }] },
    { ...wire, failures: [...wire.failures, ...wire.failures] },
    { ...wire, busySeconds: -1 },
    { ...wire, busySeconds: Number.NaN },
  ];
  for (const lie of lies) assert.throws(() => fromWireResult(lie, 3), { code: "bad-input" });
  assert.throws(() => fromWireBatch({ id: 1, data: Uint8Array.of(1), sizes: [2] }), {
    code: "bad-input",
  });
});
