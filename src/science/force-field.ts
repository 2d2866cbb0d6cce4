/**
 * Charges and van der Waals parameters of heavy atoms of amino acids.
 *
 * Owns: the tables. Invariant: an atom that is not in them has neither charge nor size. Units:
 * elementary charges, kcal/mol, angstrom. Source: the OPLS parameters of the CNS force field
 * allhdg5 (united-atom charges), with the terminal and histidine variants that the original
 * recognises by the names of a residue's atoms.
 */

export interface AtomParameters {
  readonly charge: number;
  readonly epsilon: number;
  readonly sigma: number;
  /** For atoms three bonds apart (recognised by distance). */
  readonly epsilon14: number;
  readonly sigma14: number;
}

/** Atom classes: epsilon, sigma, epsilon at 1-4, sigma at 1-4. */
const CLASSES: Readonly<Record<string, readonly [number, number, number, number]>> = {
  C: [0.105, 3.75, 0.013, 3.75],
  CY2: [0.105, 3.75, 0.013, 3.75],
  CY: [0.11, 3.75, 0.014, 3.75],
  CF: [0.11, 3.75, 0.014, 3.75],
  CR1E: [0.11, 3.75, 0.014, 3.75],
  CR1W: [0.11, 3.75, 0.014, 3.75],
  CR1H: [0.145, 3.75, 0.018, 3.75],
  CRHH: [0.145, 3.75, 0.018, 3.75],
  CW: [0.145, 3.75, 0.018, 3.75],
  C5W: [0.145, 3.75, 0.018, 3.75],
  C5: [0.145, 3.75, 0.145, 3.75],
  CRH: [0.145, 3.75, 0.145, 3.75],
  CH1E: [0.08, 3.8, 0.01, 3.8],
  CH2E: [0.118, 3.905, 0.015, 3.905],
  CH2G: [0.118, 3.8, 0.015, 3.8],
  CH2P: [0.118, 3.905, 0.015, 3.905],
  CH3E: [0.16, 3.91, 0.02, 3.91],
  N: [0.17, 3.25, 0.021, 3.25],
  O: [0.21, 2.96, 0.021, 2.96],
  OC: [0.21, 2.96, 0.021, 2.96],
  OH1: [0.17, 3.07, 0.021, 3.07],
  S: [0.25, 3.55, 0.031, 3.55],
};

/** `name:class:charge`; all nitrogens and all sulphurs share one class. */
const BACKBONE = "N:N:-0.57 CA:CH1E:0.2 C:C:0.5 O:O:-0.5";
const SIDE_CHAINS: Readonly<Record<string, string>> = {
  ALA: "CB:CH3E:0",
  ARG: "CB:CH2E:0 CG:CH2E:0.07 CD:CH2E:0.31 NE:N:-0.7 CZ:C:0.64 NH1:N:-0.8 NH2:N:-0.8",
  ASN: "CB:CH2E:0 CG:C:0.5 OD1:O:-0.5 ND2:N:-0.85",
  ASP: "CB:CH2E:-0.1 CG:C:0.7 OD1:OC:-0.8 OD2:OC:-0.8",
  CYS: "CB:CH2E:0.18 SG:S:-0.45",
  GLN: "CB:CH2E:0 CG:CH2E:0 CD:C:0.5 OE1:O:-0.5 NE2:N:-0.85",
  GLU: "CB:CH2E:0 CG:CH2E:-0.1 CD:C:0.7 OE1:OC:-0.8 OE2:OC:-0.8",
  GLY: "CA:CH2G:0.2",
  HIS: "CB:CH2E:0 CG:C5:0.33 ND1:N:-0.54 CD2:CR1H:0.33 CE1:CRHH:0.5 NE2:N:-0.54",
  ILE: "CB:CH1E:0 CG1:CH2E:0 CG2:CH3E:0 CD1:CH3E:0",
  LEU: "CB:CH2E:0 CG:CH1E:0 CD1:CH3E:0 CD2:CH3E:0",
  LYS: "CB:CH2E:0 CG:CH2E:0 CD:CH2E:0 CE:CH2E:0.31 NZ:N:-0.3",
  MET: "CB:CH2E:0 CG:CH2E:0.235 SD:S:-0.47 CE:CH3E:0.235",
  PHE: "CB:CH2E:0 CG:CF:0 CD1:CR1E:0 CD2:CR1E:0 CE1:CR1E:0 CE2:CR1E:0 CZ:CR1E:0",
  PRO: "CA:CH1E:0.285 CB:CH2E:0 CG:CH2P:0 CD:CH2P:0.285",
  SER: "CB:CH2E:0.265 OG:OH1:-0.7",
  THR: "CB:CH1E:0.265 OG1:OH1:-0.7 CG2:CH3E:0",
  TRP:
    "CB:CH2E:0 CG:C5W:-0.055 CD1:CR1E:0.13 CD2:CW:-0.055 NE1:N:-0.57 CE2:CW:0.13 CE3:CR1E:0 " +
    "CZ2:CR1W:0 CZ3:CR1E:0 CH2:CR1W:0",
  TYR: "CB:CH2E:0 CG:CY:0 CD1:CR1E:0 CD2:CR1E:0 CE1:CR1E:0 CE2:CR1E:0 CZ:CY2:0.265 OH:OH1:-0.7",
  VAL: "CB:CH1E:0 CG1:CH3E:0 CG2:CH3E:0",
};

/** A form of a residue: which atoms it must and must not have, and what it changes. */
interface Variant {
  readonly residue?: string;
  readonly present: readonly string[];
  readonly absent: readonly string[];
  readonly changes: string;
}

/** The first that fits counts. Fields of `changes` left empty keep their value. */
const VARIANTS: readonly Variant[] = [
  {
    residue: "PRO",
    present: ["HT1", "HT2"],
    absent: [],
    changes: "N:N:-0.3 CA::0.32 CD::0.32",
  },
  { present: ["HT1", "HT2", "HT3"], absent: [], changes: "N:N:-0.3 CA::0.31" },
  { present: ["OXT"], absent: [], changes: "CA::0.1 C::0.7 O:OC:-0.8" },
  { present: ["NT", "HT1", "HT2"], absent: [], changes: "C::0.48 O::-0.48" },
  {
    residue: "HIS",
    present: ["ND1", "CE1", "CD2", "NE2", "HE2"],
    absent: ["HD1"],
    changes: "CB:CH2E:0 CG:C5:0.13 ND1:N:-0.57 CE1:CRH:0.41 CD2:CR1E:0.1 NE2:N:-0.57",
  },
  {
    residue: "HIS",
    present: ["ND1", "CE1", "CD2", "NE2", "HD1"],
    absent: ["HE2"],
    changes: "CB:CH2E:0 CG:C5:0.13 ND1:N:-0.57 CD2:CR1E:0.1 NE2:N:-0.49 CE1:CRH:0.41",
  },
];

type Row = readonly [atomClass: string, charge: number];

function parseRows(text: string): Map<string, Row> {
  const rows = text.split(" ").map((field): [string, Row] => {
    const [name, atomClass, charge] = field.split(":");
    return [name!, [atomClass!, Number(charge)]];
  });
  return new Map(rows);
}

const residueRows = new Map(
  Object.entries(SIDE_CHAINS).map(([name, side]) => [name, parseRows(`${BACKBONE} ${side}`)]),
);
const heavyAtoms = new Map(
  [...residueRows].map(([name, rows]) => [name, new Set(rows.keys()) as ReadonlySet<string>]),
);
const variantRows = VARIANTS.map((variant) => parseRows(variant.changes));

const NOTHING: AtomParameters = { charge: 0, epsilon: 0, sigma: 0, epsilon14: 0, sigma14: 0 };

/** Parameters of an atom in a residue with these atoms; zeros for one that is unknown. */
export function atomParameters(
  residueName: string,
  atomName: string,
  residueAtoms: ReadonlySet<string>,
): AtomParameters {
  const row = residueRows.get(residueName)?.get(atomName);
  if (row === undefined) return NOTHING;
  const variant = VARIANTS.findIndex(
    ({ residue, present, absent }) =>
      (residue === undefined || residue === residueName) &&
      present.every((name) => residueAtoms.has(name)) &&
      !absent.some((name) => residueAtoms.has(name)),
  );
  const change = variantRows[variant]?.get(atomName);
  const atomClass = change?.[0] || row[0];
  const [epsilon, sigma, epsilon14, sigma14] = CLASSES[atomClass]!;
  return { charge: change?.[1] ?? row[1], epsilon, sigma, epsilon14, sigma14 };
}

/** Names of the heavy atoms of an amino acid without OXT; undefined for anything else. */
export function heavyAtomsOf(residueName: string): ReadonlySet<string> | undefined {
  return heavyAtoms.get(residueName);
}
