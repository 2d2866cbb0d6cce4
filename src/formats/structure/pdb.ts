/**
 * PDB files to structures, model by model.
 *
 * Owns: the stream. Invariant: memory is one model and one read buffer, whatever the file holds.
 * Source: PDB format 3.3. Records other than MODEL, ENDMDL, ATOM, HETATM, END and HADDOCK's
 * REMARK with model names are ignored.
 */

import { readTextLines } from "../text/text-lines.ts";
import { PdbModels } from "./pdb-models.ts";
import { type StructureRecord, stemOf } from "./structure.ts";

/** Longest line: the format has 80 columns, programs' remarks some more. */
export const PDB_LINE_BYTES_MAX = 16_384;

/**
 * Yields the models of one PDB text in order, each whole or as a fault with file and line.
 * `source` names the file in messages; `name` is that of a single model (default: the file's
 * stem). Throws RaysidueError only where the bytes themselves fail or are no lines of text.
 */
export async function* readPdb(
  bytes: AsyncIterable<Uint8Array>,
  source: string,
  name: string = stemOf(source),
): AsyncGenerator<StructureRecord> {
  const models = new PdbModels({ source, name });
  let line = 0;
  for await (const lines of readTextLines(bytes, { source, bytesMax: PDB_LINE_BYTES_MAX })) {
    for (const text of lines) {
      const record = models.push(text, ++line);
      if (record !== undefined) yield record;
    }
  }
  const last = models.end(line);
  if (last !== undefined) yield last;
}
