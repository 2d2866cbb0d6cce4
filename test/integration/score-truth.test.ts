/**
 * From the file of a pose to its score, with the original's weights, beside the original's score.
 *
 * Needs the checkpoint inside the wheel `deeprank-ab` 1.0.2 (56 MB): RAYSIDUE_DEEPRANK_AB names the
 * unpacked `.pth.tar`. Skips aloud without it.
 */
import assert from "node:assert/strict";
import { realpathSync } from "node:fs";
import { dirname } from "node:path";
import { after, describe, test } from "node:test";
import { buildEgnn } from "../../src/engine/onnx/egnn.ts";
import { egnnFeeds, SCORE } from "../../src/engine/onnx/egnn-feeds.ts";
import { OnnxSession } from "../../src/engine/onnx/session.ts";
import { readTorchCheckpoint } from "../../src/formats/torch-checkpoint.ts";
import { featuresOf, type GraphFeatures } from "../../src/science/features.ts";
import { buildGraph } from "../../src/science/graph.ts";
import { loadTruth, TRUTH_NAMES } from "../../src/science/truth.fixture.ts";

const given = process.env.RAYSIDUE_DEEPRANK_AB;
const skip =
  given === undefined ? "RAYSIDUE_DEEPRANK_AB does not name deeprank-ab's checkpoint" : false;
const TOLERANCE = 1e-5;

describe("poses scored as the original scores them", { skip }, async () => {
  if (given === undefined) return;
  const file = realpathSync(given);
  const folder = dirname(file);
  const entries = await readTorchCheckpoint(file);
  const tensors = new Map([...entries].map(([name, entry]) => [name, { ...entry, file }]));
  const model = buildEgnn({ tensors, folder });
  const session = await OnnxSession.open(model, folder, { threads: 1, isPrepacked: true });
  after(() => session.close());
  const scored: { features: GraphFeatures; wanted: number }[] = [];

  for (const name of TRUTH_NAMES) {
    test(name, async () => {
      const { truth, complex, annotations } = await loadTruth(name);
      const features = featuresOf(buildGraph(complex, annotations));
      const none = { antibodyScalars: new Float32Array(), antigenScalars: new Float32Array() };
      const bare = featuresOf(buildGraph(complex, { ...annotations, ...none }));
      const [score] = await session.run(egnnFeeds([features]), SCORE);
      const [zero] = await session.run(egnnFeeds([bare]), SCORE);
      const { dockq, variant_embedding_zero: wantedZero } = truth.output;
      assert.ok(Math.abs(score! - dockq) <= TOLERANCE, `${score} instead of ${dockq}`);
      assert.ok(Math.abs(zero! - wantedZero) <= TOLERANCE, `${zero} instead of ${wantedZero}`);
      scored.push({ features, wanted: dockq });
    });
  }

  test("all in one call", async () => {
    const scores = await session.run(egnnFeeds(scored.map(({ features }) => features)), SCORE);
    assert.equal(scores.length, TRUTH_NAMES.length);
    scored.forEach(({ wanted }, i) => {
      assert.ok(Math.abs(scores[i]! - wanted) <= TOLERANCE, `${scores[i]} instead of ${wanted}`);
    });
  });
});
