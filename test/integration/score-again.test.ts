/**
 * Scoring the same files again, on real processes.
 *
 * Proves: a second run opens no file whose poses have results, in the same folder or, through the
 * shared cache, in another; a file that changed is read again, whatever its times say; what was
 * refused is told again as it was. Fetches the network through pip once (53 MB); skips aloud where
 * PyPI cannot be reached.
 */
import assert from "node:assert/strict";
import {
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { test } from "node:test";
import { connect, openRegionTable, score } from "../../src/driver/api.ts";
import { DISK, type FileSource } from "../../src/formats/text/file-source.ts";
import type { ChainChoice } from "../../src/science/chains.ts";
import { readFailed, readIndex, readScores } from "../support/outputs.ts";
import { atomLines, moved, regionTable } from "../support/poses.ts";
import { until } from "../support/processes.ts";
import { ENGINE_ENVIRONMENT, prepareEngine } from "../support/python-engines.ts";
import { Sandbox } from "../support/sandbox.ts";
import { SCORER_ENVIRONMENT, scorerProblem } from "../support/scorer.ts";

const skip = await scorerProblem();

test("known files are not opened, changed ones are", { skip }, () =>
  scoreAgain({ heavy: "B", antigen: ["A"] }),
);

test("nor are they where chains are found", { skip }, async (context) => {
  const { missing } = await prepareEngine("cluster", "engines", "anarci");
  if (missing !== undefined) return context.skip(`no engine: ${missing}`);
  await scoreAgain("auto");
});

async function scoreAgain(chains: ChainChoice | "auto"): Promise<void> {
  Object.assign(process.env, SCORER_ENVIRONMENT, ENGINE_ENVIRONMENT);
  await using sandbox = new Sandbox();
  const regions = await openRegionTable(sandbox.write("regions.tsv", regionTable(["5E5M"])));
  const lines = atomLines("5E5M");
  const shifted = (by: number) =>
    `${lines.map((line) => moved(line, ([x, y, z]) => [x + by, y, z])).join("\n")}\nEND\n`;
  const a = sandbox.write("poses/a.pdb", shifted(0));
  const b = sandbox.write("poses/b.pdb", shifted(1));
  sandbox.write("poses/c.pdb", shifted(0).slice(0, 500));
  await using session = await connect({ engines: 1, threads: 1 });
  let opened: string[] = [];
  const files: FileSource = {
    stat: DISK.stat,
    read(path) {
      opened.push(path.slice(path.lastIndexOf("/") + 1));
      return DISK.read(path);
    },
  };
  const run = async (output: string) => {
    opened = [];
    const outputFolder = sandbox.path(output);
    const { computed } = await score(session, {
      inputs: [sandbox.path("poses")],
      outputFolder,
      chains,
      ...{ regions, files, embedding: "none", partialEveryMs: 0 },
      cacheFolder: sandbox.path("cache"),
      scratch: sandbox.path("scratch"),
    });
    assert.deepEqual(readdirSync(sandbox.path("scratch")), [], "scratch is cleaned");
    const [scores, failed] = [await readScores(outputFolder), await readFailed(outputFolder)];
    return { computed, opened, scores, failed, index: await readIndex(outputFolder) };
  };
  // What changed a moment ago is not remembered: a change within the same tick would not show.
  const young = await run("young");
  assert.deepEqual(young.opened, ["a.pdb", "b.pdb", "c.pdb"]);
  const youngest = sandbox.path("poses", "c.pdb");
  await until("files of some age", () => Date.now() - statSync(youngest).ctimeMs > 2500);
  const first = await run("out");
  assert.deepEqual(first.opened, ["a.pdb", "b.pdb", "c.pdb"]);
  assert.equal(first.failed.length, 1);
  const found = first.index.map(({ note }) => note.includes('nanobody "B", antigen "A"'));
  assert.deepEqual(found, chains === "auto" ? [true, true, false] : [false, false, false]);
  for (const output of ["out", "other"]) {
    const again = await run(output);
    assert.deepEqual(again, { ...first, computed: 0, opened: [] }, output);
  }

  // The same size and the same times, set by hand: another pose all the same.
  const { atime, mtime, size } = statSync(b);
  writeFileSync(b, readFileSync(a));
  assert.equal(statSync(b).size, size);
  utimesSync(b, atime, mtime);
  const changed = await run("out");
  assert.deepEqual(changed.opened, ["b.pdb"]);
  assert.equal(changed.scores[0]!.score, changed.scores[1]!.score);

  renameSync(a, sandbox.path("poses", "d.pdb"));
  const renamed = await run("out");
  assert.deepEqual(renamed.opened, ["b.pdb", "d.pdb"]);
  assert.deepEqual(renamed.scores.map(({ pose }) => pose).sort(), ["b", "d"]);
}
