/**
 * A run of single items, for programs: submit a stream, iterate results as they are committed.
 *
 * Owns: which ids wait for which content key. Invariant: every submitted item gets one result, in
 * any order; equal items are computed once and items with a cached result not at all. Unlike
 * embed.ts it keeps about 200 bytes a distinct item in memory; for inputs beyond that, embed files.
 */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BoundedQueue } from "../../base/bounded-queue.ts";
import { messageOf, RaysidueError } from "../../base/errors.ts";
import { decodeRow } from "../../kind/embed.ts";
import { canonicalSequence } from "../../kind/sequence.ts";
import type { DriverEvent, ShardRows } from "../../rpc/messages.ts";
import { openSpace, publish } from "../../store/cache.ts";
import { defaultCacheFolder } from "../../store/cache-folder.ts";
import { contentKey, itemDigest, KEY_BYTES, spaceDigest } from "../../store/content-key.ts";
import { sortedKeyOrder } from "../../store/key-order.ts";
import { ResultStore } from "../../store/result-store.ts";
import type { RowPlace } from "../../store/row-reader.ts";
import { ShardSink } from "../../store/shard-sink.ts";
import type { Session } from "../fleet/session.ts";
import { RowFetcher } from "../run/row-fetcher.ts";
import { placeProbe } from "../run/shard-probe.ts";
import { TaskStream } from "../run/task-stream.ts";
import { type EmbedTarget, resolveTarget } from "../sequences/embed-target.ts";
import { groupsOf } from "./item-groups.ts";
import type { ItemResult, RunOptions, SequenceItem } from "./item-result.ts";

/** An item that waits for its result. */
interface Waiting {
  readonly ids: string[];
  readonly length: number;
}

/** Items that go together: one message, one cache lookup. */
const GROUP_ITEMS = 256;

/** Results that wait for the program; beyond this the run holds back. */
const RESULTS_WAITING_MAX = 1024;

/** Opens a run on the session's fleet. Throws RaysidueError for unknown models and parameters. */
export async function openRun(session: Session, options: RunOptions): Promise<ItemRun> {
  // Programs in JavaScript have no compiler to say so.
  if (options.kind !== "embed") {
    const text = `runs of single items are of kind embed, not ${JSON.stringify(options.kind)}`;
    throw new RaysidueError("usage", text);
  }
  const target = await resolveTarget(options);
  const connection = await session.connection();
  const cacheFolder =
    options.cacheFolder === undefined ? defaultCacheFolder() : options.cacheFolder;
  // Removed by the run's close; the probe in it goes with it.
  const folder = await mkdtemp(join(tmpdir(), "raysidue-run-"));
  const { spec } = await placeProbe(folder);
  const cached =
    cacheFolder === null ? ResultStore.empty(folder) : await openSpace(cacheFolder, target.space);
  const stream = new TaskStream(connection, {
    ...target.request,
    ...spec,
    runId: randomUUID(),
    name: "api",
    weight: options.weight ?? 1,
    // An open-ended stream: how much it will be is not known.
    expectedGflop: 0,
  });
  return new ItemRun({ session, stream, target, folder, cacheFolder, cached });
}

interface RunParts {
  readonly session: Session;
  readonly stream: TaskStream;
  readonly target: EmbedTarget;
  readonly folder: string;
  readonly cacheFolder: string | null;
  readonly cached: ResultStore;
}

/** Where the row of a settled item stands. */
interface Settled {
  readonly store: ResultStore;
  readonly place: RowPlace;
  readonly length: number;
}

/** An item that was given up: its equals get the same answer. */
interface Failed {
  readonly reason: string;
}

export class ItemRun {
  readonly #parts: RunParts;
  readonly #results = new BoundedQueue<ItemResult>(RESULTS_WAITING_MAX);
  readonly #fetcher: RowFetcher;
  readonly #fetched: ShardSink;
  readonly #rows: Promise<ResultStore>;
  /** By content key in hex: the ids that wait, where the row of a settled item stands, or why not. */
  readonly #byKey = new Map<string, Waiting | Settled | Failed>();
  /** Content key of each task. */
  readonly #taskKeys: string[] = [];
  readonly #followed: Promise<void>;
  #isSubmitted = false;
  #closing: Promise<void> | undefined;

  constructor(parts: RunParts) {
    this.#parts = parts;
    const { session, stream, folder } = parts;
    const { token, tls } = session;
    this.#fetcher = new RowFetcher({ token, tls, runId: stream.runId });
    this.#fetched = new ShardSink(folder);
    this.#rows = ResultStore.open(folder, { writable: false });
    this.#followed = this.#follow();
    session.broken.catch((thrown: unknown) => {
      this.#results.end(thrown);
      stream.abandon();
    });
  }

  /**
   * Streams items in; resolves when all are submitted. Waits where the scheduler has enough, so an
   * endless source is fine as long as somebody iterates `results`. May be called once. Where it
   * rejects, the run is cancelled and `results` throws too: it need not be awaited for that.
   */
  submit(items: Iterable<SequenceItem> | AsyncIterable<SequenceItem>): Promise<void> {
    const submitted = this.#submit(items);
    submitted.catch(() => {});
    return submitted;
  }

  /** Each submitted item's result as it is committed; ends when all have one. Iterate once. */
  results(): AsyncGenerator<ItemResult> {
    return this.#results.values();
  }

  /** Ends the run; results that are committed by then are still handed out, then it throws. */
  cancel(reason = "cancelled by the program"): void {
    this.#parts.stream.cancel(reason);
  }

  /** Leaves the run, if it still goes on, and gives its resources back. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const { stream, cached, folder, cacheFolder, target } = this.#parts;
    stream.abandon();
    this.#results.end();
    await this.#followed;
    this.#fetcher.close();
    await this.#fetched.close();
    await (await this.#rows).close();
    await cached.close();
    if (cacheFolder !== null) await publish(cacheFolder, target.space, folder);
    await rm(folder, { recursive: true, force: true });
  }

  async #submit(items: Iterable<SequenceItem> | AsyncIterable<SequenceItem>): Promise<void> {
    if (this.#isSubmitted) throw new RaysidueError("usage", "a run takes one stream of items");
    this.#isSubmitted = true;
    try {
      for await (const group of groupsOf(items, GROUP_ITEMS)) await this.#submitGroup(group);
      this.#parts.stream.endInput();
    } catch (thrown) {
      this.#parts.stream.cancel(messageOf(thrown));
      throw thrown;
    }
  }

  async #submitGroup(group: readonly SequenceItem[]): Promise<void> {
    const { rules, space } = this.#parts.target;
    const digest = spaceDigest(space);
    const fresh: { hex: string; key: Buffer; data: Uint8Array }[] = [];
    for (const { id, sequence } of group) {
      const canonical = canonicalSequence(Buffer.from(sequence.replace(/\s/g, "")), rules);
      if (canonical.problem !== undefined) {
        await this.#fail([id], canonical.problem);
        continue;
      }
      const data = canonical.residues;
      const key = contentKey(digest, itemDigest(data));
      const hex = key.toString("hex");
      const known = this.#byKey.get(hex);
      if (known === undefined) {
        this.#byKey.set(hex, { ids: [id], length: data.length });
        fresh.push({ hex, key, data });
      } else if ("ids" in known) known.ids.push(id);
      else if ("reason" in known) await this.#fail([id], known.reason);
      else await this.#emit([id], known);
    }
    await this.#submitFresh(fresh);
  }

  async #submitFresh(fresh: readonly { hex: string; key: Buffer; data: Uint8Array }[]) {
    if (fresh.length === 0) return;
    const { cached, stream, target } = this.#parts;
    const order = sortedKeyOrder(Buffer.concat(fresh.map((each) => each.key)));
    const sorted = Array.from(order, (i) => fresh[i]!);
    const places = await cached.lookup(Buffer.concat(sorted.map((each) => each.key)));
    const missing: typeof sorted = [];
    for (const [i, each] of sorted.entries()) {
      const shard = places.shards[i]!;
      if (shard < 0) {
        missing.push(each);
        continue;
      }
      const place = {
        shard,
        offset: places.offsets[i]!,
        size: places.sizes[i]!,
        crc: places.crcs[i]!,
      };
      await this.#settle(each.hex, cached, place);
    }
    if (missing.length === 0) return;
    for (const { hex } of missing) this.#taskKeys.push(hex);
    await stream.submit({
      data: Buffer.concat(missing.map((each) => each.data)),
      sizes: missing.map((each) => each.data.length),
      costs: missing.map((each) => target.costOf(each.data.length)),
      keys: Buffer.concat(
        missing.map((each) => each.key),
        missing.length * KEY_BYTES,
      ),
    });
  }

  async #follow(): Promise<void> {
    try {
      for await (const event of this.#parts.stream.events()) await this.#handle(event);
      this.#results.end();
    } catch (thrown) {
      this.#results.end(thrown);
    }
  }

  async #handle(event: DriverEvent): Promise<void> {
    if (event.type === "committed" && event.rows !== undefined) {
      await this.#commit(event.rows, event.bulkAddress);
    } else if (event.type === "quarantined") {
      for (const { task, reason } of event.failures) {
        const hex = this.#taskKeys[task]!;
        const waiting = this.#byKey.get(hex);
        if (waiting === undefined || !("ids" in waiting)) continue;
        this.#byKey.set(hex, { reason });
        await this.#fail(waiting.ids, reason);
      }
    } else if (event.type === "ended" && event.outcome !== "done") {
      const code = event.outcome === "cancelled" ? "cancelled" : "unavailable";
      throw new RaysidueError(code, event.message);
    }
  }

  async #commit(rows: ShardRows, bulkAddress: string): Promise<void> {
    const here = bulkAddress === "" ? rows : await this.#fetch(rows, bulkAddress);
    const store = await this.#rows;
    const shard = store.shardNumber(here.shard);
    let offset = here.payloadOffset;
    for (const [i, task] of rows.tasks.entries()) {
      const size = rows.sizes[i]!;
      await this.#settle(this.#taskKeys[task]!, store, { shard, offset, size });
      offset += size;
    }
  }

  async #fetch(rows: ShardRows, bulkAddress: string) {
    const payload = await this.#fetcher.fetch(rows, bulkAddress);
    const keys = Buffer.from(rows.tasks.map((task) => this.#taskKeys[task]!).join(""), "hex");
    return this.#fetched.append({ keys, sizes: Uint32Array.from(rows.sizes), payload });
  }

  async #settle(hex: string, store: ResultStore, place: RowPlace): Promise<void> {
    const waiting = this.#byKey.get(hex);
    if (waiting === undefined || !("ids" in waiting)) return;
    const settled = { store, place, length: waiting.length };
    this.#byKey.set(hex, settled);
    await this.#emit(waiting.ids, settled);
  }

  async #emit(ids: readonly string[], { store, place, length }: Settled): Promise<void> {
    const { layout } = this.#parts.target;
    const { pooled, perResidue } = decodeRow(layout, length, await store.read(place));
    const vectors = Object.fromEntries(layout.pooled.map(({ name }, i) => [name, pooled[i]!]));
    for (const id of ids) {
      await this.#results.push({ id, status: "ok", vectors, ...(perResidue && { perResidue }) });
    }
  }

  async #fail(ids: readonly string[], reason: string): Promise<void> {
    for (const id of ids) await this.#results.push({ id, status: "failed", reason });
  }
}
