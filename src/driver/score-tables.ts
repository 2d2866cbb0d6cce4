/**
 * Rows of the `score` kind -> scores.tsv and scores/, best first.
 *
 * Owns: the ranking, the flags, and their statistics. Invariant: equal scores rank in the order of
 * the input. Memory is some 24 bytes a pose: what is shown of a pose waits on disk while scores are
 * sorted.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ensureFolder } from "../base/files.ts";
import { writeParquetRows } from "../formats/parquet-rows.ts";
import { TsvWriter } from "../formats/tsv.ts";
import { decodeScore, type PoseScore, type ScoreParameters } from "../kind/score.ts";
import { CLASH_FRACTION_MAX } from "../science/graph.ts";
import type { OutputFolder } from "./output-folder.ts";
import type { ResultRow, ResultTables } from "./result-output.ts";
import { RowSpool } from "./row-spool.ts";

/** `row` is that of index.tsv, which knows the pose's file and line. */
export const SCORE_COLUMNS = ["rank", "pose", "score", "flags", "notes", "row"] as const;

/** Scores are trained on poses about the origin; beyond this, angstrom, they fall with distance. */
export const OFF_CENTRE_MAX = 15;

const NOTES_SEPARATOR = "; ";
/** Rows of one Parquet file: they are gathered in memory. */
const PART_ROWS = 1 << 17;
const DIGITS = 6;

export interface ScoreStatistics {
  readonly mean: number;
  readonly min: number;
  readonly p10: number;
  readonly p25: number;
  readonly median: number;
  readonly p75: number;
  readonly p90: number;
  readonly max: number;
  /** At least 0.49, at least 0.23, below: DockQ's classes. */
  readonly high: number;
  readonly medium: number;
  readonly low: number;
  /** Poses by flag. */
  readonly flagged: Readonly<Record<string, number>>;
}

export interface ScoreTableOptions {
  /** No more rows than that are going to be written. */
  readonly rowsMax: number;
  readonly centre: ScoreParameters["centre"];
  /** What is noted of every pose. */
  readonly note: string | undefined;
}

export class ScoreTables implements ResultTables {
  readonly names = new Map([
    ["scores.tsv", true],
    ["scores", true],
  ]);
  readonly #folder: string;
  readonly #options: ScoreTableOptions;
  readonly #spool: RowSpool;
  readonly #scores: Float32Array;
  readonly #flagged = new Map<string, number>();
  #count = 0;

  constructor(folder: OutputFolder, options: ScoreTableOptions) {
    this.#folder = folder.work;
    this.#options = options;
    this.#spool = RowSpool.create(join(folder.work, "shown"));
    this.#scores = new Float32Array(options.rowsMax);
  }

  async write(rows: readonly ResultRow[]): Promise<undefined> {
    const { note } = this.#options;
    for (const { id, row, payload } of rows) {
      const result = decodeScore(payload);
      const flags = this.#flagsOf(result);
      for (const flag of flags) this.#flagged.set(flag, (this.#flagged.get(flag) ?? 0) + 1);
      assert(this.#count < this.#scores.length, "more rows than were planned");
      this.#scores[this.#count++] = result.score;
      const notes = note === undefined ? result.notes : [...result.notes, note];
      this.#spool.append([id, flags.join(","), notes.join(NOTES_SEPARATOR), String(row)]);
    }
  }

  async close(): Promise<void> {
    const scores = this.#scores.subarray(0, this.#count);
    const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
    const table = await TsvWriter.create(join(this.#folder, "scores.tsv"), SCORE_COLUMNS);
    const parts = join(this.#folder, "scores");
    await ensureFolder(parts);
    try {
      for (
        let first = 0, part = 0;
        part === 0 || first < order.length;
        part++, first += PART_ROWS
      ) {
        const places = order.subarray(first, first + PART_ROWS);
        const shown = Array.from(places, (place) => this.#spool.read(place));
        const ranks = Int32Array.from(places.keys(), (i) => first + i + 1);
        const values = Float32Array.from(places, (place) => scores[place]!);
        const column = (at: number) => shown.map((fields) => fields[at]!);
        await table.write(
          shown.map(([pose, flags, notes, row], i) => [
            ranks[i]!,
            pose!,
            values[i]!.toFixed(DIGITS),
            flags!,
            notes!,
            row!,
          ]),
        );
        const name = `part-${String(part).padStart(5, "0")}.parquet`;
        await writeParquetRows(join(parts, name), {
          rank: ranks,
          pose: column(0),
          score: values,
          flags: column(1),
          notes: column(2),
          row: Int32Array.from(column(3), Number),
        });
      }
      await table.close();
    } catch (thrown) {
      await table.abort();
      throw thrown;
    } finally {
      this.#spool.close();
    }
  }

  async abort(): Promise<void> {
    this.#spool.close();
  }

  /** Of all rows; undefined where there is none. */
  statistics(): ScoreStatistics | undefined {
    const count = this.#count;
    if (count === 0) return undefined;
    const sorted = this.#scores.slice(0, count).sort();
    const at = (share: number) => sorted[Math.round(share * (count - 1))]!;
    const above = (bound: number) =>
      sorted.reduce((sum, score) => sum + (score >= bound ? 1 : 0), 0);
    const [high, medium] = [above(0.49), above(0.23)];
    return {
      mean: sorted.reduce((sum, score) => sum + score, 0) / count,
      min: at(0),
      p10: at(0.1),
      p25: at(0.25),
      median: at(0.5),
      p75: at(0.75),
      p90: at(0.9),
      max: at(1),
      high,
      medium: medium - high,
      low: count - medium,
      flagged: Object.fromEntries(this.#flagged),
    };
  }

  #flagsOf({ pairing, clashFraction, offCentre }: PoseScore): string[] {
    const isOff = this.#options.centre === "file" && offCentre > OFF_CENTRE_MAX;
    return [
      ...(pairing === "low_HL_contacts" ? [pairing] : []),
      ...(clashFraction > CLASH_FRACTION_MAX ? ["vdw_clash"] : []),
      ...(isOff ? ["off_centre"] : []),
    ];
  }
}
