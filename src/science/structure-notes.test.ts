import assert from "node:assert/strict";
import { test } from "node:test";
import { readPdb } from "../formats/structure/pdb.ts";
import type { Structure } from "../formats/structure/structure.ts";
import { pairingOf } from "./pairing.ts";
import { notesOf } from "./structure-notes.ts";
import { loadTruth } from "./truth.fixture.ts";

async function fromText(text: string): Promise<Structure> {
  async function* bytes() {
    yield Buffer.from(text);
  }
  for await (const record of readPdb(bytes(), "in.pdb")) {
    if (record.kind === "fault") throw record.fault.error;
    return record.structure;
  }
  throw new Error("no structure");
}

test("each peculiarity is noted with its count and first place", async () => {
  const rows = [
    "ATOM      1  N   ALA A   1       0.000   0.000   0.000",
    "ATOM      2  CA  ALA A   1       1.400   0.000   0.000",
    "ATOM      3  C   ALA A   1       2.000   1.400   0.000",
    "ATOM      4  O   ALA A   1       1.300   2.400   0.000",
    "ATOM      5  HA  ALA A   1       1.300   2.400   1.000",
    // One bond on, with an insertion code, without CA and CB, two places for O.
    "ATOM      6  N   SER A   1B      3.300   1.500   0.000",
    "ATOM      7  C   SER A   1B      4.000   2.800   0.000",
    "ATOM      8  O  ASER A   1B      5.200   2.800   0.000",
    "ATOM      9  O  BSER A   1B      5.300   2.800   0.000",
    // Too far away, and the end.
    "ATOM     10  N   GLY A   9      10.000   1.500   0.000",
    "ATOM     11  CA  GLY A   9      11.400   1.500   0.000",
    "ATOM     12  C   GLY A   9      12.000   2.900   0.000",
    "ATOM     13  O   GLY A   9      11.300   3.900   0.000",
    "ATOM     14  OXT GLY A   9      13.300   2.900   0.000",
    "HETATM   15  O   HOH A 101      20.000   0.000   0.000",
    "HETATM   16  C1  NAG A 102      25.000   0.000   0.000",
    "HETATM   17  C1 ANDG A 103      35.000   0.000   0.000",
  ];
  const found = notesOf(await fromText(rows.join("\n")));
  assert.deepEqual(
    found.map(({ code, count, first }) => `${code} ${count} ${first}`),
    [
      "alternate-locations 3 SER A1B",
      "insertion-codes 1 SER A1B",
      "hetero-residues 2 NAG A102",
      "water 1 HOH A101",
      "hydrogens 1 ALA A1",
      "terminal-oxygens 1 GLY A9",
      "chain-breaks 1 GLY A9",
      "missing-backbone 1 SER A1B",
      "missing-side-chain 2 ALA A1",
    ],
  );
});

test("two residues at one place are noted", async () => {
  const row = (alt: string, name: string) =>
    `ATOM      1  CA ${alt}${name} A   1       0.000   0.000   0.000`;
  const notes = notesOf(await fromText(`${row("A", "GLY")}\n${row("B", "GLN")}`));
  const note = notes.find(({ code }) => code === "several-residues");
  assert.deepEqual(note, { code: "several-residues", count: 1, first: "GLN A1" });
});

test("heavy and light chains of real antibodies are paired; chains apart are not", async () => {
  const { structure } = await loadTruth("4G6J");
  const choice = { heavy: "H", light: "L", antigen: ["A"] };
  assert.equal(pairingOf(structure, choice), "ok");
  assert.equal(pairingOf(structure, { heavy: "H", antigen: ["A"] }), "not_applicable");
  const moved = structure.x.map((x, atom) => {
    const chain = structure.chains.find(({ id }) => id === "L")!;
    const start = structure.residues[chain.residueStart]!.atomStart;
    const end = structure.residues[chain.residueEnd - 1]!.atomEnd;
    return atom >= start && atom < end ? x + 100 : x;
  });
  assert.equal(pairingOf({ ...structure, x: moved }, choice), "low_HL_contacts");
});
