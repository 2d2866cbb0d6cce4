/**
 * Whether poses of one run have the same name, which only `row` then tells apart.
 *
 * Owns: the names seen. Invariant: memory is bounded; beyond NAMES_MAX no name is new.
 */

/** Some 100 bytes a name. */
const NAMES_MAX = 1_000_000;

export class EqualNames {
  readonly #seen = new Set<string>();
  #count = 0;
  #first = "";

  add(name: string): void {
    if (this.#seen.has(name)) {
      if (this.#count++ === 0) this.#first = name;
    } else if (this.#seen.size < NAMES_MAX) this.#seen.add(name);
  }

  /** What a person should hear: nothing, or one line. */
  get notices(): readonly string[] {
    if (this.#count === 0) return [];
    const poses = this.#count === 1 ? "1 pose has" : `${this.#count} poses have`;
    const text = `${poses} the name of another, ${JSON.stringify(this.#first)} first`;
    return [`${text}: index.tsv says by \`row\` which file and line each is of`];
  }
}
