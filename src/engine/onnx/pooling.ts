/**
 * Hidden states to the columns of a row.
 *
 * Owns: what each pool means. Invariant: special tokens are in no pool but `bos`; sums are in
 * float64 and in the order of residues, so that a row's bytes depend on its hidden states only.
 */
import { SPECIAL_TOKENS } from "../../kind/embed.ts";

/** Vectors of one sequence: its residues and its first special token. */
export interface HiddenStates {
  /** `[length, dim]` float32. */
  readonly residues: Float32Array;
  /** `[dim]` float32. */
  readonly bos: Float32Array;
  readonly dim: number;
}

/** The states of one sequence from those of its tokens, `[length + 2, dim]`; views, no copies. */
export function ofTokens(tokens: Float32Array, dim: number): HiddenStates {
  const end = tokens.length - (SPECIAL_TOKENS - 1) * dim;
  return { bos: tokens.subarray(0, dim), residues: tokens.subarray(dim, end), dim };
}

/** `[dim]`: mean over residues. */
export function meanOf({ residues, dim }: HiddenStates): Float32Array {
  const sums = new Float64Array(dim);
  for (let at = 0; at < residues.length; at += dim) {
    for (let i = 0; i < dim; i++) sums[i]! += residues[at + i]!;
  }
  const length = residues.length / dim;
  return Float32Array.from(sums, (sum) => sum / length);
}

/** `[dim]`: maximum over residues. */
export function maxOf({ residues, dim }: HiddenStates): Float32Array {
  const maxima = residues.slice(0, dim);
  for (let at = dim; at < residues.length; at += dim) {
    for (let i = 0; i < dim; i++) {
      const value = residues[at + i]!;
      if (value > maxima[i]!) maxima[i] = value;
    }
  }
  return maxima;
}

/** `[length]`: mean over each residue's numbers. */
export function scalarsOf({ residues, dim }: HiddenStates): Float32Array {
  const scalars = new Float32Array(residues.length / dim);
  for (let residue = 0; residue < scalars.length; residue++) {
    let sum = 0;
    for (let i = residue * dim; i < (residue + 1) * dim; i++) sum += residues[i]!;
    scalars[residue] = sum / dim;
  }
  return scalars;
}

/**
 * Puts a sequence together from its windows: a residue that several windows saw has the mean of
 * their vectors, and `bos` is the mean over windows.
 */
export class WindowJoiner {
  readonly #dim: number;
  readonly #sums: Float64Array;
  readonly #seen: Uint32Array;
  readonly #bos: Float64Array;
  #windowCount = 0;

  constructor(length: number, dim: number) {
    this.#dim = dim;
    this.#sums = new Float64Array(length * dim);
    this.#seen = new Uint32Array(length);
    this.#bos = new Float64Array(dim);
  }

  /** Adds the window that begins at residue `start`. Windows come in the order of the sequence. */
  add(window: HiddenStates, start: number): void {
    const offset = start * this.#dim;
    window.residues.forEach((value, i) => {
      this.#sums[offset + i]! += value;
    });
    const end = start + window.residues.length / this.#dim;
    for (let residue = start; residue < end; residue++) this.#seen[residue]! += 1;
    window.bos.forEach((value, i) => {
      this.#bos[i]! += value;
    });
    this.#windowCount++;
  }

  states(): HiddenStates {
    const residues = Float32Array.from(this.#sums, (sum, i) => {
      return sum / this.#seen[Math.floor(i / this.#dim)]!;
    });
    const bos = Float32Array.from(this.#bos, (sum) => sum / this.#windowCount);
    return { residues, bos, dim: this.#dim };
  }
}
