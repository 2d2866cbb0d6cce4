/**
 * What a program gives a run of single items, and what it gets for each.
 */
import type { EmbedInput, RowValues } from "../../kind/embed.ts";

export interface RunOptions {
  readonly kind: "embed";
  /** A name of the catalogue, `owner/name` on the hub, or a folder. */
  readonly model?: string;
  readonly parameters?: EmbedInput;
  /** Results shared by runs; null: neither read nor written. */
  readonly cacheFolder?: string | null;
  /** Never touch the network. */
  readonly isOffline?: boolean;
  /** Share of the fleet against other runs, 1 by default. */
  readonly weight?: number;
}

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
