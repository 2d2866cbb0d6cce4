import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CostModel,
  costWithin,
  createModel,
  observe,
  predictSeconds,
  speedOf,
} from "./cost-model.ts";

const TRUTH = { overhead: 0.02, linear: 2e-4, quadratic: 2e-4 / 5000 };

/** A batch of `count` tasks of one length, and its true time. */
function batch(length: number, count: number, slower = 1) {
  const [cost, square] = [length * count, length * length * count];
  const work = TRUTH.linear * cost + TRUTH.quadratic * square;
  return { cost, square, seconds: TRUTH.overhead + slower * work };
}

const newShape = () => ({ overheadSeconds: 0.01, quadraticPerCost: 1 / 6144 });

/** Longest first, as batches come in a run. */
function trained(): { model: CostModel; shape: ReturnType<typeof newShape> } {
  const [model, shape] = [createModel(), newShape()];
  for (let length = 2000; length > 100; length -= 25) {
    observe(model, shape, batch(length, Math.ceil(4000 / length)));
  }
  return { model, shape };
}

function errorOf(model: CostModel, { cost, square, seconds }: ReturnType<typeof batch>): number {
  return Math.abs(predictSeconds(model, cost, square) / seconds - 1);
}

test("the first batch already predicts the next one", () => {
  const [model, shape] = [createModel(), newShape()];
  observe(model, shape, batch(300, 3));
  assert.ok(errorOf(model, batch(300, 30)) < 0.1);
});

test("what comes next is predicted within 2 % on the way down through all lengths", () => {
  const [model, shape] = [createModel(), newShape()];
  for (let length = 2000; length > 100; length -= 25) {
    const next = batch(length, Math.ceil(4000 / length));
    if (length < 1900) assert.ok(errorOf(model, next) < 0.02, `at length ${length}`);
    observe(model, shape, next);
  }
});

test("a batch of quite another size is still predicted within 25 %", () => {
  const { model } = trained();
  for (const other of [batch(150, 1), batch(150, 200), batch(500, 10)]) {
    assert.ok(errorOf(model, other) < 0.25, `${errorOf(model, other)}`);
  }
});

test("one odd batch hardly counts, a second is a new speed", () => {
  const { model, shape } = trained();
  observe(model, shape, batch(120, 30, 10));
  assert.ok(errorOf(model, batch(120, 30)) < 0.1, "after one outlier");
  observe(model, shape, batch(120, 30, 10));
  assert.ok(errorOf(model, batch(120, 30, 10)) < 0.1, "after two");
});

test("impossible numbers change nothing, extreme ones leave it finite", () => {
  const { model, shape } = trained();
  const before = { ...model, sums: [...model.sums] };
  observe(model, shape, { cost: 0, square: 0, seconds: 1 });
  observe(model, shape, { cost: 10, square: 100, seconds: Number.NaN });
  observe(model, shape, { cost: 10, square: 100, seconds: -1 });
  assert.deepEqual({ ...model, sums: [...model.sums] }, before);
  for (const seconds of [0, 1e300, 0, 0, 1e300, 1e300, 1e-300]) {
    observe(model, shape, { cost: 4e9, square: 1.6e19, seconds });
    const terms = [model.overhead, model.linear, model.quadratic, speedOf(model)];
    assert.ok(
      terms.every((term) => Number.isFinite(term) && term >= 0),
      `${terms}`,
    );
    assert.ok(model.linear > 0);
  }
});

test("the largest task within a time takes that time", () => {
  const { model } = trained();
  for (const seconds of [0.1, 1, 30]) {
    const cost = costWithin(model, seconds);
    assert.ok(Math.abs(predictSeconds(model, cost, cost * cost) - seconds) < 1e-6 * seconds);
  }
  assert.equal(costWithin(model, 0), 0);
});
