/**
 * Tokens of CIF text, line by line.
 *
 * Owns: quoting, comments and text blocks of CIF 1.1. Invariant: a token knows whether it was
 * quoted, so that a quoted `loop_` or `.` is a value; nothing spans lines but a text block.
 */

export interface CifToken {
  readonly text: string;
  readonly isQuoted: boolean;
}

/** Longest text block kept; longer ones (sequences, notes) are cut: no atom is in one. */
const BLOCK_CHARS_MAX = 1 << 16;

export class CifTokens {
  #block: string | undefined;

  /** Whether a text block is open: at the end of a file, it was cut short. */
  get isOpen(): boolean {
    return this.#block !== undefined;
  }

  /** The tokens that end on this line, or a text that says what is wrong. */
  push(line: string): CifToken[] | string {
    if (this.#block !== undefined) {
      if (!line.startsWith(";")) {
        if (this.#block.length < BLOCK_CHARS_MAX) this.#block += `\n${line}`;
        return [];
      }
      const token = { text: this.#block, isQuoted: true };
      this.#block = undefined;
      const rest = this.#scan(line, 1);
      return typeof rest === "string" ? rest : [token, ...rest];
    }
    if (line.startsWith(";")) {
      this.#block = line.slice(1);
      return [];
    }
    return this.#scan(line, 0);
  }

  #scan(line: string, start: number): CifToken[] | string {
    const tokens: CifToken[] = [];
    let at = start;
    while (at < line.length) {
      const code = line.charCodeAt(at);
      if (code === 32 || code === 9) at++;
      else if (code === 35) break;
      else if (code === 39 || code === 34) {
        const end = closingQuote(line, at);
        if (end < 0) return "a quoted value has no end";
        tokens.push({ text: line.slice(at + 1, end), isQuoted: true });
        at = end + 1;
      } else {
        let end = at + 1;
        while (end < line.length && line.charCodeAt(end) !== 32 && line.charCodeAt(end) !== 9)
          end++;
        tokens.push({ text: line.slice(at, end), isQuoted: false });
        at = end;
      }
    }
    return tokens;
  }
}

/** A quote ends a value only where white space or the line's end follows. */
function closingQuote(line: string, start: number): number {
  const quote = line.charAt(start);
  for (let at = line.indexOf(quote, start + 1); at >= 0; at = line.indexOf(quote, at + 1)) {
    const next = line.charCodeAt(at + 1);
    if (at + 1 === line.length || next === 32 || next === 9) return at;
  }
  return -1;
}
