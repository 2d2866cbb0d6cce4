/**
 * A text file of many small lines, complete or not there at all.
 *
 * Owns: gathering lines before they go to the file, as each trip to a thread costs a tenth of a
 * millisecond.
 */
import { AtomicFile } from "../atomic-file.ts";

const BUFFER_CHARS = 1 << 19;

export class LineFile {
  readonly #file: AtomicFile;
  #text = "";

  private constructor(file: AtomicFile) {
    this.#file = file;
  }

  /** Throws RaysidueError naming `path`. */
  static async create(path: string): Promise<LineFile> {
    return new LineFile(await AtomicFile.create(path));
  }

  get path(): string {
    return this.#file.path;
  }

  /** Appends whole lines, line ends included. To be awaited where it returns a promise. */
  append(lines: string): Promise<void> | undefined {
    this.#text += lines;
    return this.#text.length < BUFFER_CHARS ? undefined : this.#flush();
  }

  async commit(): Promise<void> {
    await this.#flush();
    await this.#file.commit();
  }

  abort(): Promise<void> {
    return this.#file.abort();
  }

  async #flush(): Promise<void> {
    const text = this.#text;
    this.#text = "";
    await this.#file.write(text);
  }
}
