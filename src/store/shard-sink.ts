/**
 * Where one writer's rows go: a shard, then the next.
 *
 * Owns: shard names, rolling over, and the mark that says so (shard-marks.ts). Invariant: a shard has one writer; `append` resolves when the
 * rows are durable. Names are made of random letters only: nothing from outside becomes a path.
 */
import { randomBytes } from "node:crypto";
import type { Rows } from "./segment.ts";
import { markWriter, unmarkWriter } from "./shard-marks.ts";
import { type Placement, ShardWriter } from "./shard-writer.ts";

/** A shard is closed at this size: few enough files for 10^9 rows, small enough to copy and prune. */
const LIMITS: SinkLimits = { bytesMax: 256 * 1024 * 1024, rowsMax: 1_000_000 };

export interface SinkLimits {
  readonly bytesMax: number;
  readonly rowsMax: number;
}

interface OpenShard {
  readonly name: string;
  readonly writer: ShardWriter;
}

export class ShardSink {
  readonly #folder: string;
  readonly #limits: SinkLimits;
  readonly #prefix: string;
  #count = 0;
  #writer: Promise<OpenShard> | undefined;
  #mark: Promise<string> | undefined;
  /** Shards that are full; their last appends may still be under way. */
  readonly #closing: Promise<void>[] = [];

  constructor(folder: string, limits: SinkLimits = LIMITS) {
    this.#folder = folder;
    this.#limits = limits;
    this.#prefix = randomBytes(6).toString("hex");
  }

  /** As ShardWriter.append; `shard` is the name of the shard the rows went to. */
  async append(rows: Rows): Promise<Placement & { shard: string }> {
    for (;;) {
      const current = this.#current();
      const { name, writer } = await current;
      // No await between this check and the append: nobody can fill or close the shard meanwhile.
      const isFull =
        writer.sizeBytes >= this.#limits.bytesMax ||
        writer.rowCount + rows.sizes.length > this.#limits.rowsMax;
      if (this.#writer === current && (!isFull || writer.rowCount === 0)) {
        return { shard: name, ...(await writer.append(rows)) };
      }
      if (this.#writer === current) {
        this.#writer = undefined;
        // Its rows are durable already: a close that fails loses nothing.
        this.#closing.push(writer.close().catch(() => {}));
      }
    }
  }

  /** Waits for appends under way and closes every shard. */
  async close(): Promise<void> {
    const current = this.#writer;
    this.#writer = undefined;
    // A shard that could not be opened has nothing to close; append has reported it.
    const opened = await current?.catch(() => undefined);
    await Promise.all([...this.#closing.splice(0), opened?.writer.close()]);
    const mark = await this.#mark?.catch(() => undefined);
    this.#mark = undefined;
    if (mark !== undefined) await unmarkWriter(mark).catch(() => {});
  }

  #current(): Promise<OpenShard> {
    this.#writer ??= this.#openNext();
    return this.#writer;
  }

  #openNext(): Promise<OpenShard> {
    const name = `${this.#prefix}-${this.#count++}.shard`;
    this.#mark ??= markWriter(this.#folder);
    // Where no mark can be made the shard's own error says more.
    const marked = this.#mark.catch(() => {});
    const opening = marked
      .then(() => ShardWriter.open(this.#folder, name))
      .then((writer) => ({ name, writer }));
    // The next append tries again.
    opening.catch(() => {
      if (this.#writer === opening) this.#writer = undefined;
    });
    return opening;
  }
}
