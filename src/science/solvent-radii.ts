/**
 * Radii of atoms for solvent-accessible areas.
 *
 * Owns: the tables. Units: angstrom. Sources: ProtOr radii, Tsai et al., J. Mol. Biol. 290 (1999),
 * by residue and atom name; for other atoms, radii of elements by Mantina et al., J. Phys. Chem. A
 * 113 (2009). Both as FreeSASA 2.2 has them.
 */

const BACKBONE = "N:1.64 CA:1.88 C:1.61 O:1.42 OXT:1.46 CB:1.88";
const PHOSPHATE = "P:1.8 OP1:1.42 OP2:1.46 OP3:1.46 O5':1.46 O4':1.46 O3':1.46";
const SUGAR = "C1':1.88 C2':1.88 C3':1.88 C4':1.88 C5':1.88";
const PURINE = "N1:1.64 N3:1.64 N7:1.64 N9:1.64 C4:1.61 C5:1.61 C6:1.61 C8:1.76";

const RESIDUES: Readonly<Record<string, string>> = {
  ALA: BACKBONE,
  ARG: `${BACKBONE} CG:1.88 CD:1.88 NE:1.64 CZ:1.61 NH1:1.64 NH2:1.64`,
  ASN: `${BACKBONE} CG:1.61 OD1:1.42 ND2:1.64`,
  ASP: `${BACKBONE} CG:1.61 OD1:1.42 OD2:1.46`,
  ASX: `${BACKBONE} CG:1.61 XD1:1.5 XD2:1.5`,
  CYS: `${BACKBONE} SG:1.77`,
  GLN: `${BACKBONE} CG:1.88 CD:1.61 OE1:1.42 NE2:1.64`,
  GLU: `${BACKBONE} CG:1.88 CD:1.61 OE1:1.42 OE2:1.46`,
  GLX: `${BACKBONE} CG:1.88 CD:1.61 XE1:1.5 XE2:1.5`,
  GLY: "N:1.64 CA:1.88 C:1.61 O:1.42 OXT:1.46",
  HIS: `${BACKBONE} CG:1.61 ND1:1.64 CD2:1.76 CE1:1.76 NE2:1.64`,
  ILE: `${BACKBONE} CG1:1.88 CG2:1.88 CD1:1.88`,
  LEU: `${BACKBONE} CG:1.88 CD1:1.88 CD2:1.88`,
  LYS: `${BACKBONE} CG:1.88 CD:1.88 CE:1.88 NZ:1.64`,
  MET: `${BACKBONE} CG:1.88 SD:1.77 CE:1.88`,
  MSE: `${BACKBONE} CG:1.88 SE:1.9 CE:1.88`,
  PHE: `${BACKBONE} CG:1.61 CD1:1.76 CD2:1.76 CE1:1.76 CE2:1.76 CZ:1.76`,
  PRO: `${BACKBONE} CG:1.88 CD:1.88`,
  PYL:
    `${BACKBONE} CG:1.88 CD:1.88 CE:1.88 NZ:1.64 C2:1.61 O2:1.42 CA2:1.88 CB2:1.88 CG2:1.88 ` +
    "CD2:1.88 CE2:1.76 N2:1.64",
  SEC: `${BACKBONE} SE:1.9`,
  SER: `${BACKBONE} OG:1.46`,
  THR: `${BACKBONE} OG1:1.46 CG2:1.88`,
  TRP:
    `${BACKBONE} CG:1.61 CD1:1.76 CD2:1.61 NE1:1.64 CE2:1.61 CE3:1.76 CZ2:1.76 CZ3:1.76 ` +
    "CH2:1.76",
  TYR: `${BACKBONE} CG:1.61 CD1:1.76 CD2:1.76 CE1:1.76 CE2:1.76 CZ:1.61 OH:1.46`,
  VAL: `${BACKBONE} CG1:1.88 CG2:1.88`,
  ACE: "C:1.76 O:1.42 CH3:1.88",
  NH2: "N:1.64",
  HOH: "O:1.46",
  DA: `${PHOSPHATE} ${SUGAR} ${PURINE} C2:1.76 N6:1.64`,
  DI: `${PHOSPHATE} ${SUGAR} ${PURINE} C2:1.76 O6:1.42`,
  DG: `${PHOSPHATE} ${SUGAR} ${PURINE} C2:1.61 N2:1.64 O6:1.42`,
  DC: `${PHOSPHATE} ${SUGAR} N1:1.64 C2:1.61 O2:1.42 N3:1.64 C4:1.61 N4:1.64 C5:1.76 C6:1.76`,
  DU: `${PHOSPHATE} ${SUGAR} N1:1.64 C2:1.61 O2:1.42 N3:1.64 C4:1.61 O4:1.42 C5:1.76 C6:1.76`,
  DT:
    `${PHOSPHATE} ${SUGAR} N1:1.64 C2:1.61 O2:1.42 N3:1.64 C4:1.61 O4:1.42 C5:1.61 C7:1.88 ` +
    "C6:1.76",
};
/** Ribonucleotides are their deoxy forms with one more oxygen. */
const RIBOSE: readonly [string, string, string][] = [
  ["A", "DA", "O2':1.46"],
  ["I", "DI", "O2':1.46"],
  ["G", "DG", "O2':1.46"],
  ["C", "DC", "O2':1.46"],
  ["U", "DU", "O2':1.46"],
  ["T", "DT", ""],
];

const ELEMENTS: Readonly<Record<string, number>> = {
  H: 1.1,
  C: 1.7,
  N: 1.55,
  O: 1.52,
  P: 1.8,
  S: 1.8,
  SE: 1.9,
  F: 1.47,
  CL: 1.75,
  BR: 1.83,
  I: 1.98,
  LI: 1.81,
  NA: 2.27,
  MG: 1.73,
  K: 2.75,
  CA: 2.31,
  MN: 1.19,
  FE: 1.26,
  CO: 1.13,
  NI: 1.63,
  CU: 1.4,
  ZN: 1.39,
  CD: 1.58,
  HG: 1.55,
  B: 1.92,
  V: 1.06,
  Y: 1.61,
  W: 1.26,
  U: 1.86,
};

const tables = new Map(Object.entries(RESIDUES).map(([name, text]) => [name, parse(text)]));
for (const [name, deoxy, extra] of RIBOSE) {
  tables.set(name, parse(`${RESIDUES[deoxy]!} ${extra}`.trim()));
}

function parse(text: string): Map<string, number> {
  return new Map(
    text.split(" ").map((field) => {
      const colon = field.indexOf(":");
      return [field.slice(0, colon), Number(field.slice(colon + 1))];
    }),
  );
}

/** Radius by residue and atom name, else by element; 0 for what is in no table. */
export function solventRadius(residueName: string, atomName: string, element: string): number {
  return tables.get(residueName)?.get(atomName) ?? ELEMENTS[element] ?? 0;
}
