/**
 * `raysidue score` as real processes: poses in every form to a ranking.
 *
 * Proves: scores are the original's; what is broken is named with its line and the rest is scored;
 * equal poses are computed once, and known ones not at all; a killed run goes on. Fetches the
 * network through pip once (53 MB); skips aloud where PyPI cannot be reached.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { tableFromIPC } from "apache-arrow";
import { readParquet } from "parquet-wasm";
import { TRUTH_NAMES } from "../../src/science/truth.fixture.ts";
import {
  readFailed,
  readIndex,
  readReport,
  readScores,
  readTrace,
  shardNames,
} from "../support/outputs.ts";
import {
  atomLines,
  mmcifText,
  modelsText,
  moved,
  poseFile,
  regionTable,
  scalarTable,
  truthOf,
} from "../support/poses.ts";
import { until } from "../support/processes.ts";
import { Sandbox } from "../support/sandbox.ts";
import { SCORER_ENVIRONMENT as environment, scorerProblem } from "../support/scorer.ts";

const TOLERANCE = 1e-5;
const near = (actual: string | number, wanted: number, what: string) =>
  assert.ok(Math.abs(Number(actual) - wanted) <= TOLERANCE, `${what}: ${actual}, not ${wanted}`);

/** 5E5M: the smallest, a nanobody (B) on its antigen (A). */
const SMALL = ["--heavy", "B", "--antigen", "A", "--embed-model", "none"];

describe("score", { skip: await scorerProblem() }, () => {
  test("on a fleet: the original's scores of all nine, whatever their chains", async () => {
    await using sandbox = new Sandbox();
    const regions = sandbox.write("regions.tsv", regionTable(TRUTH_NAMES));
    const scalars = sandbox.write("scalars.tsv", scalarTable(TRUTH_NAMES));
    const { address } = await sandbox.startScheduler();
    await sandbox.startWorker(address, ["--engines", "2", "--threads", "1"], { environment });
    const byChains = new Map<string, string[]>();
    for (const name of TRUTH_NAMES) {
      const { heavy, light, antigen_chains_input: antigen } = truthOf(name).source;
      const flags = ["--heavy", heavy, ...(light === null ? [] : ["--light", light])];
      const key = JSON.stringify([...flags, "--antigen", antigen.join(",")]);
      byChains.set(key, [...(byChains.get(key) ?? []), name]);
    }
    let group = 0;
    for (const [key, names] of byChains) {
      const output = sandbox.path(`out${group++}`);
      const files = names.map((name) => poseFile(`${name}.pdb.gz`));
      const flags = ["--compat", "--regions", regions, "--address", address];
      const roles = JSON.parse(key) as string[];
      const args = ["score", ...files, ...roles, ...flags];
      await sandbox.expect(0, [...args, "-o", output, "--embed-model", "none"], { environment });
      const [rows, index] = [await readScores(output), await readIndex(output)];
      for (const name of names) {
        // Of several models in a file, the table is of the first.
        const first = index.find(({ note }) => note.startsWith(poseFile(`${name}.pdb.gz`)))!;
        const row = rows.find(({ row: number }) => number === first.row)!;
        near(row.score, truthOf(name).output.variant_embedding_zero, name);
      }
      // The original's tables were made with numbers in place of a language model's. Here a nanobody
      // and an antibody of two chains; score-truth.test.ts compares all nine.
      const alone = names.filter((name) => name === "5E5M" || name === "1VFB");
      const fed = sandbox.path(`fed${group}`);
      const given = ["score", ...alone.map((name) => poseFile(`${name}.pdb.gz`)), ...roles];
      if (alone.length > 0) {
        const own = [...given, ...flags, "-o", fed, "--scalars", scalars];
        await sandbox.expect(0, own, { environment });
        for (const { pose, score } of await readScores(fed)) {
          near(score, truthOf(pose).output.dockq, `${pose} with scalars`);
        }
      }
      assert.deepEqual(
        rows.map(({ rank }) => rank),
        rows.map((_, i) => String(i + 1)),
      );
      const scores = rows.map(({ score }) => Number(score));
      assert.deepEqual(
        scores,
        scores.toSorted((a, b) => b - a),
      );
    }
  });

  test("equal poses once in every form, broken ones named, known ones not again", async () => {
    await using sandbox = new Sandbox();
    const regions = sandbox.write("regions.tsv", regionTable(["5E5M"]));
    const lines = atomLines("5E5M");
    const text = `${lines.join("\n")}\nEND\n`;
    const set = (at: number, line: string) => `${lines.with(at, line).join("\n")}\nEND\n`;
    const far = lines.map((line) => moved(line, ([x, y, z], c) => [c === "A" ? x + 300 : x, y, z]));
    sandbox.write("poses/a.pdb", text);
    sandbox.write("poses/b.cif", mmcifText(lines));
    sandbox.write("poses/c.qv", `QV_TAG c one\n${text}QV_TAG c two\n${text}`);
    sandbox.write("poses/d.pdb.gz", gzipSync(modelsText([lines, far])));
    sandbox.write("poses/e.pdb", set(4, `${lines[4]!.slice(0, 30)}  1.0x0 ${lines[4]!.slice(38)}`));
    sandbox.write("poses/f.pdb", set(9, lines[9]!.slice(0, 40)));
    sandbox.write("poses/g.pdb", "");
    sandbox.write("poses/h.pdb", Buffer.from([1, 2, 0, 3, 4, 5, 6, 7, 8]));
    sandbox.write("poses/i.pdb", lines.filter((line) => line[21] !== "A").join("\n"));
    // A chain that is no antibody: the roles are exchanged.
    sandbox.write(
      "poses/j.pdb",
      text.replace(/^(.{21})([AB])/gm, (_, head, c) => head + (c === "A" ? "B" : "A")),
    );
    const args = ["score", sandbox.path("poses"), ...SMALL, "--regions", regions];
    await sandbox.expect(2, [...args, "-o", "out"], { environment });

    const out = sandbox.path("out");
    const rows = await readScores(out);
    assert.deepEqual(
      rows.map(({ pose }) => pose),
      ["a", "b", "c one", "c two", "d_model_1"],
    );
    for (const { pose, score } of rows) {
      near(score, truthOf("5E5M").output.variant_embedding_zero, pose);
    }
    const failed = await readFailed(out);
    const wanted: [id: string, line: string, reason: RegExp][] = [
      [
        "d_model_2",
        String(lines.length + 3),
        /no atom of the antibody .* is within 5 A of the antigen/,
      ],
      ["e", "5", /1\.0x0|coordinate|number/],
      ["f", "10", /column|short|cut/i],
      ["g", "1", /empty/],
      ["h", "1", /binary/],
      ["i", "1", /no antigen chain "A"/],
      ["j", "1", /heavy chain .* has no antibody variable domain/],
    ];
    assert.deepEqual(
      failed.map(({ id, line }) => [id, line]),
      wanted.map(([id, line]) => [id, line]),
    );
    failed.forEach(({ reason }, i) => {
      assert.match(reason, wanted[i]![2]);
    });
    const { counts } = readReport(out);
    assert.deepEqual(
      [counts.records, counts.distinct, counts.computed, counts.rows, counts.failed],
      [12, 3, 1, 5, 7],
    );
    const part = readFileSync(join(out, "scores", "part-00000.parquet"));
    const table = tableFromIPC(readParquet(part).intoIPCStream());
    const parquet = table.toArray().map((row) => row.toJSON());
    assert.deepEqual(
      parquet.map(({ rank, score: _, row, ...rest }) => ({
        rank: String(rank),
        ...rest,
        row: String(row),
      })),
      rows.map(({ score: _, ...rest }) => rest),
    );

    // A second run elsewhere computes nothing that succeeded, and says the same.
    sandbox.write("good/a.pdb", text);
    const again = ["score", sandbox.path("good"), ...SMALL, "--regions", regions];
    const { stderr } = await sandbox.expect(0, [...again, "-o", "again"], { environment });
    assert.match(stderr, /1 distinct, 1 cached/);
    assert.equal(readReport(sandbox.path("again")).counts.computed, 0);
    const [row] = await readScores(sandbox.path("again"));
    assert.equal(row!.score, rows[0]!.score);

    // Nothing left to score, nothing there, nonsense.
    sandbox.write("bad/g.pdb", "");
    mkdirSync(sandbox.path("none"));
    const common = [...SMALL, "--regions", regions, "-o", "x"];
    await sandbox.expect(65, ["score", sandbox.path("bad"), ...common], { environment });
    await sandbox.expect(65, ["score", sandbox.path("none"), ...common], { environment });
    await sandbox.expect(64, ["score", "a.pdb", ...common, "--compat", "--centre", "com"]);
    await sandbox.expect(64, ["score", "a.pdb", "--heavy", "B", "-o", "y"]);
  });

  test("killed in the middle it goes on, and no pose is computed twice", async () => {
    await using sandbox = new Sandbox();
    sandbox.mayLeaveTemporaries = true;
    const regions = sandbox.write("regions.tsv", regionTable(["5E5M"]));
    const lines = atomLines("5E5M");
    // A turn about the origin changes no score; a shift along x makes poses that differ.
    const turned = lines.map((line) => moved(line, ([x, y, z]) => [-y, x, z]));
    const shifted = Array.from({ length: 14 }, (_, i) =>
      lines.map((line) => moved(line, ([x, y, z]) => [x + i / 10, y, z])),
    );
    const file = sandbox.write("poses.pdb", modelsText([turned, ...shifted]));
    const args = ["score", file, ...SMALL, "--regions", regions, "-o", "out", "--engines", "1"];
    const out = sandbox.path("out");
    const first = sandbox.start(args, { environment });
    await until("a durable row", () => (shardNames(out).length > 0 ? true : undefined), 60_000);
    first.kill("SIGKILL");
    await first.ended;
    await until(
      "the fleet's end",
      () => (sandbox.processes().length === 0 ? true : undefined),
      30_000,
    );
    await sandbox.expect(0, args, { environment });
    const { counts } = readReport(out);
    assert.equal(counts.rows, 15);
    assert.ok(counts.cached! >= 1, "what was durable is used");
    assert.equal(counts.cached! + counts.computed!, 15);
    const trace = await readTrace(out);
    const tasks = trace.reduce((sum, { tasks: count }) => sum + Number(count), 0);
    assert.equal(tasks, counts.computed);
    const rows = await readScores(out);
    const of = (model: number) => rows.find(({ pose }) => pose === `poses_model_${model}`)!.score;
    near(of(1), Number(of(2)), "turned about the origin");
    assert.notEqual(of(2), of(15), "scores depend on the place of the origin");
  });
});
