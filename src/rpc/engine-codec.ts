/**
 * What worker daemon and engine process say to one another, in the project's own types, and its
 * conversion to and from the protocol's.
 *
 * Owns: the checks that a message from the other process holds together. Invariant: items and rows
 * that leave here are exact slices of their data. Deliberately not here: the calls
 * (engine-service.ts).
 */
import { RaysidueError } from "../base/errors.ts";
import type {
  MicroBatch as WireMicroBatch,
  MicroBatchResult as WireMicroBatchResult,
} from "./gen/raysidue/v1/engine.ts";

/** What an engine is to do from now on. */
export interface EngineOpening {
  readonly kind: string;
  /** "onnx", "emulate", or a host engine's name. */
  readonly engine: string;
  /** Catalogue name or absolute path. */
  readonly model: string;
  /** The engine refuses another one; empty: any. */
  readonly fingerprint: string;
  /** Canonical JSON of the kind's parameters. */
  readonly parameters: string;
  /** JSON of the engine's options. */
  readonly options: string;
}

export interface EngineOpened {
  /** One line for logs. */
  readonly description: string;
  /** Largest micro-batch in padded tokens. */
  readonly tokensMax: number;
  /** Largest item that fits, in tokens; 0: the engine judges each item itself. */
  readonly itemTokensMax: number;
}

/** An item that has no row. */
export interface ItemFailure {
  /** Of the item in its micro-batch. */
  readonly index: number;
  readonly reason: string;
  /** Whether another engine, or this one later, may succeed. */
  readonly retryable: boolean;
}

export interface MicroBatchResult {
  /** The rows, one after another, in the order of the items. */
  readonly payload: Uint8Array;
  /** Bytes of each item's row; 0 where it failed. */
  readonly sizes: readonly number[];
  readonly failures: readonly ItemFailure[];
  readonly busySeconds: number;
  /** What the engine ran, padding included. */
  readonly paddedTokens: number;
  /** What of it was real. */
  readonly tokens: number;
}

/** Items under the number that their result will carry. */
export interface NumberedItems {
  readonly id: number;
  readonly items: readonly Uint8Array[];
}

export interface NumberedResult {
  readonly id: number;
  readonly result: MicroBatchResult;
}

export function toWireBatch({ id, items }: NumberedItems): WireMicroBatch {
  const sizes = items.map((item) => item.byteLength);
  const data = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  let offset = 0;
  for (const item of items) {
    data.set(item, offset);
    offset += item.byteLength;
  }
  return { id, data, sizes };
}

/** The items as views of the message. Throws RaysidueError "bad-input". */
export function fromWireBatch(message: WireMicroBatch): NumberedItems {
  checkSizes("micro-batch", message.sizes, message.data);
  let offset = 0;
  const items = message.sizes.map((size) => {
    offset += size;
    return message.data.subarray(offset - size, offset);
  });
  return { id: message.id, items };
}

export function toWireResult({ id, result }: NumberedResult): WireMicroBatchResult {
  return { ...result, id, sizes: [...result.sizes], failures: [...result.failures] };
}

/** Throws RaysidueError "bad-input" where the answer does not fit `itemCount` items. */
export function fromWireResult(message: WireMicroBatchResult, itemCount: number): MicroBatchResult {
  const { payload, sizes, failures, busySeconds, paddedTokens, tokens } = message;
  checkSizes("result", sizes, payload);
  const failed = new Set(failures.map(({ index }) => index));
  const isSound =
    sizes.length === itemCount &&
    failed.size === failures.length &&
    failures.every(({ index }) => index < itemCount && sizes[index] === 0) &&
    sizes.every((size, index) => size > 0 || failed.has(index)) &&
    busySeconds >= 0;
  if (!isSound) {
    const said = `an engine's result does not fit its ${itemCount} items (${sizes.length} rows`;
    throw new RaysidueError("bad-input", `${said}, ${failures.length} failures); mend the engine`);
  }
  return { payload, sizes, failures, busySeconds, paddedTokens, tokens };
}

function checkSizes(what: string, sizes: readonly number[], data: Uint8Array): void {
  let sum = 0;
  for (const size of sizes) sum += size;
  if (sum === data.byteLength) return;
  const said = `${what} of ${data.byteLength} bytes, its sizes add up to ${sum}`;
  throw new RaysidueError("bad-input", `${said}; mend the engine or its caller`);
}
