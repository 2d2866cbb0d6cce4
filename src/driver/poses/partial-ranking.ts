/**
 * scores.partial.tsv: the ranking of what is committed so far, while a run goes on.
 *
 * Owns: reading new rows out of the shards now and then. Invariant: the file is whole whenever
 * somebody reads it, no row is decoded twice, and the run is not slowed: refreshing takes a
 * twentieth of the driver's time at most. Memory is some 30 bytes a pose and the rows that are shown.
 * What goes wrong here is said once and does not end the run.
 */
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay, setImmediate } from "node:timers/promises";
import { messageOf } from "../../base/errors.ts";
import { readTsv, type TsvField, TsvWriter } from "../../formats/table/tsv.ts";
import { type ScoreParameters, splitRow } from "../../kind/score.ts";
import { ResultStore } from "../../store/result-store.ts";
import type { OutputFolder } from "../output/output-folder.ts";
import type { Plan } from "../plan/plan.ts";
import { NAME_COLUMNS } from "../plan/read-sequences.ts";
import { formatScore, rankOf, type ShownScore, showScore } from "./score-row.ts";

export const PARTIAL_NAME = "scores.partial.tsv";
export const PARTIAL_COLUMNS = [
  "rank",
  "pose",
  "score",
  "HL_contact_flag",
  "vdw_clash_flag",
  "file",
  "line",
] as const;

export interface PartialOptions {
  readonly folder: OutputFolder;
  readonly plan: Plan;
  readonly namesPath: string;
  /** In which results were known before the run. */
  readonly stores: readonly ResultStore[];
  readonly parameters: ScoreParameters;
  /** Between refreshes, at least. */
  readonly everyMs: number;
  readonly onWarning: (text: string) => void;
}

/** Poses shown: who wants all of them waits for the end. */
const SHOWN_MAX = 10_000;
/** Waiting beside the time that the last refresh took. */
const PAUSE_FACTOR = 19;
/** Items looked up together, and bytes of rows read together. */
const LOOKUP_ITEMS = 4096;
const READ_BYTES = 16 << 20;

const UNKNOWN = Number.NaN;
const PAIRINGS: readonly ShownScore["pairing"][] = ["ok", "low_HL_contacts", "not_applicable"];
const CLASH = 1 << 2;

interface FoundRow {
  readonly item: number;
  readonly store: ResultStore;
  readonly shard: number;
  readonly offset: number;
  readonly size: number;
}

export class PartialRanking {
  readonly #options: PartialOptions;
  /** By distinct item. */
  readonly #scores: Float32Array;
  readonly #flags: Uint8Array;
  readonly #ending = new AbortController();
  readonly #ended: Promise<void>;

  private constructor(options: PartialOptions) {
    this.#options = options;
    const { count } = options.plan.distinct;
    this.#scores = new Float32Array(count).fill(UNKNOWN);
    this.#flags = new Uint8Array(count);
    this.#ended = this.#run();
  }

  /** Refreshes until it is disposed. The file then stays as it is: the output replaces it. */
  static start(options: PartialOptions): PartialRanking {
    return new PartialRanking(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { everyMs, onWarning } = this.#options;
    let pauseMs = everyMs;
    try {
      for (;;) {
        await delay(pauseMs, undefined, { signal: this.#ending.signal });
        const startedAt = performance.now();
        if (await this.#readNew()) await this.#write();
        pauseMs = Math.max(everyMs, PAUSE_FACTOR * (performance.now() - startedAt));
      }
    } catch (thrown) {
      if (this.#ending.signal.aborted) return;
      onWarning(`${PARTIAL_NAME} is no longer written: ${messageOf(thrown)}`);
    }
  }

  /** Scores rows that are new; says whether there were any. */
  async #readNew(): Promise<boolean> {
    const { distinct } = this.#options.plan;
    await using fresh = await ResultStore.open(this.#options.folder.shards, { writable: true });
    let count = 0;
    let next = 0;
    let rows: FoundRow[] = [];
    let wanted: { readonly item: number; readonly key: Uint8Array }[] = [];
    const flush = async () => {
      rows.push(...(await lookUp(wanted, fresh)));
      for (const piece of piecesOf(rows)) count += await this.#read(piece);
      [rows, wanted] = [[], []];
      await setImmediate();
      this.#ending.signal.throwIfAborted();
    };
    const addLocated = async (end: number) => {
      for (; next < end; next++) {
        if (!Number.isNaN(this.#scores[next])) continue;
        const place = distinct.place(next);
        const store = place && this.#options.stores[place.store];
        if (store !== undefined) rows.push({ item: next, ...place!, store });
        if (rows.length >= LOOKUP_ITEMS) await flush();
      }
    };
    for (const { item, key } of distinct.unlocated()) {
      await addLocated(item);
      next = item + 1;
      if (Number.isNaN(this.#scores[item])) wanted.push({ item, key: Uint8Array.from(key) });
      if (wanted.length + rows.length >= LOOKUP_ITEMS) await flush();
    }
    await addLocated(this.#scores.length);
    await flush();
    return count > 0;
  }

  async #read(rows: readonly FoundRow[]): Promise<number> {
    const { parameters } = this.#options;
    for (const store of new Set(rows.map(({ store }) => store))) {
      const own = rows.filter((row) => row.store === store);
      const payloads = await store.readMany({
        shards: Int32Array.from(own, ({ shard }) => shard),
        offsets: Float64Array.from(own, ({ offset }) => offset),
        sizes: Uint32Array.from(own, ({ size }) => size),
      });
      for (const [i, { item }] of own.entries()) {
        const { score } = splitRow(payloads[i]!, parameters);
        const { pairing, clash } = showScore(score, { ...parameters, note: undefined });
        this.#scores[item] = score.score;
        this.#flags[item] = PAIRINGS.indexOf(pairing) | (clash === "ok" ? 0 : CLASH);
      }
    }
    return rows.length;
  }

  /** Score, number of the record, and item of each record that is known, in the input's order. */
  async #knownRecords(): Promise<{
    readonly scores: Float32Array;
    readonly records: Float64Array;
    readonly items: Float64Array;
  }> {
    const { plan } = this.#options;
    const scores = new Float32Array(plan.rowCount);
    const [records, items] = [new Float64Array(plan.rowCount), new Float64Array(plan.rowCount)];
    let record = 0;
    let count = 0;
    for (const rows of plan.rows()) {
      for (const { item } of rows) {
        const score = item === undefined ? UNKNOWN : this.#scores[item]!;
        if (!Number.isNaN(score)) {
          scores[count] = score;
          items[count] = item!;
          records[count++] = record;
        }
        record++;
      }
      await setImmediate();
    }
    return { scores: scores.subarray(0, count), records, items };
  }

  async #write(): Promise<void> {
    const { folder, namesPath } = this.#options;
    const { scores, records, items } = await this.#knownRecords();
    const best = rankOf(scores, SHOWN_MAX);
    const ranks = new Map(Array.from(best, (place, i) => [records[place]!, i] as const));
    const lines = new Array<TsvField[]>(best.length);
    let record = 0;
    for await (const names of readTsv(namesPath, NAME_COLUMNS)) {
      for (const [pose = "", file = "", line = ""] of names) {
        const rank = ranks.get(record++);
        if (rank === undefined) continue;
        const place = best[rank]!;
        const flags = this.#flags[items[place]!]!;
        const pairing = PAIRINGS[flags & (CLASH - 1)]!;
        const clash = (flags & CLASH) === 0 ? "ok" : "potential_clash";
        lines[rank] = [rank + 1, pose, formatScore(scores[place]!), pairing, clash, file, line];
      }
    }
    // What a crash leaves unfinished in the work folder is swept up.
    const work = join(folder.work, PARTIAL_NAME);
    const table = await TsvWriter.create(work, PARTIAL_COLUMNS);
    try {
      await table.write(lines);
      await table.close();
    } catch (thrown) {
      await table.abort();
      throw thrown;
    }
    await rename(work, folder.file(PARTIAL_NAME));
  }
}

/** Where rows of `wanted` stand, of those that have one; keys ascend, as a lookup wants them. */
async function lookUp(
  wanted: readonly { readonly item: number; readonly key: Uint8Array }[],
  store: ResultStore,
): Promise<FoundRow[]> {
  const keys = Buffer.concat(wanted.map(({ key }) => key));
  const { shards, offsets, sizes } = await store.lookup(keys);
  return wanted.flatMap(({ item }, i) => {
    const shard = shards[i]!;
    return shard < 0 ? [] : [{ item, store, shard, offset: offsets[i]!, size: sizes[i]! }];
  });
}

/** Rows in pieces that fit into memory. */
function* piecesOf(rows: readonly FoundRow[]): Generator<FoundRow[]> {
  let piece: FoundRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    piece.push(row);
    bytes += row.size;
    if (bytes < READ_BYTES) continue;
    yield piece;
    piece = [];
    bytes = 0;
  }
  if (piece.length > 0) yield piece;
}
