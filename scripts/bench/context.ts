/** What every part of `bench:embed` is given. */

export interface Context {
  /** A scratch folder, removed at the end. */
  readonly folder: string;
  readonly threads: number;
  /** Antibody chains. */
  readonly antibodies: string | undefined;
  /** Proteins of all kinds. */
  readonly proteins: string | undefined;
  readonly seed: number;
  /** Times that alternating parts repeat themselves. */
  readonly rounds: number;
  /** Distinct antibody chains. */
  readonly chains: number;
  /** Chunks of 16 of the whole file that the original's runner gets; 0: all of them. */
  readonly sample: number;
  readonly proteinsCount: number;
  readonly millions: readonly number[];
}

/** Says on standard error what is going on: some parts take minutes. */
export function say(text: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);
}

/** Throws for an input that was not named. */
export function need(path: string | undefined, flag: string, what: string): string {
  if (path !== undefined) return path;
  throw new Error(`this part needs ${flag} FILE: ${what} as FASTA, plain or gzip`);
}

/** Largest difference between two sets of vectors of one shape. */
export function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) throw new Error(`${a.length} numbers against ${b.length}`);
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}
