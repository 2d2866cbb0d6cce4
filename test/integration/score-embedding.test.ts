/**
 * Embeddings within `raysidue score`, as real processes and a real (tiny) checkpoint of ESM-2.
 *
 * Proves: each distinct chain is embedded once, whatever the number of poses, and with what `embed`
 * gives; without weights the default gives way to none, loudly and for good; a model that was named
 * does not. Fetches the scoring network once (53 MB); skips aloud where PyPI cannot be reached.
 */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { scanShard } from "../../src/store/shard-scan.ts";
import { readMatrices, readReport, readScores, shardNames } from "../support/outputs.ts";
import { atomLines, modelsText, moved, regionTable, truthOf } from "../support/poses.ts";
import { REPOSITORY, Sandbox } from "../support/sandbox.ts";
import { SCORER_ENVIRONMENT as environment, scorerProblem } from "../support/scorer.ts";
import { tinyRepo } from "./hub-fixtures.ts";
import { HubServer } from "./hub-server.ts";

const TINY = join(REPOSITORY, "test", "data", "esm2-tiny");
const SMALL = ["--heavy", "B", "--antigen", "A"];

/** Poses of 5E5M that differ by where they stand. */
function poses(count: number): string {
  const lines = atomLines("5E5M");
  const models = Array.from({ length: count }, (_, i) =>
    lines.map((line) => moved(line, ([x, y, z]) => [x + i / 10, y, z])),
  );
  return modelsText(models);
}

async function rowCount(folder: string, kind: string): Promise<number> {
  const shards = join(folder, ".raysidue", "sequences", kind);
  let count = 0;
  for (const name of shardNames(folder, join("sequences", kind))) {
    for await (const found of scanShard(join(shards, name))) {
      if (found.type === "segment") count += found.sizes.length;
    }
  }
  return count;
}

describe("score with embeddings", { skip: await scorerProblem() }, () => {
  test("each chain is embedded once, as embed has it", async () => {
    await using sandbox = new Sandbox();
    const regions = sandbox.write("regions.tsv", regionTable(["5E5M"]));
    const file = sandbox.write("poses.pdb", poses(3));
    const args = ["score", file, ...SMALL, "--regions", regions];
    const tiny = ["-o", "tiny", "--embed-model", TINY];
    const { stderr } = await sandbox.expect(0, [...args, ...tiny], { environment });
    assert.match(stderr, /embedded by .*esm2-tiny, not by the original's esm2_t33_650M_UR50D/);
    const out = sandbox.path("tiny");
    assert.equal(await rowCount(out, "embed"), 2, "an antibody and an antigen");
    const report = readReport(out);
    assert.equal(report.embedding?.model, TINY);
    assert.match(report.warnings.join("\n"), /not by the original's/);

    const { antibody_esm: antibody, antigen_esm: antigen } = truthOf("5E5M").sequences;
    const fasta = sandbox.write("chains.fasta", `>a\n${antibody}\n>b\n${antigen}\n`);
    const embed = ["embed", fasta, "-o", "chains", "-m", TINY, "--per-residue"];
    await sandbox.expect(0, embed, { environment });
    const means = (await readMatrices(sandbox.path("chains"))).map(({ length, dim, data }) =>
      Array.from({ length }, (_, i) => {
        const vector = data.subarray(i * dim, (i + 1) * dim);
        return vector.reduce((sum, value) => sum + value, 0) / dim;
      }).join(","),
    );
    const table = `sequence\tscalars\n${antibody}\t${means[0]}\n${antigen}\t${means[1]}\n`;
    const scalars = sandbox.write("scalars.tsv", table);
    await sandbox.expect(0, [...args, "-o", "given", "--scalars", scalars], { environment });
    const [rows, given] = [await readScores(out), await readScores(sandbox.path("given"))];
    assert.equal(rows.length, 3);
    rows.forEach(({ pose, score, notes }, i) => {
      assert.match(notes, /embedding .*esm2-tiny/);
      assert.equal(pose, given[i]!.pose);
      assert.ok(Math.abs(Number(score) - Number(given[i]!.score)) < 2e-6, pose);
    });

    const short = sandbox.write("short.tsv", `sequence\tscalars\n${antibody}\t${means[0]}\n`);
    const lacking = [...args, "-o", "short", "--scalars", short];
    const failed = await sandbox.expect(65, lacking, { environment });
    assert.match(failed.stderr, /short\.tsv has no scalars for/);
    const wrong = sandbox.write("wrong.tsv", "sequence\tscalars\nACD\t1,2\n");
    const said = await sandbox.expect(65, [...args, "-o", "x", "--scalars", wrong]);
    assert.match(said.stderr, /wrong\.tsv:2: /);
    await sandbox.expect(64, [...args, "-o", "x", "--scalars", wrong, "--embed-model", "none"]);
  });

  test("the default's weights are fetched where they can be had, and nothing is said", async () => {
    await using sandbox = new Sandbox();
    const server = new HubServer({ "facebook/esm2_t33_650M_UR50D": await tinyRepo() });
    await server.start();
    try {
      const hub = sandbox.path("hub");
      mkdirSync(hub);
      const scorer = "models--.pypi--deeprank-ab";
      symlinkSync(join(environment.HF_HUB_CACHE, scorer), join(hub, scorer));
      const own = { HF_HUB_CACHE: hub, HF_ENDPOINT: server.endpoint, HF_HUB_OFFLINE: undefined };
      const regions = sandbox.write("regions.tsv", regionTable(["5E5M"]));
      const file = sandbox.write("poses.pdb", poses(2));
      const args = ["score", file, ...SMALL, "--regions", regions, "-o"];
      const { stderr } = await sandbox.expect(0, [...args, "out"], { environment: own });
      assert.doesNotMatch(stderr, /embedd|no weights/);
      const { embedding } = readReport(sandbox.path("out"));
      assert.equal(embedding?.model, "facebook/esm2_t33_650M_UR50D");
      // Here now, the same weights are the same in a folder.
      const tiny = [...args, "tiny", "--embed-model", TINY];
      await sandbox.expect(0, tiny, { environment: own });
      const [rows, same] = [await readScores(sandbox.path("out")), sandbox.path("tiny")];
      assert.deepEqual(
        rows.map(({ score }) => score),
        (await readScores(same)).map(({ score }) => score),
      );
      for (const { notes } of rows) assert.doesNotMatch(notes, /embedding/);
    } finally {
      await server.close();
    }
  });

  test("without weights: the default is none, said everywhere and kept; a named model is missed", async () => {
    await using sandbox = new Sandbox();
    const regions = sandbox.write("regions.tsv", regionTable(["5E5M"]));
    const file = sandbox.write("poses.pdb", poses(2));
    const args = ["score", file, ...SMALL, "--regions", regions, "--offline"];
    const { stderr } = await sandbox.expect(0, [...args, "-o", "out"], { environment });
    assert.match(stderr, /no weights of esm2_t33_650M_UR50D .*offline.*up to 0\.015/);
    const out = sandbox.path("out");
    const { embedding, warnings, parameters } = readReport(out);
    assert.equal(parameters.embedding, "none");
    assert.match(String(embedding?.reason), /no weights of esm2_t33_650M_UR50D/);
    assert.match(warnings.join("\n"), /no weights of esm2_t33_650M_UR50D/);
    for (const { notes } of await readScores(out)) assert.match(notes, /embedding none/);
    // The same command goes on with the same, even where the weights could now be had.
    const again = await sandbox.expect(0, [...args, "-o", "out"], { environment });
    assert.match(again.stderr, /begun without esm2_t33_650M_UR50D/);
    const mirror = new HubServer({});
    await mirror.start();
    const lacking = { ...environment, HF_ENDPOINT: mirror.endpoint, HF_HUB_OFFLINE: undefined };
    const elsewhere = [...args.filter((arg) => arg !== "--offline"), "-o", "elsewhere"];
    const said = await sandbox.expect(0, elsewhere, { environment: lacking });
    await mirror.close();
    assert.match(said.stderr, /no weights of esm2_t33_650M_UR50D/);
    const named = [...args, "-o", "named", "--embed-model", "esm2_t6_8M_UR50D"];
    await sandbox.expect(69, named, { environment });
  });
});
