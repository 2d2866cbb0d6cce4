/**
 * Truth for engine tests: sequences with what the original implementations compute for them.
 *
 * Owns: reading ids.tsv and float32 arrays of NumPy files, and opening engines as tests need them.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { unzipSync } from "fflate";
import {
  canonicalJson,
  decodeRow,
  type EmbedParameters,
  type Row,
  rowLayout,
} from "../kind/embed.ts";
import type { EngineOpening, MicroBatchResult } from "../rpc/engine-codec.ts";

const DATA = new URL("../../../test/data/", import.meta.url);
export const dataPath = (name: string): string => new URL(name, DATA).pathname;

/** Canonical residues of an ids.tsv: masked residues are `_`. */
export function readSequences(name: string): Uint8Array[] {
  const [, ...lines] = readFileSync(dataPath(name), "utf8").trim().split("\n");
  return lines.map((line) => Buffer.from(line.split("\t")[2]!.replaceAll("<mask>", "_")));
}

function parseArray(bytes: Uint8Array): Float32Array {
  const headerSize = bytes[8]! + 256 * bytes[9]!;
  const header = Buffer.from(bytes.subarray(10, 10 + headerSize)).toString("latin1");
  assert.match(header, /'<f4'.*'fortran_order': False/);
  return new Float32Array(new Uint8Array(bytes).slice(10 + headerSize).buffer);
}

export function readArray(name: string): Float32Array {
  return parseArray(readFileSync(dataPath(name)));
}

export function readArrays(name: string): Map<string, Float32Array> {
  // Lengths stand beside the vectors, as integers.
  const isVector = ({ name: file }: { name: string }) => /^(residue|mean|cls|eos)[0-9]/.test(file);
  const entries = Object.entries(unzipSync(readFileSync(dataPath(name)), { filter: isVector }));
  return new Map(entries.map(([file, bytes]) => [file.replace(/\.npy$/, ""), parseArray(bytes)]));
}

export const MEAN: EmbedParameters = {
  dtype: "float32",
  layer: 2,
  perResidue: "none",
  pools: ["mean"],
  window: null,
};

/** The tiny ESM-2 in test/data on the onnx engine. */
export function tinyOpening(
  parameters: Partial<EmbedParameters> = {},
  options = {},
): EngineOpening {
  return {
    kind: "embed",
    engine: "onnx",
    model: dataPath("esm2-tiny"),
    fingerprint: "",
    parameters: canonicalJson({ ...MEAN, ...parameters }),
    options: JSON.stringify(options),
  };
}

export function emulateOpening(
  parameters: Partial<EmbedParameters> = {},
  options = {},
): EngineOpening {
  return {
    ...tinyOpening({ layer: 0, ...parameters }, options),
    engine: "emulate",
    model: "emulate",
  };
}

/** The bytes of each row. */
export function rowBytesOf({ payload, sizes }: MicroBatchResult): Uint8Array[] {
  let offset = 0;
  return sizes.map((size) => {
    offset += size;
    return payload.slice(offset - size, offset);
  });
}

export function rowsOf(
  result: MicroBatchResult,
  items: readonly Uint8Array[],
  { parameters, dim }: { parameters: Partial<EmbedParameters>; dim: number },
): Row[] {
  const layout = rowLayout({ ...MEAN, ...parameters }, dim);
  return rowBytesOf(result).map((row, i) => decodeRow(layout, items[i]!.length, row));
}

export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  let max = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= max)) max = difference;
  }
  return max;
}
