/**
 * Files of poses that are broken, each in its own way, beside good ones.
 *
 * Proves: every fault is in failed.tsv with the line it stands on, the rest is scored, and the exit
 * is 2; where nothing is left it is 65, and there is no ranking. Fetches the scoring network once
 * (53 MB); skips aloud where PyPI cannot be reached.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { readFailed, readReport, readScores } from "../support/outputs.ts";
import { atomLines, mmcifText, modelsText, moved, regionTable } from "../support/poses.ts";
import { Sandbox } from "../support/sandbox.ts";
import { SCORER_ENVIRONMENT as environment, scorerProblem } from "../support/scorer.ts";

/** 5E5M: a nanobody (B) on its antigen (A). */
const FLAGS = ["--heavy", "B", "--antigen", "A", "--embed-model", "none"];
const lines = atomLines("5E5M");
const file = (atoms: readonly string[]) => `${atoms.join("\n")}\nEND\n`;
const put = (line: string, at: number, text: string) =>
  line.slice(0, at) + text + line.slice(at + text.length);
/** The pose with its fifth line changed. */
const fifth = (change: (line: string) => string) => file(lines.with(4, change(lines[4]!)));
const isOf = (chain: string) => (line: string) => line[21] === chain;

/** A million atoms, ten to a residue. */
function million(): string {
  const texts: string[] = [];
  for (let atom = 0; atom < 1_000_000; atom++) {
    const residue = Math.floor(atom / 10);
    const chain = "ABCDEFGHIJ"[Math.floor(residue / 10_000)]!;
    const number = String(residue % 10_000).padStart(4);
    texts.push(
      `ATOM  ${String(atom % 100_000).padStart(5)}  C${atom % 10}  ALA ${chain}${number}       0.000   0.000   0.000`,
    );
  }
  return file(texts);
}

const cif = mmcifText(lines).split("\n");
const firstRow = cif.findIndex((line) => line.startsWith("ATOM"));
const cifWith = (at: number, change: (line: string) => string) =>
  cif.with(at, change(cif[at]!)).join("\n");

type Fault = [name: string, content: string | Uint8Array, line: number, reason: RegExp];

/** By the name of the file, in the order in which files are read. */
const FAULTS: readonly Fault[] = [
  ["a-garbled.pdb", fifth((line) => put(line, 30, "  1.0x0 ")), 5, /x coordinate " {2}1\.0x0 "/],
  ["b-blank.pdb", fifth((line) => put(line, 46, "        ")), 5, /z coordinate/],
  ["c-infinite.pdb", fifth((line) => put(line, 38, "     inf")), 5, /y coordinate/],
  ["d-far.pdb", fifth((line) => put(line, 38, "1e10    ")), 5, /y coordinate/],
  ["e-cut.pdb", lines.slice(0, 9).join("\n").slice(0, -40), 9, /ends at column \d+.*cut short/],
  ["f-number.pdb", fifth((line) => put(line, 22, " 1x ")), 5, /residue number/],
  ["g-name.pdb", fifth((line) => put(line, 12, "    ")), 5, /atom has no name/],
  ["h-twice.pdb", file([...lines.slice(0, 5), ...lines.slice(4)]), 6, /given twice/],
  ["i-record.pdb", fifth((line) => put(line, 0, "ATOMX ")), 5, /begins no record/],
  ["j-after.pdb", `${file(lines.slice(0, 9))}${file(lines.slice(9))}`, 11, /atoms after END/],
  ["k-model.pdb", `MODEL        1\n${lines.join("\n")}\n`, lines.length + 1, /no ENDMDL/],
  ["l-no-antigen.pdb", file(lines.filter(isOf("B"))), 1, /no antigen chain "A".* it has "B"/],
  ["m-no-heavy.pdb", file(lines.filter(isOf("A"))), 1, /no heavy chain "B".* it has "A"/],
  [
    "n-apart.pdb",
    file(lines.map((line) => moved(line, ([x, y, z], c) => [c === "A" ? x + 300 : x, y, z]))),
    1,
    /no atom of the antibody .* is within 5 A of the antigen/,
  ],
  [
    "o-roles.pdb",
    file(lines.map((line) => put(line, 21, line[21] === "A" ? "B" : "A"))),
    1,
    /heavy chain .* no antibody variable domain; are the chains named right/,
  ],
  ["p-empty.pdb", "", 1, /is empty/],
  ["q-binary.pdb", Buffer.from([65, 0, 66, 1, 2, 3, 4, 5, 6]), 1, /is a binary file/],
  ["r-truncated.pdb.gz", gzipSync(file(lines)).subarray(0, 9000), 1, /truncated gzip/],
  ["s-prose.pdb", "Dear colleague,\nhere are the poses.\n", 2, /no ATOM record/],
  ["t-million.pdb.gz", gzipSync(million(), { level: 1 }), 500_001, /more than 500000 atoms/],
  [
    "u-row.cif",
    cifWith(firstRow + 3, (line) => line.replace(/ (\S+)$/, "")),
    firstRow + 4,
    /row with too few values/,
  ],
  [
    "v-value.cif",
    cifWith(firstRow + 3, (line) => line.replace(/-?\d+\.\d+/, "1.2.3")),
    firstRow + 4,
    /cartn_x "1\.2\.3"/,
  ],
  [
    "w-column.cif",
    cif.filter((line) => line !== "_atom_site.Cartn_y").join("\n"),
    firstRow,
    /no cartn_y/,
  ],
];

describe("broken poses", { skip: await scorerProblem() }, () => {
  test("each is named with its line, and the rest is scored", async () => {
    await using sandbox = new Sandbox();
    const regions = sandbox.write("regions.tsv", regionTable(["5E5M"]));
    for (const [name, content] of FAULTS) sandbox.write(`poses/${name}`, content);
    sandbox.write("poses/x-good.pdb", file(lines));
    symlinkSync("nowhere.pdb", sandbox.path("poses", "x-lost.pdb"));
    // One model of three is broken, and one entry of an archive is missing.
    const models = [lines, lines.with(1, lines[1]!.slice(0, 50)), lines];
    sandbox.write("poses/y-models.pdb", modelsText(models));
    sandbox.write("poses/z-cut.qv", `QV_TAG one\n${file(lines)}`);
    sandbox.write("poses/z-cut.qv.idx", "one\t0\ntwo\t999999\n");
    sandbox.write("poses/z-stale.qv", `QV_TAG other\n${file(lines)}`);
    sandbox.write("poses/z-stale.qv.idx", "one\t0\n");
    const args = ["score", sandbox.path("poses"), ...FLAGS, "--regions", regions, "-o", "out"];
    const { stderr } = await sandbox.expect(2, args, { environment });
    const out = sandbox.path("out");
    const failed = await readFailed(out);
    const wanted: [file: string, line: number, reason: RegExp][] = [
      ...FAULTS.map(([name, , line, reason]): [string, number, RegExp] => [name, line, reason]),
      ["x-lost.pdb", 1, /cannot read .*x-lost\.pdb: no such file/],
      ["y-models.pdb", lines.length + 5, /ends at column 50/],
      ["z-cut.qv", lines.length + 2, /archive ends before entry "two" of its index/],
    ];
    assert.deepEqual(
      failed.map((row) => [row.file, row.line]),
      wanted.map(([name, line]) => [sandbox.path("poses", name), String(line)]),
    );
    for (const [i, { reason }] of failed.entries()) assert.match(reason, wanted[i]![2]);
    assert.match(stderr, /z-stale\.qv\.idx is stale/);
    const poses = (await readScores(out)).map(({ pose }) => pose);
    assert.deepEqual(poses, ["x-good", "y-models_model_1", "y-models_model_3", "one", "other"]);
    assert.equal(readReport(out).exit, 2);
  });

  test("where nothing is left, or nothing was there, there is no ranking", async () => {
    await using sandbox = new Sandbox();
    const regions = sandbox.write("regions.tsv", regionTable(["5E5M"]));
    sandbox.write("bad/a.pdb", FAULTS[0]![1]);
    sandbox.write("bad/b.pdb", FAULTS[4]![1]);
    mkdirSync(sandbox.path("none"));
    const refused: [inputs: string, reason: RegExp][] = [
      ["bad", /no pose was scored: .*bad\/a\.pdb:5: x coordinate/],
      ["none", /none: directory without structures; looked for \.pdb/],
      ["missing.pdb", /missing\.pdb: no such file/],
      ["bad/*.cif", /bad\/\*\.cif: no file matches the pattern/],
    ];
    for (const [inputs, reason] of refused) {
      const args = ["score", sandbox.path(inputs), ...FLAGS, "--regions", regions, "-o", "out"];
      const { stderr, stdout } = await sandbox.expect(65, args, { environment });
      assert.match(stderr, reason);
      assert.equal(stdout, "");
      assert.equal(existsSync(sandbox.path("out", "run.json")), false);
      if (inputs === "bad") assert.equal((await readFailed(sandbox.path("out"))).length, 2);
    }
  });
});
