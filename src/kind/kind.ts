/**
 * What a kind of work is: the extension point of raysidue.
 *
 * Owns: the interface by which driver, worker and engines speak of a kind without knowing it.
 * A kind says what an item is, what it costs, which engine it needs and what a result row is.
 * It does no I/O, and a row's bytes depend on the item, the model and the parameters only.
 */

/** One item as the driver reads it: an id for people, canonical bytes for everything else. */
export interface Item {
  readonly id: string;
  /** Canonical form: equal bytes mean equal results. */
  readonly data: Uint8Array;
}

/** A column of fixed width in a result row. */
export interface VectorColumn {
  readonly name: string;
  readonly dtype: "float32" | "float16";
  /** Numbers a row; for a per-residue column, numbers a residue. */
  readonly dim: number;
}

/** The layout of one result row's payload: pooled columns first, then the per-residue matrix. */
export interface RowLayout {
  /** Each `[dim]`, little-endian, one after another. */
  readonly pooled: readonly VectorColumn[];
  /** `[length, dim]`, row-major, after the pooled columns; absent if not asked for. */
  readonly perResidue?: VectorColumn;
}
