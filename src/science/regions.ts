/**
 * From IMGT numbering of the antibody's sequences to the labels of its residues in a complex.
 *
 * Owns: whose label a residue gets. A numbering is a string with a character a residue of its
 * sequence: `.` outside of the variable domain, `F` framework, `1` `2` `3` the complementarity-
 * determining regions (IMGT positions 27-38, 56-65, 105-117). Invariant: one label a residue of
 * chain A, in its order. Source: DeepRank-Ab 1.0.2 (annotation) for `original`.
 */
import { RaysidueError } from "../base/errors.ts";
import type { Alignment, PreparedComplex } from "./prepare.ts";
import type { Region } from "./residues.ts";

export interface DomainNumbering {
  /** As long as the heavy chain's sequence. */
  readonly heavy: string;
  /** As long as the light chain's; "" without one. */
  readonly light: string;
}

type Role = "H" | "L";

/** Labels of chain A. Throws RaysidueError "bad-input" for a chain without a variable domain. */
export function regionsOf(
  complex: PreparedComplex,
  numbering: DomainNumbering,
  alignment: Alignment,
): Region[] {
  const { heavy, light } = complex.sequences;
  checkNumbering(complex, ["heavy", heavy, numbering.heavy]);
  if (light !== "") checkNumbering(complex, ["light", light, numbering.light]);
  const all = numbering.heavy + numbering.light;
  const roleAt = (position: number): Role => (position < heavy.length ? "H" : "L");
  const antibody = complex.residues.slice(0, complex.antibodyCount);
  if (alignment === "residues") {
    return antibody.map(({ position }) =>
      position < 0 ? "CONST" : labelOf(all[position]!, roleAt(position)),
    );
  }
  const letters = antibody.map(({ name, letter }) => (name === "MSE" ? "M" : letter));
  const labels = letters.map((): Region => "CONST");
  walk(labels, letters, { role: "H", start: 0, sequence: heavy, numbering: numbering.heavy });
  if (light !== "") {
    let start = Math.min(heavy.length, letters.length - 1);
    while (start > 0 && letters[start] !== light[0]) start--;
    walk(labels, letters, { role: "L", start, sequence: light, numbering: numbering.light });
  }
  return labels;
}

function checkNumbering(
  complex: PreparedComplex,
  [part, sequence, numbering]: readonly [string, string, string],
): void {
  if (!/[F123]/.test(numbering)) {
    const text = `the ${part} chain of ${complex.name} has no antibody variable domain`;
    throw new RaysidueError("bad-input", `${complex.where}: ${text}; are the chains named right?`);
  }
  if (numbering.length === sequence.length) return;
  const text = `numbering of ${numbering.length} residues for a ${part} chain of ${sequence.length}`;
  throw new RaysidueError("bad-input", `${complex.where}: ${text}`);
}

function labelOf(character: string, role: Role): Region {
  return character === "1" || character === "2" || character === "3"
    ? (`${role}${character}` as Region)
    : "CONST";
}

/**
 * The original's way: the domain's residues are looked for along the chain, each from where the
 * last was found. Where the chain is in another order than the sequence (an inner hetero residue),
 * labels go astray from there on, which is what the original's scores are made with.
 */
function walk(
  labels: Region[],
  letters: readonly string[],
  chain: { role: Role; start: number; sequence: string; numbering: string },
): void {
  let at = chain.start;
  for (const [i, character] of [...chain.numbering].entries()) {
    if (character === ".") continue;
    while (at < letters.length && letters[at] !== chain.sequence[i]) at++;
    if (at === letters.length) return;
    labels[at++] = labelOf(character, chain.role);
  }
}
