import assert from "node:assert/strict";
import { test } from "node:test";
import { buildGraph } from "../science/graph.ts";
import { loadTruth } from "../science/truth.fixture.ts";
import { decodeGraph, encodeGraph, graphColumns } from "./graph-row.ts";
import { encodeScore, joinRow, type PoseScore, splitRow } from "./score.ts";

test("a graph comes back from its row as it was, and bytes that are none are refused", async () => {
  const { complex, annotations } = await loadTruth("5E5M");
  const columns = graphColumns(buildGraph(complex, annotations), complex);
  const bytes = encodeGraph(columns);
  assert.deepEqual(decodeGraph(bytes), columns);
  for (const length of [0, 3, 20, bytes.length - 1]) {
    assert.throws(() => decodeGraph(bytes.subarray(0, length)), { code: "bad-input" });
  }
  assert.throws(() => decodeGraph(Buffer.concat([bytes, bytes])), { code: "bad-input" });

  const score: PoseScore = {
    score: 0.5,
    pairing: "ok",
    clashFraction: 0.25,
    offCentre: 12.5,
    nodeCount: 3,
    edgeCount: 4,
    notes: ["größe"],
  };
  const row = splitRow(joinRow(encodeScore(score), bytes), { graph: "kept" });
  assert.deepEqual(row.score, score);
  assert.deepEqual(decodeGraph(row.graph!), columns);
  assert.deepEqual(splitRow(encodeScore(score), {}), { score, graph: undefined });
  assert.throws(() => splitRow(bytes.subarray(0, 3), { graph: "kept" }), { code: "bad-input" });
});
