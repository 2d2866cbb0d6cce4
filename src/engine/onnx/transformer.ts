/**
 * A located model as a function from equally long passages to hidden states.
 *
 * Owns: the session and what it is fed. Invariant: one call is one shape, without padding.
 * Deliberately not here: which passages run together (passages.ts) and rows (embedder.ts).
 */
import { SPECIAL_TOKENS } from "../../kind/embed.ts";
import { openCheckpoint } from "../../model/checkpoint.ts";
import type { ModelConfig } from "../../model/config.ts";
import type { LocatedTransformer } from "../../model/locate.ts";
import type { DeviceType } from "../device-type.ts";
import { callBytes } from "../memory.ts";
import { buildBert } from "./bert.ts";
import { buildEsm2, dropoutScale, rotaryTables } from "./esm2.ts";
import { HIDDEN, INPUTS } from "./graph.ts";
import { commonFolder, type Feeds, OnnxSession } from "./session.ts";
import { countMasks, Tokenizer } from "./tokenizer.ts";

export interface TransformerOptions {
  readonly device: DeviceType;
  readonly threads: number;
  readonly isPrepacked: boolean;
  /** Attention never holds a `[length, length]` matrix. Not to be had on GPUs (graph.ts says why). */
  readonly isAttentionTiled: boolean;
  /** Hidden state to give, 0 .. config.layerCount. */
  readonly layer: number;
}

/** Bytes of the weights that a graph up to `layer` multiplies with, at float32. */
export function matrixBytes(config: ModelConfig, layer: number): number {
  return 4 * weightsPerToken(config, layer);
}

/** Multiplications a token needs in linear layers; twice that are its floating-point operations. */
export function weightsPerToken(config: ModelConfig, layer: number): number {
  const { hiddenSize, intermediateSize } = config;
  return layer * (4 * hiddenSize * hiddenSize + 2 * hiddenSize * intermediateSize);
}

/**
 * ONNX Runtime's arena never gives memory back, and its Node binding passes no option to make it.
 * So a call that needs more than this ends its session: opening one takes 0.2 s, such a call seconds.
 * A GPU's memory is nobody else's, and its session takes longer to open.
 */
const KEPT_BYTES_MAX = 256e6;

export class Transformer {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly #openSession: () => Promise<OnnxSession>;
  readonly #keptBytesMax: number;
  /** Undefined after a large call, until the next. */
  #session: OnnxSession | undefined;
  #rotary: { tokens: number; cos: Float32Array; sin: Float32Array } | undefined;

  private constructor(
    model: LocatedTransformer,
    session: OnnxSession,
    options: { openSession: () => Promise<OnnxSession>; device: DeviceType },
  ) {
    this.config = model.config;
    this.tokenizer = new Tokenizer(model.kind, model.vocabulary);
    this.#session = session;
    this.#openSession = options.openSession;
    this.#keptBytesMax = options.device === "cpu" ? KEPT_BYTES_MAX : Infinity;
  }

  /** Throws RaysidueError "bad-input" where checkpoint and config do not fit together. */
  static async open(model: LocatedTransformer, options: TransformerOptions): Promise<Transformer> {
    const { tensors } = await openCheckpoint(model);
    const folder = commonFolder(Array.from(tensors.values(), ({ file }) => file));
    const { config } = model;
    const { layer } = options;
    const { isAttentionTiled } = options;
    const shared = { tensors, folder, layer, isAttentionTiled };
    const graph =
      config.kind === "bert" ? buildBert({ config, ...shared }) : buildEsm2({ config, ...shared });
    const openSession = () => OnnxSession.open(graph, folder, options);
    return new Transformer(model, await openSession(), { openSession, device: options.device });
  }

  /**
   * Hidden states of `passages` (canonical residues, all equally long) with their special tokens:
   * `[passages, length + 2, hiddenSize]` float32.
   */
  async run(passages: readonly Uint8Array[]): Promise<Float32Array> {
    const tokensEach = passages[0]!.length + SPECIAL_TOKENS;
    const tokens = passages.length * tokensEach;
    const ids = new Int32Array(tokens);
    for (const [i, passage] of passages.entries()) {
      this.tokenizer.encode(passage, ids, i * tokensEach);
    }
    const shape = BigInt64Array.from([passages.length, tokensEach, this.config.hiddenSize], BigInt);
    const feeds: Feeds = {
      [INPUTS.ids]: { data: ids, dims: [tokens] },
      [INPUTS.shape]: { data: shape, dims: [3] },
      ...(this.config.kind === "bert"
        ? { [INPUTS.positions]: { data: positions(passages.length, tokensEach), dims: [tokens] } }
        : this.#esmFeeds(passages, tokensEach)),
    };
    this.#session ??= await this.#openSession();
    const hidden = await this.#session.run(feeds, HIDDEN);
    if (callBytes(tokens, this.config) <= this.#keptBytesMax) return hidden;
    // The array may lie in the session's own memory.
    const copy = hidden.slice();
    await this.close();
    return copy;
  }

  #esmFeeds(passages: readonly Uint8Array[], tokensEach: number): Feeds {
    const scale = new Float32Array(passages.length * tokensEach);
    for (const [i, passage] of passages.entries()) {
      const masks = countMasks(passage);
      const at = i * tokensEach;
      scale.fill(dropoutScale(masks, tokensEach), at, at + tokensEach);
      if (masks > 0) this.tokenizer.zeroMasks(passage, scale, at);
    }
    const half = this.config.hiddenSize / this.config.headCount / 2;
    const { cos, sin } = this.#rotaryFor(tokensEach, half);
    return {
      [INPUTS.scale]: { data: scale, dims: [scale.length, 1] },
      [INPUTS.cos]: { data: cos.subarray(0, tokensEach * half), dims: [tokensEach, half] },
      [INPUTS.sin]: { data: sin.subarray(0, tokensEach * half), dims: [tokensEach, half] },
    };
  }

  #rotaryFor(tokens: number, half: number): { cos: Float32Array; sin: Float32Array } {
    if (this.#rotary === undefined || this.#rotary.tokens < tokens) {
      // Doubling: lengths that grow one by one must not each make new tables.
      const rows = Math.max(tokens, 2 * (this.#rotary?.tokens ?? 0));
      this.#rotary = { tokens: rows, ...rotaryTables(rows, 2 * half) };
    }
    return this.#rotary;
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.close();
  }
}

function positions(count: number, tokensEach: number): Int32Array {
  const all = new Int32Array(count * tokensEach);
  for (let i = 0; i < all.length; i++) all[i] = i % tokensEach;
  return all;
}
