import assert from "node:assert/strict";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  safetensorsOf,
  seededFloats,
  writeSafetensors,
} from "../../../test/support/checkpoint-writers.ts";
import { readSafetensors } from "./safetensors.ts";

const TINY = fileURLToPath(
  new URL("../../../../test/data/esm2-tiny/model.safetensors", import.meta.url),
);

describe("readSafetensors", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "raysidue-safetensors-"));
  });
  after(() => rm(folder, { recursive: true }));

  const write = async (content: Uint8Array): Promise<string> => {
    const path = join(folder, "model.safetensors");
    await writeFile(path, content);
    return path;
  };
  const refuses = async (content: Uint8Array, pattern: RegExp) => {
    const path = await write(content);
    await assert.rejects(readSafetensors(path), (thrown: { code: string; message: string }) => {
      assert.equal(thrown.code, "bad-input");
      assert.match(thrown.message, pattern);
      assert.ok(thrown.message.startsWith(path), thrown.message);
      assert.ok(!thrown.message.includes("\n"));
      return true;
    });
  };
  const entry = (dtype: string, shape: number[], offsets: number[]) =>
    JSON.stringify({ dtype, shape, data_offsets: offsets });

  test("finds each tensor's own bytes", async () => {
    const values = { a: seededFloats(1, 6), b: seededFloats(2, 1), empty: new Float32Array() };
    const path = await write(
      writeSafetensors({
        a: { shape: [2, 3], values: values.a },
        empty: { shape: [0, 7], values: values.empty },
        b: { shape: [], values: values.b },
      }),
    );
    const tensors = await readSafetensors(path);
    const bytes = await readFile(path);
    assert.deepEqual([...tensors.keys()].sort(), ["a", "b", "empty"]);
    for (const name of ["a", "b", "empty"] as const) {
      const { offsetBytes, sizeBytes, dtype } = tensors.get(name)!;
      assert.equal(dtype, "F32");
      assert.deepEqual(
        bytes.subarray(offsetBytes, offsetBytes + sizeBytes),
        Buffer.from(values[name].buffer),
      );
    }
    assert.deepEqual(tensors.get("a")!.shape, [2, 3]);
    assert.deepEqual(tensors.get("b")!.shape, []);
  });

  test("reads a file that transformers wrote", async () => {
    const tensors = await readSafetensors(TINY);
    assert.deepEqual(tensors.get("esm.embeddings.word_embeddings.weight")!.shape, [33, 64]);
    const { offsetBytes } = tensors.get("esm.encoder.layer.0.LayerNorm.weight")!;
    const handle = await open(TINY, "r");
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, offsetBytes);
    await handle.close();
    assert.ok(Math.abs(buffer.readFloatLE() - 1) < 1, "a layer norm's weight is near one");
  });

  test("says both sizes of a truncated file, wherever it is cut", async () => {
    const whole = writeSafetensors({ a: { shape: [4], values: seededFloats(1, 4) } });
    for (const cut of [whole.length - 1, 60, 12, 7, 0]) {
      await refuses(whole.subarray(0, cut), new RegExp(`truncated: \\d+ bytes.* has ${cut};`));
    }
  });

  test("refuses bytes beyond the last tensor", async () => {
    const whole = writeSafetensors({ a: { shape: [1], values: seededFloats(1, 1) } });
    await refuses(Buffer.concat([whole, Buffer.from("x")]), /describes \d+ bytes, the file has/);
  });

  test("refuses a header length beyond the format's bound before it allocates", async () => {
    const huge = Buffer.alloc(16);
    huge.writeBigUInt64LE(2n ** 63n);
    await refuses(huge, /header of 9223372036854775808 bytes/);
    huge.writeBigUInt64LE(99_000_000n);
    await refuses(huge, /truncated/);
  });

  test("refuses headers that are not what the format says", async () => {
    const data = Buffer.alloc(8);
    const cases: [string, RegExp][] = [
      ["[1]", /does not begin with/],
      ['{"a":', /not JSON/],
      [`{"a":${entry("F32", [2], [0, 8])},"a":${entry("F32", [2], [0, 8])}}`, /occurs twice/],
      [`{"a":${entry("F32", [2], [0, 8])},"\\u0061":${entry("F32", [2], [0, 8])}}`, /occurs twice/],
      [`{"a":${entry("F32", [3], [0, 8])}}`, /does not fit its 8 bytes/],
      [`{"a":${entry("F32", [2], [8, 0])}}`, /does not fit/],
      [`{"a":${entry("F32", [-2], [0, 8])}}`, /no valid shape/],
      [`{"a":${entry("F32", [2 ** 40, 2 ** 40], [0, 8])}}`, /does not fit/],
      [`{"a":${entry("F32", [2], [0, 8.5])}}`, /no valid data_offsets/],
      [`{"a":${entry("F33", [2], [0, 8])}}`, /dtype "F33"/],
      [`{"a":${entry("toString", [2], [0, 8])}}`, /dtype "toString"/],
      [`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}`, /unknown field "x"/],
      [`{"a":null}`, /is no object/],
      [`{"a":${entry("F32", [1], [0, 4])},"b":${entry("F32", [1], [0, 4])}}`, /overlaps/],
      [`{"a":${entry("F32", [1], [4, 8])}}`, /leaves a gap/],
      [`{"__metadata__":{"x":1},"a":${entry("F32", [2], [0, 8])}}`, /__metadata__/],
    ];
    for (const [header, pattern] of cases) await refuses(safetensorsOf(header, data), pattern);
  });

  test("refuses a header that is not UTF-8", async () => {
    const whole = writeSafetensors({ abcd: { shape: [1], values: seededFloats(1, 1) } });
    whole[whole.indexOf("abcd")] = 0xff;
    await refuses(whole, /not JSON in UTF-8/);
  });

  test("keeps a tensor that is named like a property of all objects", async () => {
    const path = await write(
      safetensorsOf(`{"__proto__":${entry("U8", [2], [0, 2])}}  `, Buffer.alloc(2)),
    );
    assert.equal((await readSafetensors(path)).get("__proto__")?.sizeBytes, 2);
  });

  test("names a file that is not there", async () => {
    await assert.rejects(readSafetensors(join(folder, "none")), /none: no such file/);
  });
});
