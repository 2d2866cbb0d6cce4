/**
 * Which chains of a structure are heavy, light and antigen, from the domains of their sequences.
 *
 * Owns: the rule. One antibody: its heavy chain is the one with a heavy domain; the light chain is
 * another with a light domain; every other chain with amino acids is antigen, in the order of the
 * file. A chain with both domains is a merged Fv, and has no light chain beside it; without any
 * light domain it is a nanobody. Copies of one antibody (equal heavy domains): the first in the
 * file, the light chain with most close alpha carbons, and the antigens that these touch. Anything
 * else is refused with what was found. Invariant: the choice follows from the structure alone.
 */
import { RaysidueError } from "../base/errors.ts";
import { isHydrogenSymbol } from "../formats/structure/elements.ts";
import type { Structure, StructureChain } from "../formats/structure/structure.ts";
import { CellList } from "./cells.ts";
import type { ChainChoice } from "./chains.ts";
import { countPairs } from "./pairing.ts";
import { type Alignment, chainSequence } from "./prepare.ts";
import { domainsOf } from "./regions.ts";
import { parentLetterOf } from "./residues.ts";

/** What is known of a sequence: its numbering (science/regions.ts), "" without a domain. */
export type NumberingOf = (sequence: string) => string;

export interface ChainRoles {
  readonly choice: ChainChoice;
  /** What was found, in words. */
  readonly said: string;
}

interface Candidate {
  readonly chain: StructureChain;
  readonly sequence: string;
  readonly numbering: string;
}

/** Antibody and antigen touch where atoms other than hydrogen are this close, angstrom. */
const CONTACT = 5;

/** The chains that may have a role, with the sequences to annotate. */
export function polymers(
  structure: Structure,
  alignment: Alignment,
): { readonly chain: StructureChain; readonly sequence: string }[] {
  return structure.chains
    .filter((chain) => hasAminoAcids(structure, chain))
    .map((chain) => ({ chain, sequence: chainSequence(structure, chain, alignment) }));
}

/** Finds the roles. Throws RaysidueError "bad-input" naming the structure and what it has. */
export function findRoles(
  structure: Structure,
  alignment: Alignment,
  numberingOf: NumberingOf,
): ChainRoles {
  const candidates = polymers(structure, alignment).map((one): Candidate => {
    return { ...one, numbering: numberingOf(one.sequence) };
  });
  const withHeavy = candidates.filter(({ numbering }) => domainsOf(numbering).heavy);
  const merged = withHeavy.filter(({ numbering }) => domainsOf(numbering).light);
  const lights = candidates.filter(({ numbering }) => {
    const { heavy, light } = domainsOf(numbering);
    return light && !heavy;
  });
  const others = candidates.filter(({ numbering }) => {
    const { heavy, light } = domainsOf(numbering);
    return !heavy && !light;
  });
  const refuse = (why: string) => {
    const named = (chains: readonly Candidate[]) => (chains.length === 0 ? "none" : list(chains));
    const found = `heavy ${named(withHeavy)}; light ${named(lights)}; others ${named(others)}`;
    const text = `${why} (${found}); name the chains with --heavy, --light and --antigen`;
    const where = `${structure.source}:${structure.line}: ${structure.name}`;
    return new RaysidueError("bad-input", `${where}: ${text}`);
  };
  const [first] = withHeavy;
  if (first === undefined) {
    throw refuse(lights.length === 0 ? "no chain is an antibody's" : "no chain is a heavy chain");
  }
  if (others.length === 0) throw refuse("no chain is an antigen");
  const isCopied = withHeavy.length > 1;
  if (withHeavy.some((one) => heavyLetters(one) !== heavyLetters(first))) {
    throw refuse("there are several antibodies");
  }
  const isMerged = merged.includes(first);
  if (isMerged && lights.length > 0) throw refuse("there are several light domains");
  if (!isCopied && lights.length > 1) throw refuse("there are several light chains");
  const light = isCopied ? closest(structure, first, lights) : lights[0];
  const own = [first, ...(light === undefined ? [] : [light])];
  const antigen = isCopied ? touching(structure, own, others) : others;
  if (antigen.length === 0) throw refuse("the first of several copies touches no antigen");
  const kind = isMerged ? "merged Fv" : light === undefined ? "nanobody" : "heavy";
  const parts = [
    `${kind} ${list([first])}`,
    ...(light === undefined ? [] : [`light ${list([light])}`]),
    `antigen ${list(antigen)}`,
    ...(isCopied ? [`the first of ${withHeavy.length} copies`] : []),
  ];
  return {
    choice: {
      heavy: first.chain.id,
      antigen: antigen.map(({ chain }) => chain.id),
      ...(light !== undefined && { light: light.chain.id }),
    },
    said: parts.join(", "),
  };
}

function list(chains: readonly Candidate[]): string {
  return chains.map(({ chain }) => JSON.stringify(chain.id)).join(" ");
}

function hasAminoAcids(structure: Structure, chain: StructureChain): boolean {
  for (let r = chain.residueStart; r < chain.residueEnd; r++) {
    const { name, isHetero } = structure.residues[r]!;
    if (!isHetero && parentLetterOf(name) !== "X") return true;
  }
  return false;
}

/** The heavy domain's residues: by these, copies are known, whatever their tails. */
function heavyLetters({ sequence, numbering }: Candidate): string {
  return [...sequence].filter((_, i) => "F123".includes(numbering[i]!)).join("");
}

function closest(
  structure: Structure,
  heavy: Candidate,
  lights: readonly Candidate[],
): Candidate | undefined {
  let found: Candidate | undefined;
  let most = 0;
  for (const light of lights) {
    const count = countPairs(structure, heavy.chain.id, light.chain.id) ?? 0;
    if (count > most) [found, most] = [light, count];
  }
  return found;
}

function touching(
  structure: Structure,
  own: readonly Candidate[],
  others: readonly Candidate[],
): Candidate[] {
  const cells = new CellList(
    structure,
    own.flatMap((one) => atomsOf(structure, one)).sort((a, b) => a - b),
    CONTACT,
  );
  const { x, y, z } = structure;
  const isNear = (atom: number) => cells.within(x[atom]!, y[atom]!, z[atom]!, CONTACT, []) > 0;
  return others.filter((one) => atomsOf(structure, one).some(isNear));
}

function atomsOf(structure: Structure, { chain }: Candidate): number[] {
  const { residues, elements } = structure;
  const [from, to] = [residues[chain.residueStart]!, residues[chain.residueEnd - 1]!];
  const atoms: number[] = [];
  for (let atom = from.atomStart; atom < to.atomEnd; atom++) {
    if (!isHydrogenSymbol(elements[atom]!)) atoms.push(atom);
  }
  return atoms;
}
