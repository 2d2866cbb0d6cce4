/**
 * Typed columns, alone and one after the other in a run of bytes.
 *
 * Invariant: a column that is read is a copy (nothing is aligned in the bytes), and no byte is read
 * twice or beyond the end. Deliberately not here: what is thrown where bytes are missing.
 */

type Column = Float64Array | Int32Array | Uint16Array | Uint8Array;

/** Fills a column value by value: `from` with a function takes ten times as long. */
export function filled<T extends Column>(column: T, valueAt: (i: number) => number): T {
  for (let i = 0; i < column.length; i++) column[i] = valueAt(i);
  return column;
}

/** The values at `places`, in their order. */
export function picked<T extends Column>(column: T, places: ArrayLike<number>): T {
  const Type = column.constructor as new (length: number) => T;
  return filled(new Type(places.length), (i) => column[places[i]!]!);
}

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
    const copy = new Uint8Array(this.#bytes.subarray(this.#at, end));
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
