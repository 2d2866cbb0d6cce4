import assert from "node:assert/strict";
import { test } from "node:test";
import type { Structure } from "../formats/structure/structure.ts";
import { prepareComplex } from "./prepare.ts";
import { domainNotes, regionsOf } from "./regions.ts";
import { loadTruth } from "./truth.fixture.ts";

/** The structure with its chains H and L as one chain H, as docking programs write them. */
function merged(structure: Structure): Structure {
  const [heavy, light] = ["H", "L"].map((id) => structure.chains.find((one) => one.id === id)!);
  assert.equal(heavy!.residueEnd, light!.residueStart);
  const residues = structure.residues.map((residue, r) =>
    r >= light!.residueStart && r < light!.residueEnd
      ? { ...residue, number: residue.number + 1000 }
      : residue,
  );
  const both = { ...heavy!, residueEnd: light!.residueEnd };
  const others = structure.chains.filter(({ id }) => id !== "H" && id !== "L");
  return { ...structure, residues, chains: [both, ...others] };
}

test("a merged Fv has the labels that its halves have as chains of their own", async () => {
  const { structure, truth } = await loadTruth("4G6M_models");
  const antigen = truth.source.antigen_chains_input;
  const { H, L } = truth.sequences;
  const digits = truth.cdr.map(([, , region]) => region[1]!.replace(/\D/, "F")).join("");
  const heavy = digits.slice(0, H.length);
  const light = digits.slice(H.length);
  const inFv = [...light].map((one) => "L456"["F123".indexOf(one)]).join("");
  assert.equal(L.length, light.length);
  for (const alignment of ["original", "residues"] as const) {
    const wanted = truth.cdr.map(([, , region]) => region);
    const split = prepareComplex(structure, { heavy: "H", light: "L", antigen }, alignment);
    assert.deepEqual(regionsOf(split, { heavy, light }, alignment), wanted);
    // A light chain's own characters mean the same.
    assert.deepEqual(regionsOf(split, { heavy, light: inFv }, alignment), wanted);
    const one = prepareComplex(merged(structure), { heavy: "H", antigen }, alignment);
    assert.equal(one.sequences.heavy, H + L);
    assert.deepEqual(regionsOf(one, { heavy: heavy + inFv, light: "" }, alignment), wanted);
  }
  assert.match(domainNotes({ heavy: heavy + inFv, light: "" })[0]!, /^merged-fv/);
  assert.match(domainNotes({ heavy: inFv, light: heavy })[0]!, /^light-as-heavy/);
  assert.deepEqual(domainNotes({ heavy, light: inFv }), []);
});

test("residues between two domains are taken neither for one nor the other", async () => {
  const { structure, truth } = await loadTruth("4G6M_models");
  const antigen = truth.source.antigen_chains_input;
  const one = prepareComplex(merged(structure), { heavy: "H", antigen }, "original");
  // As if the last framework of the heavy domain were a linker: the light domain stays in place.
  const digits = truth.cdr.map(([, , region]) => region[1]!.replace(/\D/, "F"));
  const { H } = truth.sequences;
  const numbering = digits
    .map((digit, i) => (i < H.length ? digit : "L456"["F123".indexOf(digit)]))
    .map((digit, i) => (i >= H.length - 11 && i < H.length + 2 ? "." : digit))
    .join("");
  const wanted = truth.cdr.map(([, , region]) => region);
  assert.deepEqual(regionsOf(one, { heavy: numbering, light: "" }, "original"), wanted);
});
