/**
 * Where one tensor lies in a checkpoint file.
 *
 * Owns: the words that every checkpoint reader shares: dtype names (those of safetensors) and
 * their widths. Invariant: an entry describes dense row-major little-endian bytes of one real
 * file. Deliberately not here: reading any bytes.
 */

/** Bytes a number of each dtype; the names are those of the safetensors format. */
export const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;

export type TensorDtype = keyof typeof DTYPE_BYTES;

export interface TensorEntry {
  readonly dtype: TensorDtype;
  /** Row-major; empty for a scalar. */
  readonly shape: readonly number[];
  /** From the start of the file. */
  readonly offsetBytes: number;
  /** Always the product of `shape` times the dtype's width. */
  readonly sizeBytes: number;
}

export function isTensorDtype(name: string): name is TensorDtype {
  return Object.hasOwn(DTYPE_BYTES, name);
}

/** Numbers in a tensor of `shape`, or undefined where that is no safe integer. */
export function elementCount(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0) return undefined;
    count *= extent;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}
