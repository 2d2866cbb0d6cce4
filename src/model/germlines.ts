/**
 * Tables of germlines on this machine.
 *
 * Owns: from the catalogue's one table to its checked file, and reading that. It comes as Python
 * source, one dictionary; it is read as text, never executed. Invariant: as in locate.ts.
 */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { RaysidueError } from "../base/errors.ts";
import { type Germline, type GermlineTable, germlineOf, POSITIONS } from "../science/germlines.ts";
import { GERMLINE_TABLE, GERMLINES } from "./catalog.ts";
import type { LocateOptions } from "./locate.ts";
import { type LocatedMember, locateMember } from "./wheel-member.ts";

/** A table and nothing else. Equal fingerprints give equal genes. */
export interface LocatedGermlines extends LocatedMember {
  readonly kind: "germlines";
}

/** Finds the pulled table. Throws RaysidueError: "unavailable" where it is not here, "bad-input". */
export async function locateGermlines(options: LocateOptions = {}): Promise<LocatedGermlines> {
  return { kind: "germlines", ...(await locateMember(GERMLINES, GERMLINE_TABLE, options)) };
}

const ALIGNED = z.string().length(POSITIONS);
/** Chain, species, gene. */
const SEGMENT = z.record(z.string(), z.record(z.string(), z.record(z.string(), ALIGNED)));
const TABLE = z.object({ V: SEGMENT, J: SEGMENT });

/** Reads the table. Throws RaysidueError "bad-input" where it is none. */
export async function openGermlines({ files }: LocatedGermlines): Promise<GermlineTable> {
  const { path } = files[0]!;
  const unfit = (cause: unknown) =>
    new RaysidueError("bad-input", `${path}: no table of germlines; pull it again`, { cause });
  const text = await readFile(path, "latin1");
  // A dictionary of dictionaries of strings without quotes in them is JSON but for its quotes.
  const literal = /^all_germlines = (\{[^"\\]*\})\s*$/.exec(text)?.[1];
  if (literal === undefined) throw unfit("not one dictionary of plain strings");
  try {
    const { V, J } = TABLE.parse(JSON.parse(literal.replaceAll("'", '"')));
    return { v: byChain(V), j: byChain(J) };
  } catch (thrown) {
    throw unfit(thrown);
  }
}

function byChain(segment: z.infer<typeof SEGMENT>): Map<string, Germline[]> {
  const chains = Object.entries(segment).map(([chain, ofSpecies]) => {
    const germlines = Object.entries(ofSpecies).flatMap(([species, genes]) =>
      Object.entries(genes).map(([gene, aligned]) => germlineOf(species, gene, aligned)),
    );
    return [chain, germlines] as const;
  });
  return new Map(chains);
}
