/**
 * `raysidue analyze` on poses, as a real process.
 *
 * Proves: of very many files some are read, which is said, and counts are the whole's; what a run
 * asks about sequences first is a stage of its own; found chains are as named ones. Needs the
 * scoring network (53 MB, once) and the annotate engine's environment; skips aloud where either
 * cannot be had.
 */
import assert from "node:assert/strict";
import { linkSync } from "node:fs";
import { describe, test } from "node:test";
import { poseFile } from "../support/poses.ts";
import { ENGINE_ENVIRONMENT, prepareEngine } from "../support/python-engines.ts";
import { Sandbox } from "../support/sandbox.ts";
import { SCORER_ENVIRONMENT, scorerProblem } from "../support/scorer.ts";

const environment = { ...SCORER_ENVIRONMENT, ...ENGINE_ENVIRONMENT };
const skip =
  (await scorerProblem()) || (await prepareEngine("cluster", "engines", "anarci")).missing || false;

interface Analysis {
  readonly inputs: {
    readonly files: number;
    readonly records: number;
    readonly details: Readonly<Record<string, number>>;
    readonly estimate?: { readonly filesRead: number };
  };
  readonly distinct: number;
  readonly stages: readonly { readonly kind: string; readonly items: number }[];
  readonly seconds?: { readonly oneNode: number };
}

async function analyze(sandbox: Sandbox, ...args: string[]): Promise<Analysis> {
  const all = ["analyze", ...args, "--json", "--no-cache"];
  return JSON.parse((await sandbox.expect(0, all, { environment })).stdout) as Analysis;
}

/** Two residues, one a chain. */
const TINY = ["H", "A"]
  .flatMap((chain, i) =>
    ["N", "CA", "C", "O"].map((name, k) => {
      const serial = String(4 * i + k + 1).padStart(5);
      const place = [3 * i, k, 0].map((value) => value.toFixed(3).padStart(8)).join("");
      const rest = `  1.00  0.00           ${name[0]}`;
      return `ATOM  ${serial}  ${name.padEnd(3)} GLY ${chain}   1    ${place}${rest}`;
    }),
  )
  .join("\n");

describe("analyze of poses", { skip }, () => {
  test("of very many files some are read, and the whole is told", async () => {
    await using sandbox = new Sandbox();
    const first = sandbox.write("poses/0.pdb", `${TINY}\nEND\n`);
    for (let i = 1; i < 2100; i++) linkSync(first, sandbox.path(`poses/${i}.pdb`));
    const poses = sandbox.path("poses");
    const named = ["--heavy", "H", "--antigen", "A", "--sample", "0"];
    const { inputs, distinct } = await analyze(sandbox, poses, ...named);
    assert.deepEqual([inputs.files, inputs.records], [2100, 2100]);
    assert.equal(inputs.estimate!.filesRead, 500);
    // They are all the same pose: one was read, and stands for its share.
    assert.equal(inputs.details.distinct_antigens, 1);
    assert.equal(distinct, Math.round(2100 / 500));
    const text = await sandbox.expect(0, ["analyze", poses, ...named], { environment });
    assert.match(text.stdout, /estimated from a sample of 500 of 2,100 files \(seed 1\)/);
  });

  test("annotating is a stage of its own, unless chains are found by it", async () => {
    await using sandbox = new Sandbox();
    const pose = poseFile("5E5M.pdb.gz");
    const named = await analyze(sandbox, pose, "--heavy", "B", "--antigen", "A", "--sample", "1");
    const kinds = ({ stages }: Analysis) => stages.map(({ kind }) => kind);
    assert.deepEqual(kinds(named), ["annotate", "score"]);
    assert.ok(named.seconds!.oneNode > 0);
    const found = await analyze(sandbox, pose, "--auto", "--sample", "0");
    assert.deepEqual(kinds(found), ["score"]);
    assert.deepEqual(found.inputs.details, named.inputs.details);
  });
});
