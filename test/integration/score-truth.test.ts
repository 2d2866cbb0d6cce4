/**
 * From the file of a pose to its score, with the original's weights, beside the original's score.
 *
 * Proves: the pinned wheel holds the network that the tables of test/data/deeprank were made with.
 * Fetches it through pip into a cache that lasts, once (53 MB). Skips aloud where PyPI cannot be
 * reached.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { RaysidueError } from "../../src/base/errors.ts";
import { buildEgnn } from "../../src/engine/onnx/egnn.ts";
import { egnnFeeds, SCORE } from "../../src/engine/onnx/egnn-feeds.ts";
import { OnnxSession } from "../../src/engine/onnx/session.ts";
import { verifyModel } from "../../src/model/inventory.ts";
import { ensureScorer } from "../../src/model/pull.ts";
import { type LocatedScorer, locateScorer, openScorer } from "../../src/model/scorer.ts";
import { featuresOf, type GraphFeatures } from "../../src/science/features.ts";
import { buildGraph } from "../../src/science/graph.ts";
import { loadTruth, TRUTH_NAMES } from "../../src/science/truth.fixture.ts";
import { MODEL_CACHE } from "../support/sandbox.ts";

const caches = { cacheRoot: MODEL_CACHE, ownCache: join(MODEL_CACHE, "..", "own") };
const TOLERANCE = 1e-5;

async function findScorer(): Promise<LocatedScorer | string> {
  try {
    return await ensureScorer("deeprank-ab", caches);
  } catch (thrown) {
    if (!(thrown instanceof RaysidueError) || thrown.code === "bad-input") throw thrown;
    return `PyPI cannot be reached: ${thrown.message}`;
  }
}

const scorer = await findScorer();
const skip = typeof scorer === "string" ? scorer : false;

describe("poses scored as the original scores them", { skip }, async () => {
  if (typeof scorer === "string") return;
  const weights = await openScorer(scorer);
  const model = buildEgnn({ ...weights, threads: 1 });
  const session = await OnnxSession.open(model, weights.folder, { threads: 1, isPrepacked: true });
  after(() => session.close());
  const scored: { features: GraphFeatures; wanted: number }[] = [];

  test("the network is complete, checked, and only for poses", async () => {
    assert.ok((await verifyModel("deeprank-ab", caches)).isRight);
    assert.deepEqual(await locateScorer("deeprank-ab", caches), scorer);
    await assert.rejects(() => locateScorer("antiberty", caches), { code: "usage" });
  });

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
