/**
 * How items are laid out into calls of the model.
 *
 * Owns: windows of long items, and which passages run together. Invariant: the passages of a call
 * are equally long, so nothing is padded; each passage is in exactly one call; the windows of an
 * item come in order. Pure.
 */
import { type EmbedParameters, SPECIAL_TOKENS, windowsOf } from "../../kind/embed.ts";

/** Residues `start .. end` of an item: all of it, or a window. */
export interface Passage {
  readonly item: number;
  readonly start: number;
  readonly end: number;
}

/** Passages of one length that run together. */
export interface Call {
  /** Of each passage, special tokens included. */
  readonly tokensEach: number;
  readonly passages: readonly Passage[];
}

/**
 * Lays out items (given by index, with their lengths in residues) into calls of at most
 * `callTokens` tokens, the longest first; a passage longer than that has a call of its own.
 */
export function layOut(
  items: readonly { readonly item: number; readonly length: number }[],
  parameters: EmbedParameters,
  callTokens: number,
): Call[] {
  const byLength = new Map<number, Passage[]>();
  for (const { item, length } of items) {
    for (const [start, end] of windowsOf(length, parameters)) {
      const tokens = end - start + SPECIAL_TOKENS;
      const passages = byLength.get(tokens);
      if (passages === undefined) byLength.set(tokens, [{ item, start, end }]);
      else passages.push({ item, start, end });
    }
  }
  const calls: Call[] = [];
  for (const [tokensEach, passages] of [...byLength].sort(([a], [b]) => b - a)) {
    const count = Math.max(1, Math.floor(callTokens / tokensEach));
    for (let at = 0; at < passages.length; at += count) {
      calls.push({ tokensEach, passages: passages.slice(at, at + count) });
    }
  }
  return calls;
}
