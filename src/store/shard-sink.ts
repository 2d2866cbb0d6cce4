/**
 * Where one writer's rows go: a shard, then the next.
 *
 * Owns: shard names and rolling over. Invariant: a shard has one writer; `append` resolves when the
 * rows are durable. Names are made of random letters only: nothing from outside becomes a path.
 */
import { randomBytes } from "node:crypto";
import type { Rows } from "./segment.ts";
import { type Placement, ShardWriter } from "./shard-writer.ts";

/** A shard is closed at this size: few enough files for 10^9 rows, small enough to copy and prune. */
const SHARD_BYTES_MAX = 256 * 1024 * 1024;
const SHARD_ROWS_MAX = 1_000_000;

export class ShardSink {
  readonly #folder: string;
  readonly #prefix: string;
  #count = 0;
  #writer: Promise<{ name: string; writer: ShardWriter }> | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    this.#prefix = randomBytes(6).toString("hex");
  }

  async append(rows: Rows): Promise<Placement & { shard: string }> {
    const { name, writer } = await this.#writerFor(rows.sizes.length);
    const placement = await writer.append(rows);
    return { shard: name, ...placement };
  }

  async close(): Promise<void> {
    const current = this.#writer;
    this.#writer = undefined;
    // A shard that could not be opened has nothing to close; append has reported it.
    const opened = await current?.catch(() => undefined);
    await opened?.writer.close();
  }

  async #writerFor(rowCount: number): Promise<{ name: string; writer: ShardWriter }> {
    for (;;) {
      this.#writer ??= this.#openNext();
      const current = this.#writer;
      let opened: { name: string; writer: ShardWriter };
      try {
        opened = await current;
      } catch (thrown) {
        if (this.#writer === current) this.#writer = undefined;
        throw thrown;
      }
      const { writer } = opened;
      const isFull =
        writer.sizeBytes >= SHARD_BYTES_MAX || writer.rowCount + rowCount > SHARD_ROWS_MAX;
      if (!isFull || writer.rowCount === 0) return opened;
      if (this.#writer === current) {
        this.#writer = undefined;
        void writer.close();
      }
    }
  }

  async #openNext(): Promise<{ name: string; writer: ShardWriter }> {
    const name = `${this.#prefix}-${this.#count++}.shard`;
    return { name, writer: await ShardWriter.open(this.#folder, name) };
  }
}
