/**
 * The emulated engine: rows made from the residues alone, at the speed of a device that is not there.
 *
 * For work on scheduling and throughput; whatever shows its results says "emulated". Its model is
 * one-hot: the vector of a residue has a 1 at its letter. So `mean` is the composition, `max` says
 * which letters occur, `bos` is 0, and equal sequences have equal rows on every machine. Invariant:
 * its CPU cost is a few nanoseconds a residue, so that what is measured is everything else.
 */
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { RaysidueError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import { toFloat16 } from "../formats/table/float16.ts";
import {
  costOf,
  type EmbedParameters,
  parseCanonical,
  rowBytes,
  rowLayout,
} from "../kind/embed.ts";
import type { RowLayout } from "../kind/kind.ts";
import type { EngineOpening, ItemFailure, MicroBatchResult } from "../rpc/engine-codec.ts";
import { parseOptions, type RowEngine } from "./row-engine.ts";

/** The order of a vector's numbers. */
export const EMULATED_LETTERS = "ACDEFGHIKLMNPQRSTVWY";
const DIM = EMULATED_LETTERS.length;

export const EMULATE_OPTIONS = z.strictObject({
  /** Times as fast as the reference device; absent: answers at once. */
  speed: z.number().positive().optional(),
  /** Of each micro-batch. */
  overheadMs: z.number().min(0).default(10),
  /** Of a token at speed 1. */
  costMs: z.number().min(0).default(0.1),
  /** From `afterSeconds` after opening on, work takes `factor` times as long. Ascending. */
  slowdowns: z
    .array(z.strictObject({ afterSeconds: z.number().min(0), factor: z.number().positive() }))
    .default([]),
  /** Standard deviation of a micro-batch's time, as a share of it. */
  noise: z.number().min(0).max(1).default(0),
  seed: z.number().int().min(0).default(1),
});
export type EmulateOptions = z.infer<typeof EMULATE_OPTIONS>;

/** Attention's share: L + L^2 / 7680 tokens' worth of work for L residues (an ESM-2 of 650M). */
const QUADRATIC_RESIDUES = 7680;

/** So that rows of a micro-batch stay far below a message, and commits are frequent. */
const TOKENS_MAX = 1 << 18;

/** Rows of a micro-batch stay in memory twice for a moment. */
const PAYLOAD_BYTES_MAX = 48 << 20;

/** Opens the engine for `opening`. Throws RaysidueError "usage" for options it does not know. */
export async function openEmulator(opening: EngineOpening): Promise<RowEngine> {
  if (opening.kind !== "embed") {
    throw new RaysidueError("usage", `the emulated engine does not know kind ${opening.kind}`);
  }
  const options = parseOptions(EMULATE_OPTIONS, opening);
  return new Emulator(parseCanonical(opening.parameters), options);
}

class Emulator implements RowEngine {
  readonly description: string;
  readonly tokensMax: number;
  readonly itemTokensMax = 0;
  readonly #parameters: EmbedParameters;
  readonly #layout: RowLayout;
  readonly #options: EmulateOptions;
  readonly #openedAt = performance.now();
  readonly #random: Random;

  constructor(parameters: EmbedParameters, options: EmulateOptions) {
    this.#parameters = parameters;
    this.#layout = rowLayout(parameters, DIM);
    this.#options = options;
    this.#random = new Random(options.seed);
    const residueBytes = rowBytes(this.#layout, 1) - rowBytes(this.#layout, 0);
    const rowTokens = Math.floor(PAYLOAD_BYTES_MAX / Math.max(1, residueBytes));
    this.tokensMax = Math.min(TOKENS_MAX, rowTokens);
    const speed = options.speed === undefined ? "at once" : `speed ${options.speed}`;
    this.description = `emulated, ${speed}`;
  }

  async run(items: readonly Uint8Array[]): Promise<MicroBatchResult> {
    const startedAt = performance.now();
    const { speed } = this.#options;
    const failures: ItemFailure[] = [];
    const sizes = items.map((item, index) => {
      if (item.length > 0) return rowBytes(this.#layout, item.length);
      failures.push({ index, reason: "a sequence without residues", retryable: false });
      return 0;
    });
    const payload = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
    let offset = 0;
    let tokens = 0;
    for (const [i, item] of items.entries()) {
      if (sizes[i] === 0) continue;
      writeRow(payload, offset, item, this.#layout);
      offset += sizes[i]!;
      tokens += costOf(item.length, this.#parameters);
    }
    if (speed !== undefined) {
      const endsAt = startedAt + this.#durationMs(items, speed, startedAt - this.#openedAt);
      await delay(Math.max(0, endsAt - performance.now()));
    }
    const busySeconds = (performance.now() - startedAt) / 1000;
    return { payload, sizes, failures, busySeconds, paddedTokens: tokens, tokens };
  }

  #durationMs(items: readonly Uint8Array[], speed: number, sinceOpenMs: number): number {
    const { overheadMs, costMs, slowdowns, noise } = this.#options;
    let work = 0;
    for (const { length } of items) work += length + (length * length) / QUADRATIC_RESIDUES;
    const plain = overheadMs + (work * costMs) / speed;
    const noisy = plain * Math.max(0.1, 1 + noise * this.#random.normal());
    return stretch(noisy, sinceOpenMs, slowdowns);
  }

  async close(): Promise<void> {}
}

/** How long work of `workMs` takes that begins `startMs` after opening, across changes of speed. */
export function stretch(
  workMs: number,
  startMs: number,
  slowdowns: EmulateOptions["slowdowns"],
): number {
  let left = workMs;
  let at = startMs;
  for (let i = -1; i < slowdowns.length; i++) {
    const factor = slowdowns[i]?.factor ?? 1;
    const until = (slowdowns[i + 1]?.afterSeconds ?? Infinity) * 1000;
    if (until <= at) continue;
    const done = (until - at) / factor;
    if (done >= left) return at + left * factor - startMs;
    left -= done;
    at = until;
  }
  return at + left - startMs;
}

const letterOf = new Uint8Array(256).fill(DIM);
for (const [i, letter] of [...EMULATED_LETTERS].entries()) letterOf[letter.charCodeAt(0)] = i;

/** One number more: letters outside the twenty are counted there and dropped. */
const counts = new Uint32Array(DIM + 1);
const scratch = new Float32Array(DIM);

function writeRow(payload: Uint8Array, offset: number, item: Uint8Array, layout: RowLayout): void {
  counts.fill(0);
  for (let i = 0; i < item.length; i++) counts[letterOf[item[i]!]!]! += 1;
  let at = offset;
  const write = (values: Float32Array, dtype: "float32" | "float16") => {
    const typed = dtype === "float32" ? values : toFloat16(values);
    payload.set(new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength), at);
    at += typed.byteLength;
  };
  for (const { name, dtype } of layout.pooled) {
    for (let i = 0; i < DIM; i++) {
      const count = counts[i]!;
      scratch[i] = name === "mean" ? count / item.length : name === "max" ? Math.min(1, count) : 0;
    }
    write(scratch, dtype);
  }
  if (layout.perResidue !== undefined)
    write(oneHot(item, layout.perResidue.dim), layout.perResidue.dtype);
}

/** `[length, 20]`, or with `dim` 1 the mean of each residue's vector. */
function oneHot(item: Uint8Array, dim: number): Float32Array {
  const values = new Float32Array(item.length * dim);
  for (let i = 0; i < item.length; i++) {
    const letter = letterOf[item[i]!]!;
    if (letter === DIM) continue;
    if (dim === 1) values[i] = 1 / DIM;
    else values[i * dim + letter] = 1;
  }
  return values;
}
