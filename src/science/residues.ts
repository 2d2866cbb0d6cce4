/**
 * The twenty amino acids and their atoms as the scoring network knows them.
 *
 * Owns: the vocabularies and their order, which is the order of the network's columns. Invariant:
 * an index here is a column there. Source: DeepRank-Ab 1.0.2 (atom graph); hydropathy after Kyte
 * and Doolittle, J. Mol. Biol. 157 (1982), with the graph's own signs.
 */

/** Columns of `res_type`. */
export const RESIDUE_NAMES =
  "CYS HIS ASN GLN SER THR TYR TRP ALA PHE GLY ILE VAL MET PRO LEU GLU ASP LYS ARG".split(" ");
const LETTERS = "CHNQSTYWAFGIVMPLEDKR";

/** Columns of `atom_type`: every heavy atom's name but OXT. */
export const ATOM_NAMES = (
  "N CA C O CB CG CG1 CG2 CD CD1 CD2 CE CE1 CE2 CE3 CZ CZ2 CZ3 CH2 ND1 ND2 NE NE1 NE2 NH1 NH2 " +
  "NZ OD1 OD2 OE1 OE2 OG OG1 OH SD SG"
).split(" ");

/** Columns of `polarity`. */
export const POLARITIES = ["apolar", "polar", "negative", "positive"] as const;

/** Columns of `region`. FR is never produced; it keeps its column. */
export const REGIONS = ["FR", "L1", "L2", "L3", "H1", "H2", "H3", "CONST", "AG"] as const;
export type Region = (typeof REGIONS)[number];

/** By residue index: hydropathy, called charge in the graph. */
const HYDROPATHIES = [
  2.5, -3.2, -3.5, -3.5, -0.8, -0.7, -1.3, -0.9, 1.8, 2.8, -0.4, 4.5, 4.2, 1.9, -1.6, 3.8, -3.5,
  -3.5, -3.9, -4.5,
];
/** By residue index: column of `polarity`. */
const POLARITY_COLUMNS = [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 3, 3];

const residueIndices = new Map(RESIDUE_NAMES.map((name, index) => [name, index]));
const atomIndices = new Map(ATOM_NAMES.map((name, index) => [name, index]));

/**
 * Modified amino acids and the one they come from, for sequences that a language model should
 * understand. PCA forms from glutamine or glutamate; antibodies' heavy chains begin with either,
 * and glutamine is the commoner.
 */
const PARENTS: Readonly<Record<string, string>> = {
  MSE: "M",
  PCA: "Q",
  SEP: "S",
  TPO: "T",
  PTR: "Y",
  CSO: "C",
  CSS: "C",
  CME: "C",
  OCS: "C",
  KCX: "K",
  MLY: "K",
  M3L: "K",
  HYP: "P",
  SEC: "C",
};

/** Column of a residue's name, or -1 for anything but the twenty. */
export function residueIndexOf(name: string): number {
  return residueIndices.get(name) ?? -1;
}

/** Column of an atom's name, or -1 for hydrogens, OXT and whatever else. */
export function atomIndexOf(name: string): number {
  return atomIndices.get(name) ?? -1;
}

/** One-letter code; X for anything but the twenty. */
export function letterOf(name: string): string {
  const index = residueIndexOf(name);
  return index < 0 ? "X" : LETTERS.charAt(index);
}

/** One-letter code, modified amino acids as their parent; X for what has none. */
export function parentLetterOf(name: string): string {
  return PARENTS[name] ?? letterOf(name);
}

/** Hydropathy of a residue by its column. */
export function hydropathyOf(residueIndex: number): number {
  return HYDROPATHIES[residueIndex]!;
}

/** Column of `polarity` of a residue by its column. */
export function polarityOf(residueIndex: number): number {
  return POLARITY_COLUMNS[residueIndex]!;
}
