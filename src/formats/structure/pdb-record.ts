/**
 * One ATOM or HETATM line of a PDB file to an atom, strictly.
 *
 * Owns: the columns. Invariant: a field is read whole and means what it says, or the line is
 * refused; a blank or garbled coordinate is never a zero. Source: PDB format 3.3, coordinate
 * section.
 */
import { elementOf } from "./elements.ts";
import type { AtomFields } from "./structure-builder.ts";

/** An atom line up to the end of its z coordinate; what follows may be missing. */
const ATOM_COLUMNS_MIN = 54;
const POINT = 46;

/** The atom of a line that begins with ATOM or HETATM, or a text that says what is wrong. */
export function parsePdbAtom(line: string): AtomFields | string {
  if (line.length < ATOM_COLUMNS_MIN) {
    return `the line ends at column ${line.length}, a coordinate ends at 54; the file is cut short`;
  }
  const fullName = line.slice(12, 16);
  const atomName = fullName.trim();
  const residueName = line.slice(17, 20).trim();
  if (atomName === "") return "the atom has no name (columns 13-16)";
  if (residueName === "") return "the residue has no name (columns 18-20)";
  const residueNumber = parseInteger(line, 22, 26);
  if (Number.isNaN(residueNumber)) return bad("residue number", line, 22, 26);
  const x = parseFixed(line, 30, 38);
  if (Number.isNaN(x)) return bad("x coordinate", line, 30, 38);
  const y = parseFixed(line, 38, 46);
  if (Number.isNaN(y)) return bad("y coordinate", line, 38, 46);
  const z = parseFixed(line, 46, 54);
  if (Number.isNaN(z)) return bad("z coordinate", line, 46, 54);
  const isHetero = line.startsWith("HETATM");
  const altLoc = line.charCodeAt(16);
  return {
    atomName,
    element: elementOf(line.slice(76, 78).trim(), fullName, isHetero),
    altLoc: altLoc === 32 ? 0 : altLoc & 0xff,
    residueName,
    residueNumber,
    insertion: line.slice(26, 27).trim(),
    isHetero,
    chain: line.slice(21, 22).trim(),
    x,
    y,
    z,
  };
}

function bad(what: string, line: string, start: number, end: number): string {
  const text = JSON.stringify(line.slice(start, end));
  return `${what} ${text} (columns ${start + 1}-${end}) is not a number`;
}

/** Optional blanks around an optional sign and digits; NaN otherwise. */
function parseInteger(line: string, start: number, end: number): number {
  for (let i = start; i < end; i++) if (line.charCodeAt(i) === POINT) return Number.NaN;
  return parseFixed(line, start, end);
}

/**
 * A decimal number without exponent in fixed columns; NaN otherwise. Digits are gathered in an
 * integer and divided once, which rounds as a correct decimal parser does.
 */
function parseFixed(line: string, start: number, end: number): number {
  let from = start;
  let to = end;
  while (from < to && line.charCodeAt(from) === 32) from++;
  while (to > from && line.charCodeAt(to - 1) === 32) to--;
  let isNegative = false;
  const sign = line.charCodeAt(from);
  if (sign === 45 || sign === 43) {
    isNegative = sign === 45;
    from++;
  }
  let digits = 0;
  let value = 0;
  let scale = 0;
  for (let i = from; i < to; i++) {
    const code = line.charCodeAt(i);
    if (code === POINT && scale === 0) scale = 1;
    else if (code >= 48 && code <= 57) {
      value = value * 10 + code - 48;
      digits++;
      if (scale > 0) scale *= 10;
    } else return Number.NaN;
  }
  if (digits === 0) return Number.NaN;
  if (scale > 0) value /= scale;
  return isNegative ? -value : value;
}
