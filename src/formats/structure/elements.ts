/**
 * Chemical symbols: which there are, and which one an atom's name means where a file leaves the
 * column blank.
 *
 * Owns: the guess. Invariant: a symbol given in the column wins if it exists. Source of the rule:
 * the PDB format's alignment (a one-letter symbol stands in the second of the four columns).
 */

const SYMBOLS = new Set(
  (
    "H D HE LI BE B C N O F NE NA MG AL SI P S CL AR K CA SC TI V CR MN FE CO NI CU ZN GA GE AS SE " +
    "BR KR RB SR Y ZR NB MO TC RU RH PD AG CD IN SN SB TE I XE CS BA LA CE PR ND PM SM EU GD TB DY " +
    "HO ER TM YB LU HF TA W RE OS IR PT AU HG TL PB BI PO AT RN FR RA AC TH PA U NP PU AM CM"
  ).split(" "),
);

/**
 * The symbol of an atom. `column` is the element column without blanks; `fullName` the name as it
 * stands in its four columns, blanks included. Only a HETATM can be a two-letter element there:
 * programs that shift names to the left would otherwise make calcium of every CA. "" where nothing
 * fits.
 */
export function elementOf(column: string, fullName: string, isHetero: boolean): string {
  const given = column.toUpperCase();
  if (SYMBOLS.has(given)) return given;
  const name = fullName.trim().toUpperCase();
  const isLeft = /^[A-Za-z]/.test(fullName);
  if (isHetero && isLeft && name.length === 2 && SYMBOLS.has(name)) return name;
  const letter = /^\d/.test(name) ? name.charAt(1) : name.charAt(0);
  return SYMBOLS.has(letter) ? letter : "";
}

/** Whether a symbol is hydrogen's or deuterium's. */
export function isHydrogenSymbol(symbol: string): boolean {
  return symbol === "H" || symbol === "D";
}
