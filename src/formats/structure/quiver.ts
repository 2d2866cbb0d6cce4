/**
 * Quiver archives (`.qv`): many PDB structures in one text, each under a tag.
 *
 * Owns: where an entry begins. Invariant: an entry's name is its tag; score lines, Rosetta's
 * energy tables and comments are no atoms and are skipped; an entry that a fitting index has and the
 * archive has not is a fault, and so is one without a tag, whose neighbours are read. Source: the
 * quiver tool of RFantibody; an entry is `QV_TAG tag`, optionally `QV_SCORE tag k=v|k=v`, then PDB
 * lines.
 */
import { RaysidueError } from "../../base/errors.ts";
import { readTextLines } from "../text/text-lines.ts";
import { PDB_LINE_BYTES_MAX } from "./pdb.ts";
import { PdbModels } from "./pdb-models.ts";
import { IndexComparison, type QuiverIndex } from "./quiver-index.ts";
import { type StructureRecord, stemOf } from "./structure.ts";

export interface QuiverOptions {
  readonly index?: QuiverIndex | undefined;
  /** Told why an index is left aside. */
  readonly onStale?: (text: string) => void;
}

/** Yields the entries in order, each whole or as a fault with file and line. */
export async function* readQuiver(
  bytes: AsyncIterable<Uint8Array>,
  source: string,
  { index, onStale }: QuiverOptions = {},
): AsyncGenerator<StructureRecord> {
  const comparison = index && new IndexComparison(index);
  let entry: PdbModels | undefined;
  let entries = 0;
  let line = 0;
  for await (const lines of readTextLines(bytes, { source, bytesMax: PDB_LINE_BYTES_MAX })) {
    for (const text of lines) {
      line++;
      if (text.startsWith("QV_TAG")) {
        const record = entry?.end(line - 1);
        if (record !== undefined) yield record;
        const tag = tagOf(text);
        entries++;
        comparison?.see(tag);
        // Nothing can be called by it, but the next entry has a name again.
        entry = tag === "" ? undefined : new PdbModels({ source, name: tag });
        if (entry === undefined) {
          const error = bad(source, line, "QV_TAG without a tag");
          const name = `${stemOf(source)}_entry_${entries}`;
          yield { kind: "fault", fault: { name, source, line, error } };
        }
      } else if (entry !== undefined) {
        const record = entry.push(text, line);
        if (record !== undefined) yield record;
      } else if (entries === 0 && text.trim() !== "" && !text.startsWith("#")) {
        throw bad(source, line, "text before the first QV_TAG; is this a quiver archive?");
      }
    }
  }
  if (entries === 0) throw bad(source, Math.max(line, 1), "no QV_TAG in a quiver archive");
  const record = entry?.end(line);
  if (record !== undefined) yield record;
  if (comparison?.stale !== undefined) onStale?.(comparison.stale);
  for (const name of comparison?.missing ?? []) {
    const text = `the archive ends before entry ${JSON.stringify(name)} of its index; was it cut?`;
    yield { kind: "fault", fault: { name, source, line, error: bad(source, line, text) } };
  }
}

function tagOf(text: string): string {
  return Buffer.from(text.slice(6).trim(), "latin1").toString("utf8");
}

function bad(source: string, line: number, text: string): RaysidueError {
  return new RaysidueError("bad-input", `${source}:${line}: ${text}`);
}
