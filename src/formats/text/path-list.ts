/**
 * Very many paths, by folder.
 *
 * Owns: their order, that of the code units of whole paths on every machine, and their memory: each
 * name once (some 50 bytes of a usual name), each folder once.
 */
export class PathList implements Iterable<string> {
  /** Names that follow each other and share what stands before them. */
  readonly #runs: { readonly folder: string; readonly names: string[] }[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Appends the path `folder + name`; `folder` is empty or ends in a slash. */
  add(folder: string, name: string): void {
    const last = this.#runs.at(-1);
    if (last?.folder === folder) last.names.push(name);
    else this.#runs.push({ folder, names: [name] });
    this.#length++;
  }

  *[Symbol.iterator](): IterableIterator<string> {
    for (const { folder, names } of this.#runs) {
      for (const name of names) yield folder + name;
    }
  }
}

/** Paths as they are found, in any order, some of them twice. */
export class PathTree {
  /** Of each folder, empty or ending in a slash: names of files, and of folders with a slash. */
  readonly #entries = new Map<string, string[]>();

  add(folder: string, name: string): void {
    this.#entriesOf(folder).push(name);
  }

  /** Appends all to `list`, in order, each once. */
  addTo(list: PathList): void {
    for (const top of ["", "/"]) if (this.#entries.has(top)) this.#addFolder(top, list);
  }

  #entriesOf(folder: string): string[] {
    const known = this.#entries.get(folder);
    if (known !== undefined) return known;
    const entries: string[] = [];
    this.#entries.set(folder, entries);
    if (folder === "" || folder === "/") return entries;
    const parentEnd = folder.lastIndexOf("/", folder.length - 2) + 1;
    this.#entriesOf(folder.slice(0, parentEnd)).push(folder.slice(parentEnd));
    return entries;
  }

  #addFolder(folder: string, list: PathList): void {
    // With its slash, a folder stands among files where its paths do.
    let last: string | undefined;
    for (const entry of this.#entries.get(folder)!.sort()) {
      if (entry === last) continue;
      last = entry;
      if (entry.endsWith("/")) this.#addFolder(folder + entry, list);
      else list.add(folder, entry);
    }
  }
}
