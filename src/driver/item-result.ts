/**
 * What goes into a run of single items and what comes out of it.
 */
import type { RowValues } from "../kind/embed.ts";

export interface SequenceItem {
  /** Comes back with the result; need not be unique. */
  readonly id: string;
  readonly sequence: string;
}

export type ItemResult =
  | {
      readonly id: string;
      readonly status: "ok";
      /** By pool (`mean`, `max`, `bos`): `[dim]`, float32, or float16 as raw bits. */
      readonly vectors: Readonly<Record<string, RowValues>>;
      /** `[length, dim]` row-major where asked for; `[length]` of `scalar`. */
      readonly perResidue?: RowValues;
    }
  | { readonly id: string; readonly status: "failed"; readonly reason: string };
