import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalSequence, RARE_LETTERS, type SequenceRules } from "./sequence.ts";

const RULES: SequenceRules = {
  alphabet: "ACDEFGHIKLMNPQRSTVWY",
  unknownLetters: RARE_LETTERS,
  maxLength: 8,
  onLong: "error",
};

function canonical(text: string, rules: Partial<SequenceRules> = {}) {
  const merged = { ...RULES, ...rules };
  const { residues, changes, problem } = canonicalSequence(Buffer.from(text), merged);
  return { text: Buffer.from(residues).toString(), changes: changes.map((c) => c.text), problem };
}

test("a canonical sequence is returned as it is", () => {
  const raw = Buffer.from("ACDY");
  const { residues, changes, problem } = canonicalSequence(raw, RULES);
  assert.equal(residues, raw);
  assert.deepEqual(changes, []);
  assert.equal(problem, undefined);
});

test("case, gaps and one terminal stop are mended and said", () => {
  assert.deepEqual(canonical("ac-D.e*"), {
    text: "ACDE",
    changes: ["terminal * removed", "3 letters upper-cased", "2 gaps removed"],
    problem: undefined,
  });
});

test("rare letters are kept and said to be read as unknown", () => {
  assert.deepEqual(canonical("AXcB"), {
    text: "AXCB",
    changes: ["1 letters upper-cased", "2 residues read as unknown"],
    problem: undefined,
  });
});

test("a stop inside, or a second one, is an unknown letter", () => {
  assert.match(canonical("AC*D").problem ?? "", /\* at 3/);
  assert.match(canonical("ACD**").problem ?? "", /\* at 4/);
});

test("unknown letters are named with their places, a few at most", () => {
  assert.equal(canonical("AJC1").problem, "letters the model does not know: J at 2, 1 at 4");
  assert.match(canonical("JJJJJJJ").problem ?? "", /J at 5 and 2 more$/);
  assert.match(canonical("A\u00e9").problem ?? "", /byte 0xc3 at 2/);
});

test("nothing but gaps is a record without residues", () => {
  assert.equal(canonical("").problem, "record without residues");
  assert.equal(canonical("--.*").problem, "record without residues");
});

test("a sequence over the limit is refused, cut or kept for windows", () => {
  assert.match(canonical("AAAAAAAAA").problem ?? "", /^9 residues, over the limit of 8/);
  const cut = canonical("AAAAAAAAC", { onLong: "truncate" });
  assert.deepEqual(cut, {
    text: "AAAAAAAA",
    changes: ["truncated to 8 residues, 1 cut off"],
    problem: undefined,
  });
  assert.equal(canonical("AAAAAAAAA", { onLong: "window" }).problem, undefined);
  assert.equal(canonical("AAAAAAAAA", { maxLength: undefined }).problem, undefined);
});

test("a spelled mask is one residue; the byte that stands for it is refused", () => {
  for (const text of ["AC<mask>D", "AC<MASK>D", "AC[MASK]D"]) {
    assert.deepEqual(canonical(text), {
      text: "AC_D",
      changes: ["1 residues masked"],
      problem: undefined,
    });
  }
  assert.match(canonical("AC_D").problem!, /_ at 3/);
  assert.match(canonical("AC<mas").problem!, /< at 3/);
});
