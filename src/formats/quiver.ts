/**
 * Quiver archives (`.qv`): many PDB structures in one text, each under a tag.
 *
 * Owns: where an entry begins. Invariant: an entry's name is its tag; score lines, Rosetta's
 * energy tables and comments are no atoms and are skipped. Source: the quiver tool of RFantibody;
 * an entry is `QV_TAG tag`, optionally `QV_SCORE tag k=v|k=v`, then PDB lines.
 */
import { RaysidueError } from "../base/errors.ts";
import { PDB_LINE_BYTES_MAX } from "./pdb.ts";
import { PdbModels } from "./pdb-models.ts";
import type { StructureRecord } from "./structure.ts";
import { readTextLines } from "./text-lines.ts";

/** Yields the entries in order, each whole or as a fault with file and line. */
export async function* readQuiver(
  bytes: AsyncIterable<Uint8Array>,
  source: string,
): AsyncGenerator<StructureRecord> {
  let entry: PdbModels | undefined;
  let line = 0;
  for await (const lines of readTextLines(bytes, { source, bytesMax: PDB_LINE_BYTES_MAX })) {
    for (const text of lines) {
      line++;
      if (text.startsWith("QV_TAG")) {
        const record = entry?.end(line - 1);
        if (record !== undefined) yield record;
        entry = new PdbModels({ source, name: tagOf(text, source, line) });
      } else if (entry !== undefined) {
        const record = entry.push(text, line);
        if (record !== undefined) yield record;
      } else if (text.trim() !== "" && !text.startsWith("#")) {
        throw bad(source, line, "text before the first QV_TAG; is this a quiver archive?");
      }
    }
  }
  if (entry === undefined) throw bad(source, Math.max(line, 1), "no QV_TAG in a quiver archive");
  const record = entry.end(line);
  if (record !== undefined) yield record;
}

function tagOf(text: string, source: string, line: number): string {
  const tag = Buffer.from(text.slice(6).trim(), "latin1").toString("utf8");
  if (tag === "") throw bad(source, line, "QV_TAG without a tag");
  return tag;
}

function bad(source: string, line: number, text: string): RaysidueError {
  return new RaysidueError("bad-input", `${source}:${line}: ${text}`);
}
