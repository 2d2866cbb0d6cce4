/**
 * FASTA files for tests: random sequences from a seed, and their text.
 */
import { Random } from "../../src/base/random.ts";

export interface NamedSequence {
  readonly id: string;
  readonly sequence: string;
}

const LETTERS = "ACDEFGHIKLMNPQRSTVWY";

/** `count` distinct sequences `s0`, `s1`, ... of `from` to `to` residues. */
export function randomSequences(
  count: number,
  { from, to, seed = 1 }: { readonly from: number; readonly to: number; readonly seed?: number },
): NamedSequence[] {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, i) => {
    const length = from + random.below(to - from + 1);
    let sequence = "";
    while (sequence.length < length) sequence += LETTERS[random.below(LETTERS.length)];
    return { id: `s${i}`, sequence };
  });
}

export function fastaOf(sequences: readonly NamedSequence[]): string {
  return sequences.map(({ id, sequence }) => `>${id}\n${sequence}\n`).join("");
}

/** The emulated engine's mean: the share of each of the twenty letters. */
export function composition(sequence: string): Float32Array {
  const counts = new Float32Array(LETTERS.length);
  for (const letter of sequence) {
    const at = LETTERS.indexOf(letter);
    if (at >= 0) counts[at]! += 1 / sequence.length;
  }
  return counts;
}
