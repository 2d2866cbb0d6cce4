/**
 * Seeded randomness: the same seed gives the same world on every machine.
 *
 * Owns: one generator (xoshiro128**, Blackman and Vigna 2018, public domain) and the draws made of
 * it. Not for secrets.
 */
export class Random {
  readonly #state = new Uint32Array(4);

  constructor(seed: number) {
    // splitmix32 spreads small seeds over the whole state.
    let z = seed >>> 0;
    for (let index = 0; index < 4; index++) {
      z = (z + 0x9e37_79b9) >>> 0;
      let mixed = Math.imul(z ^ (z >>> 16), 0x21f0_aaad);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97);
      this.#state[index] = mixed ^ (mixed >>> 15);
    }
  }

  /** Uniform in [0, 1). */
  next(): number {
    const s = this.#state;
    const product = Math.imul(s[1]!, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= shifted;
    s[3] = (s[3]! << 11) | (s[3]! >>> 21);
    return result / 4_294_967_296;
  }

  /** Uniform integer in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** Standard normal (Box and Muller 1958). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return radius * Math.cos(2 * Math.PI * this.next());
  }
}
