/**
 * Chains, numberings and health of poses in `raysidue score`, with the real annotation.
 *
 * Proves: without tables of one's own scores are the original's; --auto takes the chains that the
 * original takes; a merged Fv scores as its halves do; checks tell, refuse, and are cured. Needs the
 * scoring network (53 MB, once) and the annotate engine's environment; skips aloud where either
 * cannot be had.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readFailed, readIndex, readReport, readScores } from "../support/outputs.ts";
import { atomLines, poseFile, truthOf } from "../support/poses.ts";
import { ENGINE_ENVIRONMENT, prepareEngine } from "../support/python-engines.ts";
import { Sandbox } from "../support/sandbox.ts";
import { SCORER_ENVIRONMENT, scorerProblem } from "../support/scorer.ts";

const environment = { ...SCORER_ENVIRONMENT, ...ENGINE_ENVIRONMENT };
const skip =
  (await scorerProblem()) || (await prepareEngine("cluster", "engines", "anarci")).missing || false;

/** Poses whose score does not depend on the original's faults, and where its numbering is ours. */
const NAMES = ["1VFB", "3RVW", "5E5M", "6EY6"];
/** 4G6M_models' first model, with heavy and light as one chain H. */
const FV = (() => {
  const lines = atomLines("4G6M_models");
  const first = lines.slice(0, lines.length / 2);
  const merged = first.map((line) => {
    if (line[21] !== "L") return line;
    return `${line.slice(0, 21)}H${String(Number(line.slice(22, 26)) + 500).padStart(4)}${line.slice(26)}`;
  });
  return `${merged.join("\n")}\nEND\n`;
})();
const NONE = ["--embed-model", "none"];

const near = (actual: string | number, wanted: number, tolerance: number, what: string) =>
  assert.ok(Math.abs(Number(actual) - wanted) <= tolerance, `${what}: ${actual}, not ${wanted}`);

describe("score with the default annotation", { skip }, () => {
  test("--auto finds the original's chains, and scores are the original's", async () => {
    await using sandbox = new Sandbox();
    const files = [...NAMES, "5C7X"].map((name) => poseFile(`${name}.pdb.gz`));
    const cache = ["--cache-dir", sandbox.path("cache")];
    const args = ["score", ...files, "--auto", ...NONE, ...cache, "-o", "out"];
    await sandbox.expect(0, args, { environment });
    const out = sandbox.path("out");
    const rows = await readScores(out);
    const scoreOf = (name: string) => rows.find(({ pose }) => pose === name)!.score;
    for (const name of NAMES) {
      near(scoreOf(name), truthOf(name).output.variant_embedding_zero, 1e-5, name);
    }
    for (const { id, note } of await readIndex(out)) {
      const { heavy, light, antigen_chains_input: antigen } = truthOf(id).source;
      const role = light === null ? `nanobody "${heavy}"` : `heavy "${heavy}", light "${light}"`;
      const others = antigen.map((chain) => `"${chain}"`).join(" ");
      assert.ok(note.endsWith(`; ${role}, antigen ${others}`), note);
    }
    // Named, the chains mean the same pose: it is known.
    const named = ["--heavy", "B", "--light", "A", "--antigen", "C"];
    const again = ["score", files[0]!, ...named, ...NONE, ...cache, "-o", "again"];
    await sandbox.expect(0, again, { environment });
    assert.equal(readReport(sandbox.path("again")).counts.computed, 0);
    assert.equal((await readScores(sandbox.path("again")))[0]!.score, scoreOf("1VFB"));
  });

  test("what --auto cannot tell apart is refused, and the rest scored", async () => {
    await using sandbox = new Sandbox();
    const lines = atomLines("5E5M");
    const write = (name: string, of: readonly string[]) =>
      sandbox.write(`poses/${name}.pdb`, `${of.join("\n")}\nEND\n`);
    write("a", lines);
    write(
      "b",
      lines.filter((line) => line[21] === "B"),
    );
    write(
      "c",
      atomLines("1VFB").filter((line) => line[21] !== "B"),
    );
    write(
      "d",
      atomLines("1VFB").filter((line) => line[21] !== "C"),
    );
    const antigens = lines.filter((line) => line[21] === "A");
    write("e", [...antigens, ...antigens.map((line) => `${line.slice(0, 21)}C${line.slice(22)}`)]);
    write("f", [lines[0]!, lines[1]!.slice(0, 40)]);
    const args = ["score", sandbox.path("poses"), "--auto", ...NONE, "-o", "out"];
    await sandbox.expect(2, args, { environment });
    const out = sandbox.path("out");
    assert.deepEqual(
      (await readScores(out)).map(({ pose }) => pose),
      ["a"],
    );
    const wanted: [id: string, line: string, reason: RegExp][] = [
      ["b", "1", /has one chain only/],
      [
        "c",
        "1",
        /no chain is a heavy chain \(heavy none; light "A"; others "C"\); name the chains/,
      ],
      ["d", "1", /no chain is an antigen/],
      ["e", "1", /no chain is an antibody's/],
      ["f", "2", /ends at column 40/],
    ];
    const failed = await readFailed(out);
    assert.deepEqual(
      failed.map(({ id, line }) => [id, line]),
      wanted.map(([id, line]) => [id, line]),
    );
    for (const [i, { reason }] of failed.entries()) assert.match(reason, wanted[i]![2]);
    for (const flags of [["--auto", "--heavy", "H"], ["--heavy", "H"], []]) {
      await sandbox.expect(64, ["score", "a.pdb", ...flags, "-o", "x"]);
    }
  });

  test("a merged Fv scores as its halves; checks tell or refuse, and are cured", async () => {
    await using sandbox = new Sandbox();
    const file = sandbox.write("fv.pdb", FV);
    const wanted = truthOf("4G6M_models").output.variant_embedding_zero;
    const common = ["score", file, ...NONE, "--cache-dir", sandbox.path("cache")];
    const named = ["--heavy", "H", "--antigen", "B"];
    const run = async (exit: number, name: string, ...flags: string[]) => {
      const args = [...common, "-o", name, ...flags];
      const { stderr } = await sandbox.expect(exit, args, { environment });
      const [row] = exit === 0 ? await readScores(sandbox.path(name)) : [];
      return { stderr, score: Number(row?.score), notes: row?.notes ?? "" };
    };
    const strict = await run(65, "strict", ...named, "--check", "strict");
    assert.match(strict.stderr, /--check strict: check: hydrogens: .*1 of 1 poses.*fv\.pdb:1/);
    const found = await run(0, "found", "--auto");
    near(found.score, wanted, 1e-5, "found");
    assert.match(found.notes, /merged-fv.*hydrogens/);
    assert.match(found.stderr, /check: hydrogens: .*; --cure would leave them out/);
    const [index] = await readIndex(sandbox.path("found"));
    assert.match(index!.note, /; merged Fv "H", antigen "B"$/);
    const same = await run(0, "named", ...named, "--check", "off");
    assert.equal(same.score, found.score);
    assert.doesNotMatch(same.stderr, /check:/);
    // The original labels the heavy half only.
    const half = await run(0, "compat", ...named, "--compat");
    assert.ok(Math.abs(half.score - wanted) > 0.1, `${half.score}`);
    const cured = await run(0, "cured", ...named, "--check", "strict", "--cure");
    assert.doesNotMatch(cured.notes, /hydrogens/);
    const change = Math.abs(cured.score - found.score);
    assert.ok(change > 0.001 && change < 0.05, `${change}`);
    assert.match((await run(64, "cured", ...named)).stderr, /other parameters/);
  });
});
