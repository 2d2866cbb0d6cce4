/**
 * Protein sequences as items: their canonical form and what is changed to reach it.
 *
 * Owns: the rules for case, gaps, a terminal `*`, unknown letters and length. Invariant: canonical
 * residues are capital letters of the alphabet and the mask's byte, one byte a residue; equal
 * canonical bytes mean equal results. Pure, and free of any engine: the driver uses it on every record.
 */

/** What is done with a sequence over the limit: refuse it, cut its end off, or see it in windows. */
export const ON_LONG = ["error", "truncate", "window"] as const;
export type OnLong = (typeof ON_LONG)[number];

export interface SequenceRules {
  /** Capital letters that the model knows as residues. */
  readonly alphabet: string;
  /** Capital letters that it reads as its unknown token. */
  readonly unknownLetters: string;
  /** Residues; undefined for no limit. */
  readonly maxLength: number | undefined;
  readonly onLong: OnLong;
}

/** Something that was changed; `text` tells a person what. */
export interface SequenceChange {
  readonly what:
    | "upper-cased"
    | "stop removed"
    | "gaps removed"
    | "truncated"
    | "read as unknown"
    | "masked";
  readonly text: string;
}

export interface CanonicalSequence {
  /** One byte a residue. */
  readonly residues: Uint8Array;
  readonly changes: readonly SequenceChange[];
  /** Why it cannot be computed; undefined where it can. */
  readonly problem: string | undefined;
}

/**
 * IUPAC's letters for a residue that is not one of the twenty: X any, B Asx, Z Glx, U Sec, O Pyl.
 * A model without a token of its own for one of them reads it as its unknown token.
 */
export const RARE_LETTERS = "BOUXZ";

/** The canonical byte of a residue that a file spells `<mask>` or `[MASK]`; as itself it is refused. */
export const MASK_BYTE = 95;
const MASK_SPELLINGS = ["<mask>", "[mask]"];
const MASK_SPELLING_BYTES = 6;

/** Unknown letters named in one message. */
const LETTERS_SHOWN = 5;

const STAR = 42;
const DASH = 45;
const DOT = 46;
/** Lower case letters differ from capitals by this bit. */
const CASE_BIT = 32;

/** Brings raw letters into canonical form. `raw` is not changed; it may be returned itself. */
export function canonicalSequence(raw: Uint8Array, rules: SequenceRules): CanonicalSequence {
  const classes = letterClasses(rules);
  if (isPlain(raw, classes)) return limit(raw, [], rules);

  const changes: SequenceChange[] = [];
  let end = raw.length;
  if (end > 0 && raw[end - 1] === STAR) {
    end--;
    changes.push({ what: "stop removed", text: "terminal * removed" });
  }
  const residues = new Uint8Array(end);
  const unknown: string[] = [];
  let length = 0;
  let lowered = 0;
  let gaps = 0;
  let asUnknown = 0;
  let masks = 0;
  let unknownCount = 0;
  for (let i = 0; i < end; i++) {
    const letter = raw[i]!;
    if (letter === DASH || letter === DOT) {
      gaps++;
      continue;
    }
    if (spellsMask(raw, i)) {
      residues[length++] = MASK_BYTE;
      i += MASK_SPELLING_BYTES - 1;
      masks++;
      continue;
    }
    const isLower = letter >= 97 && letter <= 122;
    const capital = isLower ? letter - CASE_BIT : letter;
    if (isLower) lowered++;
    if (classes[capital] === READ_AS_UNKNOWN) asUnknown++;
    else if (classes[capital] === REFUSED && ++unknownCount <= LETTERS_SHOWN) {
      unknown.push(`${showLetter(letter)} at ${i + 1}`);
    }
    residues[length++] = capital;
  }
  if (lowered > 0) changes.push({ what: "upper-cased", text: `${lowered} letters upper-cased` });
  if (gaps > 0) changes.push({ what: "gaps removed", text: `${gaps} gaps removed` });
  if (asUnknown > 0) {
    changes.push({ what: "read as unknown", text: `${asUnknown} residues read as unknown` });
  }
  if (masks > 0) changes.push({ what: "masked", text: `${masks} residues masked` });
  const kept = residues.subarray(0, length);
  if (unknownCount === 0) return limit(kept, changes, rules);
  const rest = unknownCount > LETTERS_SHOWN ? ` and ${unknownCount - LETTERS_SHOWN} more` : "";
  const problem = `letters the model does not know: ${unknown.join(", ")}${rest}`;
  return { residues: kept, changes, problem };
}

function limit(
  residues: Uint8Array,
  changes: readonly SequenceChange[],
  { maxLength, onLong }: SequenceRules,
): CanonicalSequence {
  if (residues.length === 0) return { residues, changes, problem: "record without residues" };
  if (maxLength === undefined || residues.length <= maxLength || onLong === "window") {
    return { residues, changes, problem: undefined };
  }
  if (onLong === "error") {
    const problem =
      `${residues.length} residues, over the limit of ${maxLength}; raise --max-length if the ` +
      "model allows it, or choose --on-long truncate or window";
    return { residues, changes, problem };
  }
  const cut = residues.length - maxLength;
  const text = `truncated to ${maxLength} residues, ${cut} cut off`;
  const truncated = { what: "truncated", text } as const;
  return {
    residues: residues.subarray(0, maxLength),
    changes: [...changes, truncated],
    problem: undefined,
  };
}

function isPlain(raw: Uint8Array, classes: Uint8Array): boolean {
  for (let i = 0; i < raw.length; i++) if (classes[raw[i]!] !== KNOWN) return false;
  return true;
}

const REFUSED = 0;
const KNOWN = 1;
const READ_AS_UNKNOWN = 2;

let lastLetters: string | undefined;
let lastClasses = new Uint8Array(256);

/** The class of each byte. The table of the last rules is kept: a run has one. */
function letterClasses({ alphabet, unknownLetters }: SequenceRules): Uint8Array {
  const letters = `${alphabet} ${unknownLetters}`;
  if (letters !== lastLetters) {
    lastClasses = new Uint8Array(256);
    for (const letter of unknownLetters) lastClasses[letter.charCodeAt(0)] = READ_AS_UNKNOWN;
    for (const letter of alphabet) lastClasses[letter.charCodeAt(0)] = KNOWN;
    lastLetters = letters;
  }
  return lastClasses;
}

function spellsMask(raw: Uint8Array, at: number): boolean {
  if (raw[at] !== 0x3c && raw[at] !== 0x5b) return false;
  const text = String.fromCharCode(...raw.subarray(at, at + MASK_SPELLING_BYTES));
  return MASK_SPELLINGS.includes(text.toLowerCase());
}

function showLetter(letter: number): string {
  const isPrintable = letter > 32 && letter < 127;
  return isPrintable
    ? String.fromCharCode(letter)
    : `byte 0x${letter.toString(16).padStart(2, "0")}`;
}
