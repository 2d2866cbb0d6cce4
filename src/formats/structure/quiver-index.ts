/**
 * The index beside a quiver archive (`poses.qv.idx`): `tag<TAB>byte offset` a line.
 *
 * Owns: reading it, and whether the archive is what it was made of. An archive is read from end to
 * end, which needs no index; but only the index tells that entries are missing where a copy was cut
 * between two of them. Invariant: an index is compared, never believed: one that names other tags is
 * left aside and said to be stale.
 */
import { RaysidueError } from "../../base/errors.ts";

export interface QuiverIndex {
  /** The file, for messages. */
  readonly source: string;
  /** In the order of the archive. */
  readonly tags: readonly string[];
}

/** Where the index of an archive would be. */
export function indexPathOf(archive: string): string {
  return `${archive}.idx`;
}

/** Throws RaysidueError "bad-input" naming the line that is no entry. */
export function parseQuiverIndex(bytes: Uint8Array, source: string): QuiverIndex {
  const lines = Buffer.from(bytes).toString("utf8").split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  let last = -1;
  const tags = lines.map((text, i) => {
    const entry = /^(.+)\t(\d{1,15})$/.exec(text);
    const offset = Number(entry?.[2]);
    if (entry === null || offset <= last) {
      const wrong = "is no tag and ascending byte offset with a tab between";
      throw new RaysidueError("bad-input", `${source}:${i + 1}: ${wrong}`);
    }
    last = offset;
    return entry[1]!.trim();
  });
  return { source, tags };
}

/** Compares the tags of an archive, as they come, with its index. */
export class IndexComparison {
  readonly #index: QuiverIndex;
  #count = 0;
  #stale: string | undefined;

  constructor(index: QuiverIndex) {
    this.#index = index;
  }

  /** The next tag of the archive. */
  see(tag: string): void {
    const wanted = this.#index.tags[this.#count++];
    if (wanted === tag || this.#stale !== undefined) return;
    const other = wanted === undefined ? "no more" : JSON.stringify(wanted);
    this.#stale =
      `${this.#index.source} is stale: entry ${this.#count} of the archive is ` +
      `${JSON.stringify(tag)}, of the index ${other}; make it anew or remove it`;
  }

  /** Why the index says nothing of this archive; undefined where it fits so far. */
  get stale(): string | undefined {
    return this.#stale;
  }

  /** Tags that the archive should have had after its last one. */
  get missing(): readonly string[] {
    return this.#stale === undefined ? this.#index.tags.slice(this.#count) : [];
  }
}
