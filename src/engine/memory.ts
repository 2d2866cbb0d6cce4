/**
 * How much memory an engine may use, and how much a call will need.
 *
 * Owns: the machine's limit and the prediction. Invariant: a call whose predicted peak is over the
 * limit is never started. Deliberately not here: what happens instead (embedder.ts).
 */
import { readFile } from "node:fs/promises";
import os from "node:os";
import type { ModelConfig } from "../model/config.ts";

async function readNumber(path: string, pattern: RegExp): Promise<number | undefined> {
  try {
    const match = pattern.exec(await readFile(path, "utf8"));
    return match === null ? undefined : Number(match[1]);
  } catch {
    // No such control group or no /proc: another source answers.
    return undefined;
  }
}

const CGROUP = "/sys/fs/cgroup";

/** Bytes that new processes may take: what the kernel says is available, within the cgroup v2's limit. */
export async function availableMemoryBytes(): Promise<number> {
  const [availableKib, limit, current] = await Promise.all([
    readNumber("/proc/meminfo", /^MemAvailable:\s+(\d+) kB/m),
    readNumber(`${CGROUP}/memory.max`, /^(\d+)/),
    readNumber(`${CGROUP}/memory.current`, /^(\d+)/),
  ]);
  const machine = availableKib === undefined ? os.freemem() : availableKib * 1024;
  if (limit === undefined) return machine;
  // `current` counts page cache that would be given back; half of what is left is safe either way.
  const left = Math.max(limit - (current ?? 0), limit / 2);
  return Math.min(machine, left);
}

/** An engine process with ONNX Runtime loaded and nothing run yet; measured 85-95 MB resident. */
export const PROCESS_BYTES = 100e6;

const FLOAT_BYTES = 4;

/**
 * Peak bytes of a call of `tokens` tokens beyond PROCESS_BYTES and the weights.
 *
 * In attention there are at once: the residual, queries, keys, values, the three again with heads
 * apart, and the context: 8 widths. In the feed-forward part: the residual, its normed copy, and
 * twice the intermediate width. One width more is the result's copy in JavaScript. Attention is
 * tiled, so nothing grows with the square of a length. The arena grows by doubling: hence the 2.
 * Measured peak over predicted, AntiBERTy: 768 tokens 12/22 MiB, 4,096 108/175, 16,384 434/701;
 * ESM-2 of 64 width: 35,000 tokens in one sequence 134/188.
 */
export function callBytes(tokens: number, config: ModelConfig): number {
  const { hiddenSize, intermediateSize } = config;
  const widths = Math.max(8 * hiddenSize, 2 * hiddenSize + 2 * intermediateSize) + hiddenSize;
  return 2 * tokens * widths * FLOAT_BYTES;
}

/**
 * Longest sequence whose call fits `bytes`. Where attention is not tiled it holds, a head, three
 * matrices `[tokens, tokens]`: products, the same scaled, and their shares.
 */
export function longestCall(
  bytes: number,
  config: ModelConfig,
  { isAttentionTiled }: { readonly isAttentionTiled: boolean },
): number {
  const aToken = callBytes(1, config);
  if (isAttentionTiled) return Math.floor(bytes / aToken);
  const aPair = 2 * 3 * config.headCount * FLOAT_BYTES;
  // The positive root of aPair t^2 + aToken t = bytes.
  return Math.floor(
    (Math.sqrt(aToken ** 2 + 4 * aPair * Math.max(0, bytes)) - aToken) / (2 * aPair),
  );
}
