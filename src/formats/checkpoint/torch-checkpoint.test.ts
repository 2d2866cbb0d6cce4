import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { deflateRawSync } from "node:zlib";
import {
  pickle,
  pickledTensor,
  seededFloats,
  torchZipOf,
  writeTorchCheckpoint,
  writeZip,
} from "../../../test/support/checkpoint-writers.ts";
import { readTorchCheckpoint } from "./torch-checkpoint.ts";

describe("readTorchCheckpoint", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "raysidue-torch-"));
  });
  after(() => rm(folder, { recursive: true }));

  const write = async (content: Uint8Array): Promise<string> => {
    const path = join(folder, "pytorch_model.bin");
    await writeFile(path, content);
    return path;
  };
  const refuses = async (content: Uint8Array, pattern: RegExp) => {
    const path = await write(content);
    await assert.rejects(readTorchCheckpoint(path), (thrown: { code: string; message: string }) => {
      assert.equal(thrown.code, "bad-input", thrown.message);
      assert.match(thrown.message, pattern);
      assert.ok(thrown.message.startsWith(path), thrown.message);
      return true;
    });
  };
  const dense = { key: "0", shape: [2, 3], strides: [3, 1] };
  const storage = { 0: Buffer.alloc(24) };
  const one = (tensor: Buffer) => pickle.dict(pickle.text("w"), tensor);

  test("finds each tensor's own bytes", async () => {
    const values = { "bert.a": seededFloats(1, 6), "bert.b": seededFloats(2, 5) };
    const path = await write(
      writeTorchCheckpoint({
        "bert.a": { shape: [2, 3], values: values["bert.a"] },
        "bert.b": { shape: [5], values: values["bert.b"] },
      }),
    );
    const tensors = await readTorchCheckpoint(path);
    const bytes = await readFile(path);
    assert.deepEqual([...tensors.keys()], ["bert.a", "bert.b"]);
    for (const name of ["bert.a", "bert.b"] as const) {
      const { offsetBytes, sizeBytes } = tensors.get(name)!;
      assert.deepEqual(
        bytes.subarray(offsetBytes, offsetBytes + sizeBytes),
        Buffer.from(values[name].buffer),
      );
    }
    assert.deepEqual(tensors.get("bert.a")!.strides, [3, 1]);
  });

  test("joins the keys of nested dicts and leaves out what is no tensor", async () => {
    const root = pickle.dict(
      ...[pickle.text("epoch"), pickle.int(3)],
      ...[pickle.text("ema"), pickle.dict(pickle.text("model"), one(pickledTensor(dense)))],
    );
    const tensors = await readTorchCheckpoint(await write(torchZipOf(root, storage)));
    assert.deepEqual([...tensors.keys()], ["ema.model.w"]);
  });

  test("takes a view at an offset of a shared storage", async () => {
    const view = { key: "0", shape: [1, 2], strides: [99, 1], storageOffset: 4 };
    const root = pickle.dict(
      ...[pickle.text("all"), pickledTensor(dense)],
      ...[pickle.text("view"), pickledTensor(view)],
    );
    const tensors = await readTorchCheckpoint(await write(torchZipOf(root, storage)));
    assert.equal(tensors.get("view")!.offsetBytes, tensors.get("all")!.offsetBytes + 16);
    assert.equal(tensors.get("view")!.sizeBytes, 8);
  });

  test("never executes: names the global or opcode it refuses", async () => {
    const call = pickle.reduce(pickle.global("os", "system"), pickle.tuple(pickle.text("true")));
    await refuses(torchZipOf(call, {}), /global "os\.system" is refused/);
    const sneaky = pickle.reduce(pickle.global("torch", "load"), pickle.tuple(pickle.text("x")));
    await refuses(torchZipOf(sneaky, {}), /global "torch\.load"/);
    const inherited = pickle.global("torch", "constructor");
    await refuses(torchZipOf(inherited, {}), /global "torch\.constructor"/);
    // INST, OBJ, NEWOBJ, STACK_GLOBAL, EXT1
    for (const opcode of [0x69, 0x6f, 0x81, 0x93, 0x82]) {
      const hex = opcode.toString(16);
      await refuses(torchZipOf(Buffer.from([opcode]), {}), new RegExp(`opcode 0x${hex}`));
    }
    const calledStorage = pickle.reduce(pickle.global("torch", "FloatStorage"), pickle.tuple());
    await refuses(torchZipOf(calledStorage, {}), /a call of torch\.FloatStorage/);
  });

  test("refuses tensors whose bytes cannot be used in place", async () => {
    const cases: [Parameters<typeof pickledTensor>[0], RegExp][] = [
      [{ ...dense, strides: [1, 2] }, /"w" \[2,3\] is not contiguous/],
      [{ ...dense, shape: [2, 4], strides: [4, 1] }, /reaches beyond its storage/],
      [{ ...dense, storageOffset: 1 }, /reaches beyond its storage/],
      [{ ...dense, shape: [-2, 3] }, /malformed/],
      [{ ...dense, shape: [6] }, /malformed/],
      [{ ...dense, key: "../data.pkl" }, /storage "\.\.\/data\.pkl" is missing/],
      [{ ...dense, shape: Array(4).fill(2 ** 30), strides: Array(4).fill(1) }, /impossible shape/],
    ];
    for (const [tensor, pattern] of cases) {
      await refuses(torchZipOf(one(pickledTensor(tensor)), storage), pattern);
    }
    await refuses(torchZipOf(pickledTensor(dense), storage), /no dict of tensors/);
  });

  test("refuses compressed storages", async () => {
    const content = deflateRawSync(Buffer.alloc(24));
    const zip = writeZip([
      { name: "archive/data.pkl", content: pickle.whole(one(pickledTensor(dense))) },
      { name: "archive/data/0", content, inflatedBytes: 24 },
    ]);
    await refuses(zip, /storage 0 is compressed/);
  });

  test("refuses malformed pickles without growing", async () => {
    const cases: [Buffer, RegExp][] = [
      [Buffer.from("0"), /opcode 0x30/],
      [Buffer.from("R"), /stack is empty/],
      [Buffer.from("t"), /no mark/],
      [Buffer.from("(("), /more or less than one value/],
      [Buffer.from("h\x07"), /nothing was remembered as 7/],
      [Buffer.from("X\xff\xff\xff\x7fab", "latin1"), /cut off/],
      [Buffer.from("cnever ends"), /line without end/],
      [Buffer.concat([Buffer.from("}("), pickle.int(1), Buffer.from("u")]), /key without a value/],
      [Buffer.from("]b"), /state for what is no dict/],
      [Buffer.concat([pickle.int(1), pickle.int(2), Buffer.from("a")]), /no list/],
    ];
    for (const [root, pattern] of cases) await refuses(torchZipOf(root, {}), pattern);
    await refuses(torchZipOf(Buffer.alloc(5_000_000, "("), {}), /stack grows without bound/);
  });

  test("a dict shared many times over does not multiply", async () => {
    // Each level holds the level below eight hundred times: 800^4 items, were they all visited.
    let level = Buffer.from("}");
    for (let depth = 1; depth <= 4; depth++) {
      const memoised = Buffer.concat([level, Buffer.from([0x71, depth])]);
      const pairs = Array.from({ length: 800 }, (_, key) =>
        Buffer.concat([pickle.int(key), Buffer.from([0x68, depth])]),
      );
      // The level below is made, remembered and dropped into a tuple's place by a first item.
      level = Buffer.concat([
        Buffer.from("}"),
        ...[pickle.text("first"), memoised, Buffer.from("s")],
        ...[Buffer.from("("), ...pairs, Buffer.from("u")],
      ]);
    }
    await refuses(torchZipOf(level, {}), /more than 1000000 items/);
  });

  test("refuses what is no zip, and a truncated one", async () => {
    await refuses(Buffer.from("\x80\x02not a zip", "latin1"), /no end record/);
    const whole = torchZipOf(one(pickledTensor(dense)), storage);
    await refuses(whole.subarray(0, whole.length - 30), /truncated/);
    await refuses(writeZip([{ name: "a", content: Buffer.alloc(1) }]), /0 members named data\.pkl/);
  });
});
