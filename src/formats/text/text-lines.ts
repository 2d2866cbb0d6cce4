/**
 * Lines of a stream of bytes, an array of lines a chunk.
 *
 * Owns: where a line ends (LF or CR LF) and how long one may be. Invariant: the n-th line yielded is
 * line n of the input, whatever the chunks; characters are bytes (latin1), so columns are columns.
 * Deliberately not here: decoding, comments, continuation lines.
 */
import { RaysidueError } from "../../base/errors.ts";

/** Yields arrays of lines without their ends. Throws RaysidueError for a line over `bytesMax`. */
export async function* readTextLines(
  bytes: AsyncIterable<Uint8Array>,
  options: { readonly source: string; readonly bytesMax: number },
): AsyncGenerator<string[]> {
  let rest = "";
  let lineCount = 0;
  for await (const chunk of bytes) {
    const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString("latin1");
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i]!;
      if (line.length > options.bytesMax) {
        // What came before is good, however the bytes were cut into chunks.
        if (i > 0) yield lines.slice(0, i);
        throw tooLong(options, lineCount + i + 1);
      }
      if (line.endsWith("\r")) lines[i] = line.slice(0, -1);
    }
    lineCount += lines.length;
    if (lines.length > 0) yield lines;
    if (rest.length > options.bytesMax) throw tooLong(options, lineCount + 1);
  }
  if (rest !== "") yield [rest.endsWith("\r") ? rest.slice(0, -1) : rest];
}

function tooLong(options: { source: string; bytesMax: number }, line: number): RaysidueError {
  const text = `a line of more than ${options.bytesMax} bytes; this is not a structure file`;
  return new RaysidueError("bad-input", `${options.source}:${line}: ${text}`);
}
