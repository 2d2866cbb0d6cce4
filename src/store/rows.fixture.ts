/** Rows that tests write: keys and payloads follow from a number, so that readers can check them. */
import { createHash } from "node:crypto";
import type { Rows } from "./segment.ts";

export function keyOf(row: number): Buffer {
  return createHash("sha256").update(`row ${row}`).digest();
}

/** Between 0 and `sizeMax` bytes of a pattern that differs from row to row. */
export function payloadOf(row: number, sizeMax = 40): Buffer {
  return Buffer.alloc((row * 7) % (sizeMax + 1), `<${row}>`);
}

/** Rows `first .. first + count - 1`. */
export function rowsOf(first: number, count: number, sizeMax = 40): Rows {
  const numbers = Array.from({ length: count }, (_, i) => first + i);
  const payloads = numbers.map((row) => payloadOf(row, sizeMax));
  return {
    keys: Buffer.concat(numbers.map(keyOf)),
    sizes: payloads.map((payload) => payload.length),
    payload: Buffer.concat(payloads),
  };
}

/** The keys of rows in ascending order, and which row each is of. */
export function sortedKeysOf(rows: readonly number[]): { keys: Buffer; rows: number[] } {
  const pairs = rows.map((row) => ({ row, key: keyOf(row) }));
  pairs.sort((a, b) => Buffer.compare(a.key, b.key));
  return { keys: Buffer.concat(pairs.map((p) => p.key)), rows: pairs.map((p) => p.row) };
}
