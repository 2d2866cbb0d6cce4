import assert from "node:assert/strict";
import { test } from "node:test";
import type { Structure } from "../formats/structure/structure.ts";
import { findRoles } from "./chain-roles.ts";
import { loadTruth, TRUTH_NAMES, type TruthCase } from "./truth.fixture.ts";

/** Numberings as the annotation would give them, from the original's labels. */
function numberingsOf({ truth }: Pick<TruthCase, "truth">) {
  const { H, L } = truth.sequences;
  const digits = truth.cdr.map(([, , region]) => region[1]!.replace(/\D/, "F"));
  const heavy = digits.slice(0, H.length).join("");
  const light = digits.slice(H.length).map((digit) => "L456"["F123".indexOf(digit)]);
  const known = new Map([[H, heavy]]);
  if (L !== "") known.set(L, light.join(""));
  if (L !== "") known.set(H + L, heavy + light.join(""));
  return (sequence: string) => known.get(sequence) ?? "";
}

/** Two structures as one, the second `shift` angstrom away with its chains renamed. */
function beside(a: Structure, b: Structure, rename: (id: string) => string, shift: number) {
  const join = <T>(first: readonly T[], second: readonly T[]) => [...first, ...second];
  const [atoms, count] = [a.atomCount, a.residues.length];
  return {
    ...a,
    atomCount: atoms + b.atomCount,
    x: Float64Array.from(
      join(
        [...a.x],
        [...b.x].map((x) => x + shift),
      ),
    ),
    y: Float64Array.from(join([...a.y], [...b.y])),
    z: Float64Array.from(join([...a.z], [...b.z])),
    atomNames: join(a.atomNames, b.atomNames),
    elements: join(a.elements, b.elements),
    altLocs: Uint8Array.from(join([...a.altLocs], [...b.altLocs])),
    residues: join(
      a.residues,
      b.residues.map((residue) => ({
        ...residue,
        atomStart: residue.atomStart + atoms,
        atomEnd: residue.atomEnd + atoms,
      })),
    ),
    chains: join(
      a.chains,
      b.chains.map(({ id, residueStart, residueEnd }) => ({
        id: rename(id),
        residueStart: residueStart + count,
        residueEnd: residueEnd + count,
      })),
    ),
  };
}

const without = (structure: Structure, ...ids: string[]): Structure => ({
  ...structure,
  chains: structure.chains.filter(({ id }) => !ids.includes(id)),
});

test("the chains that the original finds", async () => {
  for (const name of TRUTH_NAMES) {
    const found = await loadTruth(name);
    const { heavy, light, antigen_chains_input: antigen } = found.truth.source;
    const { choice } = findRoles(found.structure, "original", numberingsOf(found));
    assert.deepEqual(choice, { heavy, antigen, ...(light !== null && { light }) }, name);
  }
});

test("a merged Fv, and a nanobody, have no light chain", async () => {
  const found = await loadTruth("4G6M_models");
  const [heavy, light] = ["H", "L"].map((id) => found.structure.chains.find((c) => c.id === id)!);
  const fv = { ...heavy!, residueEnd: light!.residueEnd };
  const residues = found.structure.residues.map((residue, r) =>
    r >= light!.residueStart && r < light!.residueEnd
      ? { ...residue, number: residue.number + 1000 }
      : residue,
  );
  const others = without(found.structure, "H", "L").chains;
  const structure = { ...found.structure, residues, chains: [fv, ...others] };
  const numberingOf = numberingsOf(found);
  assert.deepEqual(findRoles(structure, "original", numberingOf), {
    choice: { heavy: "H", antigen: ["B"] },
    said: 'merged Fv "H", antigen "B"',
  });
  const nanobody = findRoles(without(found.structure, "L"), "original", numberingOf);
  assert.equal(nanobody.said, 'nanobody "H", antigen "B"');
});

test("of copies the first, with the light chain and antigen that it touches", async () => {
  const found = await loadTruth("1VFB");
  const lower = (id: string) => id.toLowerCase();
  const { structure } = found;
  const copies = beside(structure, structure, lower, 500);
  const numberingOf = numberingsOf(found);
  const wanted = { heavy: "B", light: "A", antigen: ["C"] };
  const { choice, said } = findRoles(copies, "original", numberingOf);
  assert.deepEqual(choice, wanted);
  assert.match(said, /the first of 2 copies$/);
  // Whichever light chain or antigen the file names first.
  const reversed = { ...copies, chains: copies.chains.toReversed() };
  const first = findRoles(reversed, "original", numberingOf).choice;
  assert.deepEqual(first, { heavy: "b", light: "a", antigen: ["c"] });
  const apart = without(copies, "C");
  assert.throws(() => findRoles(apart, "original", numberingOf), /touches no antigen/);
});

test("what cannot be told apart is refused with what is there", async () => {
  const found = await loadTruth("1VFB");
  const other = await loadTruth("3MJ9");
  const numberingOf = numberingsOf(found);
  const both = (sequence: string) => numberingOf(sequence) || numberingsOf(other)(sequence);
  const upper = (id: string) => `${id}2`;
  const { structure } = found;
  const refused: [Structure, RegExp][] = [
    [without(structure, "B"), /no chain is a heavy chain \(heavy none; light "A"; others "C"\)/],
    [without(structure, "A", "B"), /no chain is an antibody's/],
    [without(structure, "C"), /no chain is an antigen/],
    [beside(structure, other.structure, upper, 500), /several antibodies .*"H2".*--heavy/],
    [beside(structure, without(structure, "B", "C"), upper, 500), /several light chains/],
  ];
  for (const [pose, reason] of refused) {
    assert.throws(() => findRoles(pose, "original", both), { code: "bad-input", message: reason });
  }
});
