/**
 * The rows of one micro-batch while they are made.
 *
 * Owns: where each row lies in the payload, which items failed, and joining windows. Invariant: rows
 * are in the order of their items whatever the order in which they are computed; a failed item has
 * no bytes. Deliberately not here: what the pools mean (pooling.ts).
 */
import { type Pool, rowBytes, writeColumn } from "../../kind/embed.ts";
import type { RowLayout } from "../../kind/kind.ts";
import type { ItemFailure, MicroBatchResult } from "../../rpc/engine-codec.ts";
import type { Passage } from "./passages.ts";
import { type HiddenStates, maxOf, meanOf, scalarsOf, WindowJoiner } from "./pooling.ts";

const POOL_OF: Readonly<Record<Pool, (states: HiddenStates) => Float32Array>> = {
  mean: meanOf,
  max: maxOf,
  bos: ({ bos }) => bos,
};

export class RowBatch {
  readonly items: readonly Uint8Array[];
  readonly failures: ItemFailure[] = [];
  readonly #layout: RowLayout;
  readonly #dim: number;
  readonly #offsets: Float64Array;
  readonly #sizes: number[];
  readonly #joiners = new Map<number, WindowJoiner>();
  #payload = new Uint8Array();
  bytes = 0;

  constructor(items: readonly Uint8Array[], layout: RowLayout, dim: number) {
    this.items = items;
    this.#layout = layout;
    this.#dim = dim;
    this.#offsets = new Float64Array(items.length);
    this.#sizes = new Array<number>(items.length).fill(0);
  }

  reserve(item: number): void {
    const size = rowBytes(this.#layout, this.items[item]!.length);
    this.#offsets[item] = this.bytes;
    this.#sizes[item] = size;
    this.bytes += size;
  }

  allocate(): void {
    this.#payload = new Uint8Array(this.bytes);
  }

  fail(failure: ItemFailure): void {
    if (this.#sizes[failure.index] === 0) return;
    this.#sizes[failure.index] = 0;
    this.#joiners.delete(failure.index);
    this.failures.push(failure);
  }

  add({ item, start, end }: Passage, states: HiddenStates): void {
    const { length } = this.items[item]!;
    if (this.#sizes[item] === 0) return;
    if (end - start === length) return this.#write(item, states);
    const joiner = this.#joiners.get(item) ?? new WindowJoiner(length, this.#dim);
    this.#joiners.set(item, joiner);
    joiner.add(states, start);
    if (end < length) return;
    this.#joiners.delete(item);
    this.#write(item, joiner.states());
  }

  #write(item: number, states: HiddenStates): void {
    const { pooled, perResidue } = this.#layout;
    let offset = this.#offsets[item]!;
    for (const column of pooled) {
      offset = writeColumn(this.#payload, offset, column, POOL_OF[column.name as Pool](states));
    }
    if (perResidue === undefined) return;
    const values = perResidue.dim === 1 ? scalarsOf(states) : states.residues;
    writeColumn(this.#payload, offset, perResidue, values);
  }

  finish(): Pick<MicroBatchResult, "payload" | "sizes" | "failures"> {
    const { failures } = this;
    const kept = this.#sizes.reduce((sum, size) => sum + size, 0);
    if (kept === this.bytes) return { payload: this.#payload, sizes: this.#sizes, failures };
    // Some item failed after its room was made: close the gaps.
    const parts = this.#sizes.map((size, item) => {
      const offset = this.#offsets[item]!;
      return this.#payload.subarray(offset, offset + size);
    });
    return { payload: Buffer.concat(parts), sizes: this.#sizes, failures };
  }
}
