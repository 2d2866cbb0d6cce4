import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { decodePose, encodePose } from "../../kind/pose-item.ts";
import { poseCost, undressPose } from "../../kind/score.ts";
import { loadTruth } from "../../science/truth.fixture.ts";
import { itemDigest, spaceDigest } from "../../store/content-key.ts";
import { Plan } from "../plan/plan.ts";
import type { AskingJob } from "../run/sequence-answers.ts";
import { askOfPoses } from "./pose-sequences.ts";
import type { RegionSource } from "./region-source.ts";
import type { ScalarSource } from "./scalar-source.ts";

const folder = mkdtempSync(join(tmpdir(), "raysidue-pose-sequences-"));
after(() => rmSync(folder, { recursive: true }));

test("hundreds of poses of one antigen ask for it once; answers travel with each", async () => {
  const { structure, truth } = await loadTruth("5E5M");
  const choice = { heavy: truth.source.heavy, antigen: truth.source.antigen_chains_input };
  const space = spaceDigest({ kind: "score", fingerprint: "0".repeat(64), parameters: "{}" });
  using plan = new Plan(folder, space);
  const items: Uint8Array[] = [];
  for (let i = 0; i < 300; i++) {
    const x = Float64Array.from(structure.x, (value) => Math.round(1000 * value + i) / 1000);
    const data = encodePose({ ...structure, x }, choice);
    items.push(data);
    const cost = poseCost(structure.atomCount);
    plan.addItem({ digest: itemDigest(data), data, length: data.length, cost });
  }
  plan.deduplicate();
  const { H: heavy, antibody_esm: antibody, antigen_esm: antigen } = truth.sequences;
  const asked: string[][] = [];
  const regions: RegionSource = {
    name: "test",
    regionsOf: async (sequences) => {
      asked.push([...sequences]);
      return { known: new Map([[heavy, "F".repeat(heavy.length)]]), failed: new Map() };
    },
  };
  let failed = new Map<string, string>();
  const scalars: ScalarSource = {
    name: "test",
    facts: {},
    scalarsOf: async (sequences) => {
      asked.push([...sequences]);
      // Fewer than residues, as of a chain that was cut.
      return { known: new Map([[antibody, Float32Array.of(1, 2)]]), failed };
    },
  };
  const job = {} as AskingJob;
  const known = await askOfPoses(plan, { regions, scalars, align: "original", job });
  assert.deepEqual(asked, [[antibody, antigen], [heavy]]);
  const { pose, annotations } = undressPose(known.dress(items[7]!));
  assert.deepEqual(decodePose(pose), decodePose(items[7]!));
  assert.equal(annotations.heavy, "F".repeat(heavy.length));
  assert.equal(annotations.problem, "");
  assert.equal(annotations.antibodyScalars.length, antibody.length);
  assert.deepEqual([...annotations.antibodyScalars.subarray(0, 4)], [1, 2, 0, 0]);
  assert.equal(annotations.antigenScalars.length, 0);

  failed = new Map([[antigen, "no memory"]]);
  const without = await askOfPoses(plan, { regions, scalars, align: "original", job });
  const { problem } = undressPose(without.dress(items[0]!)).annotations;
  assert.equal(problem, "a chain was not embedded: no memory");
});
