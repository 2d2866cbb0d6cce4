import assert from "node:assert/strict";
import { test } from "node:test";
import type { Structure } from "../formats/structure/structure.ts";
import { cured, healthOf } from "./health.ts";
import { prepareComplex } from "./prepare.ts";
import { notesOf } from "./structure-notes.ts";
import { loadTruth } from "./truth.fixture.ts";

const CHOICE = { heavy: "B", light: "A", antigen: ["C"] };

test("a crystal structure is healthy; each illness is found", async () => {
  const { structure } = await loadTruth("1VFB");
  assert.deepEqual(healthOf(structure, CHOICE), ["terminal-oxygens"]);
  const healthy = cured(structure);
  const chain = healthy.chains.find(({ id }) => id === "C")!;
  const [first, last] = [
    healthy.residues[chain.residueStart]!,
    healthy.residues[chain.residueEnd - 1]!,
  ];
  const shifted = (shift: number): Structure => ({
    ...healthy,
    x: healthy.x.map((x, a) => (a >= first.atomStart && a < last.atomEnd ? x + shift : x)),
  });
  const renamed = (from: string, to: string, one = 1): Structure => {
    let count = 0;
    const rename = (name: string) => (name === from && count++ % one === 0 ? to : name);
    return { ...healthy, atomNames: healthy.atomNames.map(rename) };
  };
  const residues = (one: number, change: object): Structure => ({
    ...healthy,
    residues: healthy.residues.map((each, r) => (r % one === 0 ? { ...each, ...change } : each)),
  });
  const ill: [Structure, string[]][] = [
    [healthy, []],
    [
      { ...healthy, elements: healthy.elements.map((e, a) => (a % 40 === 0 ? "H" : e)) },
      ["hydrogens"],
    ],
    [
      { ...healthy, altLocs: healthy.altLocs.map((_, a) => (a % 10 === 0 ? 65 : 0)) },
      ["alternate-locations"],
    ],
    [renamed("O", "O1", 20), ["missing-backbone"]],
    [renamed("O", "O1"), ["broken-backbone"]],
    [shifted(25), ["far-apart"]],
    [shifted(60), ["not-docked"]],
    [shifted(20_000), ["not-docked", "extreme-coordinates"]],
    [residues(100, { name: "UNK" }), ["unknown-residues"]],
    [residues(15, { name: "MSE", isHetero: true }), ["modified-residues"]],
    [residues(2, { name: "HOH", isHetero: true }), []],
  ];
  for (const [pose, wanted] of ill) assert.deepEqual(healthOf(pose, CHOICE), wanted);
  assert.throws(() => healthOf(structure, { ...CHOICE, heavy: "X" }), /no heavy chain/);
});

test("the cure leaves out hydrogens and terminal oxygens, and nothing else", async () => {
  const { structure } = await loadTruth("4G6M_models");
  const codes = (pose: Structure) => notesOf(pose).map(({ code }) => code as string);
  const pose = cured(structure);
  assert.ok(codes(structure).includes("hydrogens"));
  const left = codes(structure).filter(
    (code) => code !== "hydrogens" && code !== "terminal-oxygens",
  );
  assert.deepEqual(codes(pose), left);
  assert.equal(cured(pose), pose);
  const choice = { heavy: "H", light: "L", antigen: ["B"] };
  const [before, after] = [structure, pose].map((one) => prepareComplex(one, choice, "original"));
  assert.deepEqual(after!.sequences, before!.sequences);
  const kept = [...before!.elements.keys()].filter(
    (atom) => before!.elements[atom] !== "H" && before!.atomNames[atom] !== "OXT",
  );
  assert.deepEqual(
    after!.atomNames,
    kept.map((atom) => before!.atomNames[atom]),
  );
  assert.deepEqual(
    [...after!.x],
    kept.map((atom) => before!.x[atom]),
  );
});
