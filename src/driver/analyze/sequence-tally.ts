/**
 * How many distinct sequences there are, counted or estimated from some poses.
 *
 * Owns: the estimate. Pure.
 */

/** Distinct sequences, and how often each was seen. */
export class Tally {
  readonly #seen = new Map<string, number>();

  get sequences(): Iterable<string> {
    return this.#seen.keys();
  }

  get count(): number {
    return this.#seen.size;
  }

  add(sequence: string): void {
    if (sequence !== "") this.#seen.set(sequence, (this.#seen.get(sequence) ?? 0) + 1);
  }

  /**
   * How many there are among `all` poses, of which these are some: Chao's estimate from those seen
   * once and twice (Scand. J. Statist. 11 (1984)). Of all of them it is their number.
   */
  distinctOf(all: number): number {
    const times = [...this.#seen.values()];
    const seen = times.reduce((sum, each) => sum + each, 0);
    if (all <= seen) return this.count;
    const once = times.filter((each) => each === 1).length;
    const twice = times.filter((each) => each === 2).length;
    const unseen = (once * (once - 1)) / (2 * (twice + 1));
    return Math.round(Math.min(all, this.count + unseen));
  }
}

export interface Asked {
  readonly sequences: ReadonlySet<string>;
  /** How many times as many there are. */
  readonly factor: number;
}

export function askedOf(tallies: readonly Tally[], all: number): Asked {
  const sequences = new Set(tallies.flatMap((tally) => [...tally.sequences]));
  const counted = tallies.reduce((sum, tally) => sum + tally.count, 0);
  const there = tallies.reduce((sum, tally) => sum + tally.distinctOf(all), 0);
  return { sequences, factor: counted === 0 ? 1 : there / counted };
}
