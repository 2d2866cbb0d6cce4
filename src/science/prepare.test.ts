import assert from "node:assert/strict";
import { test } from "node:test";
import { RaysidueError } from "../base/errors.ts";
import type { Structure } from "../formats/structure/structure.ts";
import { StructureBuilder } from "../formats/structure/structure-builder.ts";
import { buildGraph, ORIGINAL_OPTIONS } from "./graph.ts";
import { prepareComplex } from "./prepare.ts";
import { loadTruth } from "./truth.fixture.ts";

/** A structure of residues with one atom each, an alpha carbon or water's oxygen: `chain number name`, `*` for HETATM. */
function structureOf(...rows: string[]): Structure {
  const builder = new StructureBuilder("pose.pdb");
  rows.forEach((row, i) => {
    const [chain, number, name] = row.replace("*", "").split(" ") as [string, string, string];
    const insertion = /[A-Z]$/.exec(number)?.[0] ?? "";
    builder.add(
      {
        atomName: name === "HOH" ? "O" : "CA",
        element: name === "HOH" ? "O" : "C",
        altLoc: 0,
        residueName: name,
        residueNumber: Number.parseInt(number, 10),
        insertion,
        isHetero: row.endsWith("*"),
        chain,
        x: i,
        y: 0,
        z: 0,
      },
      i + 1,
    );
  });
  return builder.finish({ name: "pose", line: 1, modelNumber: 1 });
}

test("an inner hetero residue moves to the end of its part, but not of the sequence", () => {
  const structure = structureOf(
    "H 1 PCA*",
    "H 3 VAL",
    "H 2 GLN",
    "H 2A SER",
    "L 1 ASP",
    "A 9 HOH*",
    "A 5 MSE*",
    "A 7 LYS",
  );
  const choice = { heavy: "H", light: "L", antigen: ["A"] };
  const original = prepareComplex(structure, choice, "original");
  assert.deepEqual(
    original.residues.map((r) => `${"AB"[r.chain]}${r.number}${r.letter}@${r.position}`),
    ["A1Q@2", "A2S@3", "A3V@1", "A4X@0", "A5D@4", "B1K@2", "B2X@1", "B3X@0"],
  );
  assert.deepEqual(original.sequences, {
    heavy: "XVQS",
    light: "D",
    antibody: "XVQSD",
    antigen: "XXK",
  });
  assert.equal(original.antibodyCount, 5);
  const mended = prepareComplex(structure, choice, "residues");
  assert.deepEqual([mended.sequences.heavy, mended.sequences.antigen], ["QVQS", "MK"]);
  assert.deepEqual(
    mended.residues.filter((r) => r.chain === 1).map((r) => [r.name, r.position]),
    [
      ["LYS", 1],
      ["MSE", 0],
      ["HOH", -1],
    ],
  );
});

test("several antigen chains become one, their hetero residues last of all", () => {
  const structure = structureOf("H 1 ALA", "B 2 GLY", "B 1 NAG*", "C 1 SER", "C 8 GOL*");
  const complex = prepareComplex(structure, { heavy: "H", antigen: ["C", "B"] }, "original");
  assert.deepEqual(
    complex.residues.filter((r) => r.chain === 1).map((r) => [r.number, r.source.chain, r.name]),
    [
      [1, "C", "SER"],
      [2, "B", "GLY"],
      [3, "C", "GOL"],
      [4, "B", "NAG"],
    ],
  );
  assert.equal(complex.sequences.antigen, "SXGX");
});

function rejects(run: () => unknown, message: RegExp): void {
  assert.throws(run, (thrown) => {
    assert.ok(thrown instanceof RaysidueError);
    assert.match(thrown.message, message);
    return true;
  });
}

test("chains that are not there, or named twice, and chains that do not touch", () => {
  const structure = structureOf("H 1 ALA", "A 1 GLY");
  rejects(
    () => prepareComplex(structure, { heavy: "X", antigen: ["A"] }, "original"),
    /^pose\.pdb:1: no heavy chain "X" in pose; it has "H", "A"/,
  );
  rejects(
    () => prepareComplex(structure, { heavy: "H", antigen: ["H"] }, "original"),
    /chain "H" is named for two parts/,
  );
  const none = {
    regions: [],
    antibodyScalars: new Float32Array(),
    antigenScalars: new Float32Array(),
  };
  const apart = structureOf(
    "H 1 ALA",
    "L 1 ALA",
    "L 2 ALA",
    "L 3 ALA",
    "L 4 ALA",
    "L 5 ALA",
    "A 1 ALA",
  );
  rejects(
    () => buildGraph(prepareComplex(apart, { heavy: "H", antigen: ["A"] }, "original"), none),
    /^pose\.pdb:1: no atom of the antibody of pose is within 5 A/,
  );
  const complex = prepareComplex(apart, { heavy: "H", antigen: ["A"] }, "original");
  const hetero = (chain: 0 | 1) => ({
    ...complex,
    residues: complex.residues.map((r) => (r.chain === chain ? { ...r, isHetero: true } : r)),
  });
  rejects(
    () => buildGraph(hetero(0), none),
    /^pose\.pdb:1: the antibody of pose has HETATM residues only, .* as ATOM, or name other/,
  );
  rejects(() => buildGraph(hetero(1), none), /the antigen of pose has HETATM residues only/);
});

test("two atoms at one place are refused by name, two close ones are scored", async () => {
  const { complex, annotations, truth } = await loadTruth("5E5M");
  const [a, b] = [truth.nodes[0]![3] - 1, truth.nodes[1]![3] - 1];
  const moved = (by: number) => {
    const { x, y, z } = complex;
    const put = (axis: Float64Array) => axis.map((v, i) => (i === b ? axis[a]! + by : v));
    return { ...complex, x: put(x), y: put(y), z: put(z) };
  };
  rejects(
    () => buildGraph(moved(0), annotations),
    /:1: CB of PRO A25 and C of SER B33 of 5E5M are at the same place/,
  );
  const graph = buildGraph(moved(0.02), annotations);
  for (const { contactArea, vanDerWaals } of [graph.interface, graph.internal]) {
    assert.ok([...contactArea, ...vanDerWaals].every(Number.isFinite));
  }
  assert.ok(graph.clashFraction > 0.02);
});

test("scalars of another length are refused; centring moves nodes and nothing else", async () => {
  const { complex, annotations } = await loadTruth("5E5M");
  rejects(
    () => buildGraph(complex, { ...annotations, antigenScalars: new Float32Array(3) }),
    /3 embedding scalars for an antigen of 116 residues/,
  );
  const plain = buildGraph(complex, annotations);
  const centred = buildGraph(complex, annotations, { ...ORIGINAL_OPTIONS, centre: "com" });
  assert.deepEqual(centred.interface, plain.interface);
  const shift = centred.nodes.map((node, i) => node.x - plain.nodes[i]!.x);
  assert.ok(Math.abs(shift[0]!) > 1);
  for (const one of shift) assert.ok(Math.abs(one - shift[0]!) < 1e-9);
});
