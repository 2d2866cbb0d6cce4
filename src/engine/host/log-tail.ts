/**
 * The last lines that a child process printed.
 *
 * Owns: cutting streams into lines. Invariant: bounded, whatever the child prints.
 */
import type { Readable } from "node:stream";

const LINES_MAX = 20;
const LINE_CHARACTERS_MAX = 500;

export class LogTail {
  readonly #lines: string[] = [];

  get text(): string {
    return this.#lines.join("\n");
  }

  /** Reads `stream` to its end, keeping its last lines and passing each on. */
  follow(stream: Readable, onLine?: (line: string) => void): void {
    let rest = "";
    const add = (line: string) => {
      const cut = line.trimEnd().slice(0, LINE_CHARACTERS_MAX);
      if (cut === "") return;
      this.#lines.push(cut);
      if (this.#lines.length > LINES_MAX) this.#lines.shift();
      onLine?.(cut);
    };
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!.slice(0, LINE_CHARACTERS_MAX);
      for (const line of lines) add(line);
    });
    stream.on("end", () => add(rest));
  }
}
