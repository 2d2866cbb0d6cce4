/**
 * From IMGT numbering of the antibody's sequences to the labels of its residues in a complex.
 *
 * Owns: whose label a residue gets. A numbering is a string with a character a residue of its
 * sequence: `.` outside of the variable domain, `F` framework, `1` `2` `3` the complementarity-
 * determining regions (IMGT positions 27-38, 56-65, 105-117); of a light domain `L`, `4` `5` `6`. A
 * chain with one domain has its labels from its role, whichever these are; in one with both, a
 * merged Fv, they tell heavy from light. Invariant: one label a residue of chain A, in its order.
 * Source: DeepRank-Ab 1.0.2 (annotation) for `original`.
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

const HEAVY_REGION = /[123]/;
const LIGHT_REGION = /[456]/;

/** What the domains of a chain's numbering are. */
export function domainsOf(numbering: string): { readonly heavy: boolean; readonly light: boolean } {
  return { heavy: HEAVY_REGION.test(numbering), light: LIGHT_REGION.test(numbering) };
}

/** What a reader of scores should know of the domains of the chosen chains. */
export function domainNotes({ heavy, light }: DomainNumbering): string[] {
  const found = domainsOf(heavy);
  if (found.heavy && found.light) {
    return [
      light === ""
        ? "merged-fv (the heavy chain holds the light domain too)"
        : "merged-fv (the heavy chain holds a light domain, beside the light chain)",
    ];
  }
  return found.light ? ["light-as-heavy (the heavy chain's domain is a light chain's)"] : [];
}

/** Labels of chain A. Throws RaysidueError "bad-input" for a chain without a variable domain. */
export function regionsOf(
  complex: PreparedComplex,
  numbering: DomainNumbering,
  alignment: Alignment,
): Region[] {
  const { heavy, light } = complex.sequences;
  checkNumbering(complex, ["heavy", heavy, numbering.heavy]);
  if (light !== "") checkNumbering(complex, ["light", light, numbering.light]);
  const parts: [string, Role][] = [
    [numbering.heavy, "H"],
    [numbering.light, "L"],
  ];
  const all = parts.flatMap(([text, role]) => labelsOf(text, role));
  const antibody = complex.residues.slice(0, complex.antibodyCount);
  if (alignment === "residues") {
    return antibody.map(({ position }) => all[position] ?? "CONST");
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
  if (/^\.*$/.test(numbering)) {
    const text = `the ${part} chain of ${complex.name} has no antibody variable domain`;
    throw new RaysidueError("bad-input", `${complex.where}: ${text}; are the chains named right?`);
  }
  if (numbering.length === sequence.length) return;
  const text = `numbering of ${numbering.length} residues for a ${part} chain of ${sequence.length}`;
  throw new RaysidueError("bad-input", `${complex.where}: ${text}`);
}

/** The label of each residue of a numbering. */
function labelsOf(numbering: string, role: Role): Region[] {
  const { heavy, light } = domainsOf(numbering);
  return Array.from(numbering, (character) => {
    const at = "123456".indexOf(character);
    if (at < 0) return "CONST";
    const own = heavy && light ? (at < 3 ? "H" : "L") : role;
    return `${own}${(at % 3) + 1}` as Region;
  });
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
  const found = labelsOf(chain.numbering, chain.role);
  const [first, end] = [chain.numbering.search(/[^.]/), chain.numbering.search(/\.*$/)];
  // What lies between two domains is walked too: it must not be taken for the second.
  for (let i = first; i < end; i++) {
    while (at < letters.length && letters[at] !== chain.sequence[i]) at++;
    if (at === letters.length) return;
    labels[at++] = found[i]!;
  }
}
