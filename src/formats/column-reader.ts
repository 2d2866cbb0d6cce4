/**
 * Typed columns that stand one after the other in a run of bytes.
 *
 * Invariant: a column is a copy (nothing is aligned in the bytes), and no byte is read twice or
 * beyond the end. Deliberately not here: what is thrown where bytes are missing.
 */

interface ArrayType<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): T;
}

export class ColumnReader {
  readonly #bytes: Uint8Array;
  readonly #broken: () => Error;
  #at = 0;

  /** `broken` makes the error for bytes that are missing or left over. */
  constructor(bytes: Uint8Array, broken: () => Error) {
    this.#bytes = bytes;
    this.#broken = broken;
  }

  take<T>(type: ArrayType<T>, length: number): T {
    const end = this.#at + length * type.BYTES_PER_ELEMENT;
    if (end > this.#bytes.length) throw this.#broken();
    const copy = Uint8Array.from(this.#bytes.subarray(this.#at, end));
    this.#at = end;
    return new type(copy.buffer);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw this.#broken();
  }
}

/** The bytes of columns, one after the other. */
export function joinColumns(columns: readonly ArrayBufferView[]): Uint8Array {
  return Buffer.concat(
    columns.map(({ buffer, byteOffset, byteLength }) => {
      return new Uint8Array(buffer, byteOffset, byteLength);
    }),
  );
}
