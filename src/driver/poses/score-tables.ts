/**
 * Rows of the `score` kind -> scores.tsv and scores/, best first, and the poses that go with them.
 *
 * Owns: the ranking. Invariant: equal scores rank in the order of the input. Memory is some 24 bytes
 * a pose: what is shown of a pose waits on disk while scores are sorted. Writers that bring megabytes
 * of WebAssembly are imported when they are needed, as in table-format.ts.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ensureFolder } from "../../base/files.ts";
import { TsvWriter } from "../../formats/table/tsv.ts";
import { type ScoreParameters, splitRow } from "../../kind/score.ts";
import type { OutputFolder } from "../output/output-folder.ts";
import type { ResultRow, ResultTables } from "../output/result-output.ts";
import { RowSpool } from "../output/row-spool.ts";
import type { GraphFiles } from "./graph-files.ts";
import { PARTIAL_NAME } from "./partial-ranking.ts";
import { formatScore, rankOf, SCORE_COLUMNS, showScore } from "./score-row.ts";
import { type ScoreStatistics, statisticsOf } from "./score-statistics.ts";
import type { RankedPose } from "./top-poses.ts";

/** Rows of one Parquet file: they are gathered in memory. */
const PART_ROWS = 1 << 17;

export interface ScoreTableOptions {
  /** No more rows than that are going to be written. */
  readonly rowsMax: number;
  readonly parameters: ScoreParameters;
  /** What is noted of every pose. */
  readonly note: string | undefined;
  /** How many of the best are remembered. */
  readonly top: number;
  /** Brings the best into a folder of the output, `top/`; absent: they stay where they are. */
  readonly copyTop?: (best: readonly RankedPose[], folder: string) => Promise<void>;
}

export class ScoreTables implements ResultTables {
  readonly names: ReadonlyMap<string, boolean>;
  readonly #folder: string;
  readonly #options: ScoreTableOptions;
  readonly #spool: RowSpool;
  readonly #scores: Float32Array;
  readonly #flagged = new Map<string, number>();
  #graphs: GraphFiles | undefined;
  #best: readonly RankedPose[] = [];
  #count = 0;

  constructor(folder: OutputFolder, options: ScoreTableOptions) {
    this.#folder = folder.work;
    this.#options = options;
    this.#spool = RowSpool.create(join(folder.work, "shown"));
    this.#scores = new Float32Array(options.rowsMax);
    this.names = new Map([
      ["scores.tsv", true],
      ["scores", true],
      [PARTIAL_NAME, false],
      ["top", options.copyTop !== undefined],
      ["graphs", options.parameters.graph !== undefined],
    ]);
  }

  async write(rows: readonly ResultRow[]): Promise<undefined> {
    const { parameters, note } = this.#options;
    for (const { id, row, item, file, line, payload } of rows) {
      const { score: result, graph } = splitRow(payload, parameters);
      const { centre } = parameters;
      const { pairing, clash, notes, flags } = showScore(result, { centre, note });
      for (const flag of flags) this.#flagged.set(flag, (this.#flagged.get(flag) ?? 0) + 1);
      assert(this.#count < this.#scores.length, "more rows than were planned");
      this.#scores[this.#count++] = result.score;
      this.#spool.append([id, pairing, clash, notes, String(row), String(item), file, line]);
      if (graph !== undefined) await (await this.#graphFiles()).write(id, row, graph);
    }
  }

  async close(): Promise<void> {
    const order = rankOf(this.#scores.subarray(0, this.#count));
    const { top, copyTop } = this.#options;
    try {
      await this.#writeRanking(order);
      if (this.#options.parameters.graph !== undefined) await (await this.#graphFiles()).close();
      this.#best = Array.from(order.subarray(0, top), (place, i) => this.#rankedPose(place, i + 1));
      const folder = join(this.#folder, "top");
      if (copyTop !== undefined) await ensureFolder(folder);
      await copyTop?.(this.#best, folder);
    } finally {
      this.#spool.close();
    }
  }

  async abort(): Promise<void> {
    this.#spool.close();
    await this.#graphs?.abort();
  }

  async #graphFiles(): Promise<GraphFiles> {
    if (this.#graphs !== undefined) return this.#graphs;
    const folder = join(this.#folder, "graphs");
    await ensureFolder(folder);
    const { GraphFiles } = await import("./graph-files.ts");
    this.#graphs = await GraphFiles.create(folder);
    return this.#graphs;
  }

  /** Of all rows; undefined where there is none. */
  statistics(): ScoreStatistics | undefined {
    return statisticsOf(this.#scores.subarray(0, this.#count), this.#flagged);
  }

  /** The best, once closed. */
  get best(): readonly RankedPose[] {
    return this.#best;
  }

  async #writeRanking(order: Uint32Array): Promise<void> {
    const table = await TsvWriter.create(join(this.#folder, "scores.tsv"), SCORE_COLUMNS);
    await ensureFolder(join(this.#folder, "scores"));
    try {
      for (
        let first = 0, part = 0;
        part === 0 || first < order.length;
        part++, first += PART_ROWS
      ) {
        await this.#writePart(table, {
          part,
          first,
          places: order.subarray(first).subarray(0, PART_ROWS),
        });
      }
      await table.close();
    } catch (thrown) {
      await table.abort();
      throw thrown;
    }
  }

  async #writePart(
    table: TsvWriter,
    { part, first, places }: { part: number; first: number; places: Uint32Array },
  ): Promise<void> {
    const shown = Array.from(places, (place) => this.#spool.read(place));
    const ranks = Int32Array.from(places.keys(), (i) => first + i + 1);
    const values = Float32Array.from(places, (place) => this.#scores[place]!);
    const column = (at: number) => shown.map((fields) => fields[at]!);
    await table.write(
      shown.map(([pose = "", pairing = "", clash = "", notes = "", row = ""], i) => [
        ranks[i]!,
        pose,
        formatScore(values[i]!),
        pairing,
        clash,
        notes,
        row,
      ]),
    );
    const { writeParquetRows } = await import("../../formats/table/parquet-rows.ts");
    const name = `part-${String(part).padStart(5, "0")}.parquet`;
    await writeParquetRows(join(this.#folder, "scores", name), {
      rank: ranks,
      pose: column(0),
      score: values,
      HL_contact_flag: column(1),
      vdw_clash_flag: column(2),
      notes: column(3),
      row: Int32Array.from(column(4), Number),
    });
  }

  #rankedPose(place: number, rank: number): RankedPose {
    const [pose = "", , , , , item = "", file = "", line = ""] = this.#spool.read(place);
    const score = this.#scores[place]!;
    return { rank, pose, score, item: Number(item), file, line: Number(line) };
  }
}
