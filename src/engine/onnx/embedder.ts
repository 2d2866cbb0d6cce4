/**
 * The `onnx` engine of the `embed` kind: sequences to rows.
 *
 * Owns: a micro-batch from items to rows, and its memory. Invariant: a row's bytes depend on its
 * item, the model and the parameters, never on what else is in the micro-batch; nothing is started
 * that is predicted not to fit. Deliberately not here: the model (transformer.ts), the layout into
 * calls (passages.ts), pools (pooling.ts).
 */
import { z } from "zod";
import { messageOf, RaysidueError } from "../../base/errors.ts";
import { formatBytes } from "../../base/units.ts";
import {
  type EmbedParameters,
  parseCanonical,
  rowBytes,
  rowLayout,
  SPECIAL_TOKENS,
} from "../../kind/embed.ts";
import type { RowLayout } from "../../kind/kind.ts";
import { type LocatedTransformer, locateModel } from "../../model/locate.ts";
import { MESSAGE_BYTES_MAX } from "../../rpc/channel.ts";
import type { EngineOpening, ItemFailure, MicroBatchResult } from "../../rpc/engine-codec.ts";
import { DEVICE_TYPES, type DeviceType } from "../device-type.ts";
import { availableMemoryBytes, callBytes, longestCall, PROCESS_BYTES } from "../memory.ts";
import { parseOptions, type RowEngine } from "../row-engine.ts";
import { type Call, layOut } from "./passages.ts";
import { ofTokens } from "./pooling.ts";
import { RowBatch } from "./row-batch.ts";
import { matrixBytes, Transformer, weightsPerToken } from "./transformer.ts";

export const ONNX_OPTIONS = z.strictObject({
  device: z.enum(DEVICE_TYPES).default("cpu"),
  threads: z.number().int().min(1).max(1024).default(1),
  /** What this process may use, of the device's memory; absent: half of what is available now. */
  memoryBytes: z.number().min(0).optional(),
});

/**
 * Weights up to this size are packed in each process: AntiBERTy (101 MB), ESM-2 of 8M and 35M
 * (134 MB). It is a rule on the model alone, not on free memory, because packed and shared weights
 * add up in another order: rows differ by up to 5e-6, and equal keys should mean equal bytes.
 */
const PACKED_BYTES_MAX = 256e6;

interface WorkSize {
  /** Tokens a call; a longer passage has a call of its own. */
  readonly callTokens: number;
  readonly microBatchFlop: number;
  readonly microBatchTokens: { readonly min: number; readonly max: number };
}

/**
 * On the CPU. A call: AntiBERTy, 217 residues a sequence, one thread, least disturbed of 5 rounds, in
 * GFLOP/s: 217 tokens 78.0, 434 79.7, 651 79.9, 868 78.9, 1085 77.7, 1519 76.1, 1953 74.5: beyond
 * some 800 activations leave the caches. With shared weights the same, at 72-75. A micro-batch is
 * some seconds of one core's work (about 80 GFLOP/s), so that commits are frequent.
 */
const CPU_WORK: WorkSize = {
  callTokens: 768,
  microBatchFlop: 200e9,
  microBatchTokens: { min: 512, max: 4096 },
};

/**
 * On a GPU, which wants more rows at once than a core's caches hold; for some 5 TFLOP/s. By
 * reckoning: never measured on one.
 */
const GPU_WORK: WorkSize = {
  callTokens: 8192,
  microBatchFlop: 10e12,
  microBatchTokens: { min: 2048, max: 32_768 },
};

/** Rows of a micro-batch travel in one message; headers and sizes take the rest. */
const PAYLOAD_BYTES_MAX = MESSAGE_BYTES_MAX - 4 * 1024 * 1024;

/** Opens the engine for `opening`. Throws RaysidueError. */
export async function openEmbedder(opening: EngineOpening): Promise<RowEngine> {
  if (opening.kind !== "embed") {
    throw new RaysidueError("usage", `the onnx engine does not know kind ${opening.kind}`);
  }
  const options = parseOptions(ONNX_OPTIONS, opening);
  const { fingerprint } = opening;
  const model = await locateModel(opening.model, fingerprint === "" ? {} : { fingerprint });
  if (model.kind === "emulate") {
    throw new RaysidueError("usage", "model emulate has no weights; use the engine emulate");
  }
  if (fingerprint !== "" && fingerprint !== model.fingerprint) {
    const said = `model ${model.name} here has fingerprint ${model.fingerprint.slice(0, 12)}`;
    throw new RaysidueError(
      "unavailable",
      `${said}, the run wants ${fingerprint.slice(0, 12)}; pull the same model everywhere`,
    );
  }
  const parameters = parseCanonical(opening.parameters);
  const memoryBytes = options.memoryBytes ?? (await availableMemoryBytes()) / 2;
  return Embedder.open(model, parameters, { ...options, memoryBytes });
}

interface EmbedderOptions {
  readonly device: DeviceType;
  readonly threads: number;
  readonly memoryBytes: number;
}

class Embedder implements RowEngine {
  readonly description: string;
  readonly tokensMax: number;
  readonly itemTokensMax: number;
  readonly #transformer: Transformer;
  readonly #parameters: EmbedParameters;
  readonly #layout: RowLayout;
  readonly #callTokens: number;
  /** Longest passage that fits the memory, special tokens included. */
  readonly #passageTokensMax: number;

  private constructor(
    transformer: Transformer,
    parameters: EmbedParameters,
    limits: { passageTokensMax: number; work: WorkSize; description: string },
  ) {
    this.#transformer = transformer;
    this.#parameters = parameters;
    const { config } = transformer;
    this.#layout = rowLayout(parameters, config.hiddenSize);
    this.#passageTokensMax = limits.passageTokensMax;
    const { callTokens, microBatchFlop, microBatchTokens } = limits.work;
    // Safe where attention is not tiled too: shorter passages need less memory a token.
    this.#callTokens = Math.min(callTokens, limits.passageTokensMax);
    const flop = 2 * weightsPerToken(config, Math.max(1, parameters.layer));
    const { min, max } = microBatchTokens;
    const useful = Math.min(max, Math.max(min, Math.round(microBatchFlop / flop)));
    const rowTokens = Math.floor(PAYLOAD_BYTES_MAX / Math.max(1, rowBytes(this.#layout, 1)));
    this.tokensMax = Math.min(useful, limits.passageTokensMax, Math.max(1, rowTokens));
    // In windows an item of any length is run a passage at a time.
    const isWindowed = parameters.window !== null;
    this.itemTokensMax = isWindowed ? 0 : Math.max(1, Math.min(limits.passageTokensMax, rowTokens));
    this.description = `${limits.description}, micro-batches of up to ${this.tokensMax} tokens`;
  }

  static async open(
    model: LocatedTransformer,
    parameters: EmbedParameters,
    options: EmbedderOptions,
  ): Promise<Embedder> {
    const { config } = model;
    const { layer } = parameters;
    const { device, threads, memoryBytes } = options;
    if (layer > config.layerCount) {
      throw new RaysidueError("usage", `layer ${layer}: ${model.name} has ${config.layerCount}`);
    }
    const isOnCpu = device === "cpu";
    const weightBytes = matrixBytes(config, layer);
    const isPrepacked = isOnCpu && weightBytes <= PACKED_BYTES_MAX;
    // A GPU has its own copy of the weights; the CPU has one only where it packs them.
    const left = memoryBytes - PROCESS_BYTES - (isPrepacked || !isOnCpu ? weightBytes : 0);
    const isAttentionTiled = isOnCpu;
    const passageTokensMax = longestCall(left, config, { isAttentionTiled });
    if (passageTokensMax < SPECIAL_TOKENS + 1) {
      const need = formatBytes(memoryBytes - left + callBytes(512, config));
      const said = `${model.name} needs ${need} of memory, the engine may use ${formatBytes(memoryBytes)}`;
      throw new RaysidueError("unavailable", `${said}; give more memory or run fewer engines`);
    }
    const transformer = await Transformer.open(model, {
      ...{ device, threads, layer },
      ...{ isPrepacked, isAttentionTiled },
    });
    const where = isOnCpu
      ? `threads ${threads}, weights ${isPrepacked ? "packed" : "shared"}`
      : device;
    const description = `onnx ${model.name} layer ${layer}, ${where}, memory ${formatBytes(memoryBytes)}`;
    const work = isOnCpu ? CPU_WORK : GPU_WORK;
    return new Embedder(transformer, parameters, { passageTokensMax, work, description });
  }

  async run(items: readonly Uint8Array[]): Promise<MicroBatchResult> {
    const startedAt = performance.now();
    const batch = new RowBatch(items, this.#layout, this.#transformer.config.hiddenSize);
    const kept: { item: number; length: number }[] = [];
    for (const [item, residues] of items.entries()) {
      const failure = this.#failureOf(residues, batch.bytes);
      if (failure === undefined) {
        batch.reserve(item);
        kept.push({ item, length: residues.length });
      } else batch.failures.push({ index: item, ...failure });
    }
    batch.allocate();
    let tokens = 0;
    for (const call of layOut(kept, this.#parameters, this.#callTokens)) {
      tokens += call.passages.length * call.tokensEach;
      await this.#runCall(call, batch);
    }
    const busySeconds = (performance.now() - startedAt) / 1000;
    return { ...batch.finish(), busySeconds, paddedTokens: tokens, tokens };
  }

  async #runCall({ tokensEach, passages }: Call, batch: RowBatch): Promise<void> {
    const residues = passages.map(({ item, start, end }) =>
      batch.items[item]!.subarray(start, end),
    );
    let hidden: Float32Array;
    try {
      hidden = await this.#transformer.run(residues);
    } catch (thrown) {
      const reason = messageOf(thrown);
      const retryable = /alloc|memory/i.test(reason);
      for (const { item } of passages) batch.fail({ index: item, reason, retryable });
      return;
    }
    const { hiddenSize } = this.#transformer.config;
    const stride = tokensEach * hiddenSize;
    for (const [i, passage] of passages.entries()) {
      const states = ofTokens(hidden.subarray(i * stride, (i + 1) * stride), hiddenSize);
      batch.add(passage, states);
    }
  }

  /** Why an item cannot be run here, judged before anything is allocated for it. */
  #failureOf(residues: Uint8Array, bytesBefore: number): Omit<ItemFailure, "index"> | undefined {
    const no = (reason: string) => ({ reason, retryable: false });
    const problem = this.#transformer.tokenizer.problemOf(residues);
    if (problem !== undefined) return no(problem);
    const { config } = this.#transformer;
    const length = Math.min(residues.length, this.#parameters.window?.length ?? Infinity);
    if (config.kind === "bert" && length + SPECIAL_TOKENS > config.positionsMax) {
      const limit = config.positionsMax - SPECIAL_TOKENS;
      return no(`${length} residues, the model has positions for ${limit}`);
    }
    if (length + SPECIAL_TOKENS > this.#passageTokensMax) {
      const reason = `${length} residues at once need more memory than this engine may use`;
      return { reason: `${reason} (${this.#passageTokensMax} tokens)`, retryable: true };
    }
    const bytes = rowBytes(this.#layout, residues.length);
    if (bytes > PAYLOAD_BYTES_MAX) {
      return no(
        `its row has ${formatBytes(bytes)}, over the limit of ${formatBytes(PAYLOAD_BYTES_MAX)}`,
      );
    }
    if (bytesBefore + bytes > PAYLOAD_BYTES_MAX) {
      return { reason: "the micro-batch's rows exceed one message", retryable: true };
    }
    return undefined;
  }

  close(): Promise<void> {
    return this.#transformer.close();
  }
}
