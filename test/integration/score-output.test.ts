/**
 * What `raysidue score` leaves behind besides the ranking, as real processes.
 *
 * Proves: copies of the best poses are those poses (scored again they are known, and nothing is
 * computed), under names that no pose's name can turn into a path; graphs are the original's, number
 * for number; a run shows what it has while it goes on; the statistics are those of the scores. Fetches the scoring network once (53 MB); skips aloud where PyPI cannot be reached.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type Dataset, File, type Group, ready } from "h5wasm/node";
import { GRAPH_COLUMNS } from "../../src/driver/poses/graph-files.ts";
import { PARTIAL_COLUMNS } from "../../src/driver/poses/partial-ranking.ts";
import { TOP_COLUMNS } from "../../src/driver/poses/top-poses.ts";
import { readIndex, readReport, readScores, readTable } from "../support/outputs.ts";
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

const SMALL = ["--heavy", "B", "--antigen", "A", "--embed-model", "none"];

/** The atoms of 5E5M, so far along x: the score differs. */
const at = (shift: number) =>
  atomLines("5E5M").map((line) => moved(line, ([x, y, z]) => [x + shift, y, z]));

describe("what score leaves behind", { skip: await scorerProblem() }, () => {
  test("copies of the best poses are those poses, in every form", async () => {
    await using sandbox = new Sandbox();
    const regions = sandbox.write("regions.tsv", regionTable(["5E5M"]));
    const plain = (shift: number) => `${at(shift).join("\n")}\nEND\n`;
    sandbox.write("poses/a b.pdb", plain(0));
    sandbox.write("poses/b.pdb.gz", gzipSync(plain(1)));
    sandbox.write("poses/c.cif", mmcifText(at(2)));
    sandbox.write("poses/d.pdb.gz", gzipSync(modelsText([at(3), at(4), at(5)])));
    const tags = ["../../../out", "/etc/passwd"];
    const entries = tags.map((tag, i) => `QV_TAG ${tag}\nQV_SCORE ${tag} a=1\n${plain(6 + i)}`);
    sandbox.write("poses/e.qv", entries.join(""));
    sandbox.write("poses/f.cif", mmcifText(at(8), at(9)));
    const args = ["score", sandbox.path("poses"), ...SMALL, "--regions", regions, "-o", "out"];
    const { stderr } = await sandbox.expect(0, [...args, "--top", "9", "--copy-poses"], {
      environment,
    });
    const out = sandbox.path("out");
    const ranking = await readScores(out);
    assert.equal(ranking.length, 10);
    const top = await readTable(join(out, "top", "poses.tsv"), TOP_COLUMNS);
    assert.deepEqual(
      top.map(({ rank, pose, score }) => [rank, pose, score]),
      ranking.slice(0, 9).map(({ rank, pose, score }) => [rank, pose, score]),
    );
    assert.match(stderr, new RegExp(`1\\. \\d\\.\\d+ "${top[0]!.pose}"`));
    const copies = top.map(({ copy }) => copy);
    assert.deepEqual(readdirSync(join(out, "top")).sort(), [...copies, "poses.tsv"].sort());
    for (const { copy, how, file, pose } of top) {
      assert.match(copy, /^\d_[A-Za-z0-9._-]*\.(pdb|pdb\.gz|cif)$/);
      const isAlone = /[abc]\.(pdb|pdb\.gz|cif)$/.test(file);
      assert.equal(how, isAlone ? "copied" : "cut out", pose);
      if (!isAlone) continue;
      assert.deepEqual(readFileSync(join(out, "top", copy)), readFileSync(file));
    }

    // Scored again, every copy is known: it is the same pose to the last bit.
    const again = ["score", join(out, "top"), ...SMALL, "--regions", regions, "-o", "again"];
    await sandbox.expect(0, again, { environment });
    const { counts } = readReport(sandbox.path("again"));
    assert.deepEqual([counts.records, counts.computed], [9, 0]);
    const rescored = await readScores(sandbox.path("again"));
    assert.deepEqual(
      rescored.map(({ score }) => score),
      top.map(({ score }) => score),
    );

    // Residues, not bytes; the statistics are those of the table.
    for (const { length } of await readIndex(out)) assert.equal(length, "228");
    const { statistics } = readReport(out);
    const scores = ranking.map(({ score }) => Number(score));
    const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
    assert.ok(Math.abs(statistics!.mean - mean) < 1e-6);
    assert.ok(Math.abs(statistics!.max - scores[0]!) < 1e-6);
    assert.equal(statistics!.high + statistics!.medium + statistics!.low, 10);
    assert.equal(statistics!.flagged.off_centre, 10);
    assert.match(stderr, /scores: mean 0\.\d+, median/);
    for (const row of ranking) {
      assert.equal(row.HL_contact_flag, "not_applicable");
      assert.match(row.vdw_clash_flag, /^(ok|potential_clash)$/);
      assert.match(row.notes, /off_centre \d+\.\d A; embedding none$/);
    }

    // The same command without copies leaves none.
    await sandbox.expect(0, args, { environment });
    assert.ok(!existsSync(join(out, "top")));
  });

  test("graphs in the original's layout, number for number", async () => {
    await using sandbox = new Sandbox();
    const regions = sandbox.write("regions.tsv", regionTable(["5E5M"]));
    const scalars = sandbox.write("scalars.tsv", scalarTable(["5E5M"]));
    const file = poseFile("5E5M.pdb.gz");
    const other = sandbox.write("5E5M.pdb", `${at(0).join("\n")}\nEND\n`);
    const chains = ["--heavy", "B", "--antigen", "A", "--compat"];
    const args = ["score", file, other, ...chains, "--regions", regions, "--scalars", scalars];
    const kept = [...args, "-o", "out", "--keep-graphs"];
    await sandbox.expect(0, kept, { environment });
    const folder = join(sandbox.path("out"), "graphs");
    assert.deepEqual(
      (await readTable(join(folder, "graphs.tsv"), GRAPH_COLUMNS)).map(({ group }) => group),
      ["5E5M", "5E5M%~2"],
    );
    const truth = truthOf("5E5M");
    for (const { score } of await readScores(sandbox.path("out"))) {
      assert.ok(Math.abs(Number(score) - truth.output.dockq) <= 1e-5);
    }
    await ready;
    const hdf5 = new File(join(folder, "part-00000.h5"), "r");
    const group = hdf5.get("5E5M") as Group;
    const dataset = (path: string) => group.get(path) as Dataset;
    const values = (path: string) => Array.from(dataset(path).value as ArrayLike<number>, Number);
    assert.deepEqual(
      dataset("nodes").value,
      truth.nodes.flatMap((row) => row.slice(0, 5).map(String)),
    );
    assert.deepEqual(dataset("nodes").shape, [truth.nodes.length, 5]);
    assert.deepEqual(
      values("node_data/pos"),
      truth.nodes.flatMap((row) => row.slice(5, 8).map(Number)),
    );
    assert.deepEqual(
      values("node_data/embedding"),
      truth.nodes.map((row) => row[14]),
    );
    const oneHot = truth.nodes.flatMap((row) =>
      Array.from({ length: 9 }, (_, i) => +(i === row[12])),
    );
    assert.deepEqual(values("node_data/region"), oneHot);
    for (const [prefix, edges] of [
      ["", truth.interface_edges],
      ["internal_", truth.internal_edges],
    ] as const) {
      assert.deepEqual(dataset(`${prefix}edges`).shape, [edges.length, 2, 5]);
      assert.deepEqual(
        values(`${prefix}edge_index`),
        edges.flatMap((edge) => edge.slice(0, 2)),
      );
      const columns = ["dist", "elec", "vdw", "covalent", "voro_area"];
      columns.forEach((name, i) => {
        values(`${prefix}edge_data/${name}`).forEach((value, edge) => {
          const wanted = edges[edge]![2 + i]!;
          assert.ok(Math.abs(value - wanted) <= 1e-4 * Math.max(1, Math.abs(wanted)), name);
        });
      });
    }
    assert.deepEqual(values("clustering/mcl/depth_0"), truth.clusters.depth_0);
    assert.deepEqual(values("clustering/mcl/depth_1"), truth.clusters.depth_1);
    assert.deepEqual((group.get("score") as Group).keys(), []);
    hdf5.close();

    // Known with their graphs; in the same folder the same scores may go without.
    await sandbox.expect(0, kept, { environment });
    assert.equal(readReport(sandbox.path("out")).counts.computed, 0);
    await sandbox.expect(0, [...args, "-o", "out"], { environment });
    assert.ok(!existsSync(folder));
  });

  test("while it runs, what is committed stands ranked in a table that is whole", async () => {
    await using sandbox = new Sandbox();
    sandbox.mayLeaveTemporaries = true;
    const regions = sandbox.write("regions.tsv", regionTable(["5E5M"]));
    const models = Array.from({ length: 12 }, (_, i) => at(i / 10));
    const file = sandbox.write("poses.pdb", modelsText(models));
    const out = sandbox.path("out");
    const partial = join(out, "scores.partial.tsv");
    const one = ["-o", "out", "--engines", "1", "--partial-every", "100ms"];
    const args = ["score", file, ...SMALL, "--regions", regions, ...one];
    const first = sandbox.start(args, { environment });
    const rows = await until("a partial ranking", async () => {
      const found = existsSync(partial) ? await readTable(partial, PARTIAL_COLUMNS) : [];
      return found.length > 1 ? found : undefined;
    });
    first.kill("SIGKILL");
    await first.ended;
    assert.ok(rows.length <= 12);
    assert.deepEqual(
      rows.map(({ rank }) => rank),
      rows.map((_, i) => String(i + 1)),
    );
    assert.ok(existsSync(partial), "a killed run leaves it");
    await until("the fleet's end", () => (sandbox.processes().length === 0 ? true : undefined));
    await sandbox.expect(0, args, { environment });
    assert.ok(!existsSync(partial), "the end replaces it");
    const scores = new Map((await readScores(out)).map(({ pose, score }) => [pose, score]));
    assert.equal(scores.size, 12);
    for (const { pose, score, file: from } of rows) {
      assert.equal(score, scores.get(pose), pose);
      assert.equal(from, file);
    }
  });

  test("of standard input, what was scored is copied", async () => {
    await using sandbox = new Sandbox();
    const regions = sandbox.write("regions.tsv", regionTable(["5E5M"]));
    const args = ["score", "-", ...SMALL, "--regions", regions, "-o", "out", "--copy-poses"];
    await sandbox.expect(0, args, { environment, input: `${at(0).join("\n")}\nEND\n` });
    const [copied] = await readTable(join(sandbox.path("out"), "top", "poses.tsv"), TOP_COLUMNS);
    assert.equal(copied!.how, "chosen chains");
    const file = join(sandbox.path("out"), "top", copied!.copy);
    const again = ["score", file, ...SMALL, "--regions", regions, "-o", "again"];
    await sandbox.expect(0, again, { environment });
    assert.equal(readReport(sandbox.path("again")).counts.computed, 0);
  });
});
