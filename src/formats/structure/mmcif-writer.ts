/**
 * A structure as mmCIF text.
 *
 * Owns: quoting. Invariant: `readMmcif` gives the structure back, number for number and name for
 * name, whatever it is called; PDB files have no room for some.
 */
import type { Structure } from "./structure.ts";

const COLUMNS = [
  "group_PDB",
  "id",
  "type_symbol",
  "label_alt_id",
  "auth_atom_id",
  "auth_comp_id",
  "auth_asym_id",
  "auth_seq_id",
  "pdbx_PDB_ins_code",
  "Cartn_x",
  "Cartn_y",
  "Cartn_z",
] as const;

/** The text, characters being bytes (latin1) as the readers have them. */
export function mmcifText(structure: Structure): string {
  const { x, y, z, atomNames, elements, altLocs, residues, chains } = structure;
  const lines = ["data_pose", "loop_", ...COLUMNS.map((column) => `_atom_site.${column}`)];
  for (const chain of chains) {
    for (const residue of residues.slice(chain.residueStart, chain.residueEnd)) {
      for (let atom = residue.atomStart; atom < residue.atomEnd; atom++) {
        const altLoc = altLocs[atom]!;
        const values = [
          residue.isHetero ? "HETATM" : "ATOM",
          String(lines.length - COLUMNS.length - 1),
          elements[atom]!,
          altLoc === 0 ? "" : String.fromCharCode(altLoc),
          atomNames[atom]!,
          residue.name,
          chain.id,
          String(residue.number),
          residue.insertion,
          String(x[atom]!),
          String(y[atom]!),
          String(z[atom]!),
        ];
        lines.push(values.map(quote).join(" "));
      }
    }
  }
  return `${lines.join("\n")}\n#\n`;
}

/** A value between blanks; what no quotes can hold stands in a text block of its own lines. */
function quote(value: string): string {
  if (value === "") return "?";
  if (/^[A-Za-z0-9+*-][A-Za-z0-9+*.'-]*$/.test(value) && !/^(loop_|data_|save_)/i.test(value)) {
    return value;
  }
  if (!value.includes('"')) return `"${value}"`;
  if (!value.includes("'")) return `'${value}'`;
  return `\n;${value}\n;\n`;
}
