/**
 * Canonical sequences to token ids, one token a residue.
 *
 * Owns: which id a letter has in a model. Invariant: a sequence of n residues is n + 2 tokens, and
 * residue i is token i + 1, whatever letters it holds. (Hugging Face's ESM tokenizer joins runs of
 * unknown letters to one token and so shifts residues.) A model without a token for one of IUPAC's
 * ambiguous letters reads it as its unknown token; any other letter is refused.
 */
import { RaysidueError } from "../../base/errors.ts";
import { SPECIAL_TOKENS } from "../../kind/embed.ts";
import { MASK_BYTE, RARE_LETTERS } from "../../kind/sequence.ts";

const SPECIAL_NAMES = {
  bert: { first: "[CLS]", last: "[SEP]", unknown: "[UNK]", mask: "[MASK]" },
  esm: { first: "<cls>", last: "<eos>", unknown: "<unk>", mask: "<mask>" },
} as const;

const REFUSED = -1;

export class Tokenizer {
  readonly #first: number;
  readonly #last: number;
  /** Token id of each byte, or REFUSED. */
  readonly #ids = new Int32Array(256).fill(REFUSED);

  /** `vocabulary`: tokens in order of their ids. Throws RaysidueError "bad-input". */
  constructor(kind: "bert" | "esm", vocabulary: readonly string[]) {
    const idOf = (token: string): number => {
      const id = vocabulary.indexOf(token);
      if (id >= 0) return id;
      throw new RaysidueError("bad-input", `the model's vocabulary has no token ${token}`);
    };
    const names = SPECIAL_NAMES[kind];
    this.#first = idOf(names.first);
    this.#last = idOf(names.last);
    for (const letter of RARE_LETTERS) this.#ids[letter.charCodeAt(0)] = idOf(names.unknown);
    for (const [id, token] of vocabulary.entries()) {
      if (/^[A-Z]$/.test(token)) this.#ids[token.charCodeAt(0)] = id;
    }
    this.#ids[MASK_BYTE] = idOf(names.mask);
  }

  /** Writes the tokens of `residues` at `offset` of `target`. `residues` must have been checked. */
  encode(residues: Uint8Array, target: Int32Array, offset: number): void {
    target[offset] = this.#first;
    for (let i = 0; i < residues.length; i++) target[offset + 1 + i] = this.#ids[residues[i]!]!;
    target[offset + residues.length + SPECIAL_TOKENS - 1] = this.#last;
  }

  /** Sets to 0 what stands for masked residues in `factors`, one number a token from `offset` on. */
  zeroMasks(residues: Uint8Array, factors: Float32Array, offset: number): void {
    for (let i = 0; i < residues.length; i++) {
      if (residues[i] === MASK_BYTE) factors[offset + 1 + i] = 0;
    }
  }

  /** Why `residues` cannot be encoded, or undefined. */
  problemOf(residues: Uint8Array): string | undefined {
    if (residues.length === 0) return "a sequence without residues";
    for (let i = 0; i < residues.length; i++) {
      const byte = residues[i]!;
      if (this.#ids[byte] === REFUSED) {
        const letter = JSON.stringify(String.fromCharCode(byte));
        return `letter ${letter} at ${i + 1} is unknown to the model`;
      }
    }
    return undefined;
  }
}

/** Masked residues in a canonical sequence. */
export function countMasks(residues: Uint8Array): number {
  let count = 0;
  for (const byte of residues) if (byte === MASK_BYTE) count++;
  return count;
}
