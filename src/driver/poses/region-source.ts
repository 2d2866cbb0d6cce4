/**
 * Where the numbering of antibody sequences comes from.
 *
 * Owns: the interface, and tables that users bring. Invariant: a source's name changes when its
 * answers may; it enters the content keys of scores. See science/regions.ts for a numbering's form.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fromSystemError, RaysidueError } from "../../base/errors.ts";
import { readTsv, USER_TABLE } from "../../formats/table/tsv.ts";
import type { AskingJob, SequenceAnswers } from "../run/sequence-answers.ts";

export interface RegionSource {
  /** What made the numbering, with its version. */
  readonly name: string;
  /** Numberings by sequence; a sequence without a variable domain has none, or "". */
  regionsOf(sequences: ReadonlySet<string>, job: AskingJob): Promise<SequenceAnswers<string>>;
}

export const REGION_COLUMNS = ["sequence", "regions"] as const;

/**
 * Numberings out of a table with the columns `sequence` and `regions`. Throws RaysidueError
 * "bad-input" naming the file and line of a row that is wrong.
 */
export async function openRegionTable(path: string): Promise<RegionSource> {
  const known = new Map<string, string>();
  let line = 1;
  for await (const rows of readTsv(path, REGION_COLUMNS, USER_TABLE)) {
    for (const [sequence = "", regions = ""] of rows) {
      line++;
      const isWrong = sequence.length !== regions.length || !/^[.F123L456]+$/.test(regions);
      if (sequence !== "" && !isWrong) {
        known.set(sequence, regions);
        continue;
      }
      const text = "`regions` needs one of . F 1 2 3 L 4 5 6 for each residue of `sequence`";
      throw new RaysidueError("bad-input", `${path}:${line}: ${text}`);
    }
  }
  const bytes = await readFile(path).catch((thrown: unknown) => {
    throw fromSystemError(thrown, `cannot read ${path}`);
  });
  return {
    name: `table ${createHash("sha256").update(bytes).digest("hex")}`,
    regionsOf: async (sequences) => {
      const found = new Map<string, string>();
      for (const sequence of sequences) {
        const regions = known.get(sequence);
        if (regions !== undefined) found.set(sequence, regions);
      }
      return { known: found, failed: new Map() };
    },
  };
}
