/**
 * Checkpoint files for tests, byte by byte.
 *
 * Owns: a safetensors writer, and a writer of torch's zip form (stored members, a protocol 2
 * pickle) after what torch.save writes. Both can be made to lie, which is their purpose.
 */
import { Random } from "../../src/base/random.ts";
import { crc32Of } from "./crc32.ts";

export interface FloatTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Numbers from a seed, for weights that are the same everywhere. */
export function seededFloats(seed: number, count: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, () => random.between(-0.5, 0.5));
}

function bytesOf(values: Float32Array): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}

/** A safetensors file of any header text before any data. */
export function safetensorsOf(header: string, data: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([length, Buffer.from(header), data]);
}

export function writeSafetensors(tensors: Readonly<Record<string, FloatTensor>>): Buffer {
  const header: Record<string, unknown> = {};
  const parts: Buffer[] = [];
  let offset = 0;
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    const end = offset + values.byteLength;
    header[name] = { dtype: "F32", shape, data_offsets: [offset, end] };
    parts.push(bytesOf(values));
    offset = end;
  }
  return safetensorsOf(JSON.stringify(header), Buffer.concat(parts));
}

export interface ZipInput {
  readonly name: string;
  readonly content: Uint8Array;
  /** Already deflated content of a member of this many bytes. */
  readonly inflatedBytes?: number;
}

/** A zip archive; members are stored unless they come deflated. */
export function writeZip(inputs: readonly ZipInput[]): Buffer {
  const parts: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const { name, content, inflatedBytes } of inputs) {
    const nameBytes = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(inflatedBytes === undefined ? 0 : 8, 4);
    common.writeUInt32LE(crc32Of(content), 10);
    common.writeUInt32LE(content.byteLength, 14);
    common.writeUInt32LE(inflatedBytes ?? content.byteLength, 18);
    common.writeUInt16LE(nameBytes.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), common, nameBytes, content]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    const signature = Buffer.from("PK\x01\x02\x14\x00", "latin1");
    central.push(Buffer.concat([signature, common, tail, nameBytes]));
    parts.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", 0, "latin1");
  end.writeUInt16LE(inputs.length, 8);
  end.writeUInt16LE(inputs.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, directory, end]);
}

/** Opcodes of a protocol 2 pickle, enough to write what torch.save writes. */
export const pickle = {
  global: (module: string, name: string) => Buffer.from(`c${module}\n${name}\n`),
  text: (value: string) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(Buffer.byteLength(value));
    return Buffer.concat([Buffer.from("X"), length, Buffer.from(value)]);
  },
  int: (value: number) => {
    const bytes = Buffer.alloc(5);
    bytes.write("J");
    bytes.writeInt32LE(value, 1);
    return bytes;
  },
  tuple: (...items: Buffer[]) => Buffer.concat([Buffer.from("("), ...items, Buffer.from("t")]),
  reduce: (callable: Buffer, args: Buffer) => Buffer.concat([callable, args, Buffer.from("R")]),
  dict: (...pairs: Buffer[]) => Buffer.concat([Buffer.from("}("), ...pairs, Buffer.from("u")]),
  whole: (value: Buffer) => Buffer.concat([Buffer.from([0x80, 2]), value, Buffer.from(".")]),
};

export interface PickledTensor {
  readonly key: string;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly storageOffset?: number;
  readonly storageType?: string;
}

/** What `torch._utils._rebuild_tensor_v2` is called with. */
export function pickledTensor(tensor: PickledTensor): Buffer {
  const { key, shape, strides, storageOffset = 0, storageType = "FloatStorage" } = tensor;
  const ints = (values: readonly number[]) => pickle.tuple(...values.map(pickle.int));
  const storage = pickle.tuple(
    pickle.text("storage"),
    pickle.global("torch", storageType),
    pickle.text(key),
    pickle.text("cpu"),
    pickle.int(0),
  );
  const hooks = pickle.reduce(pickle.global("collections", "OrderedDict"), Buffer.from(")"));
  const args = pickle.tuple(
    Buffer.concat([storage, Buffer.from("Q")]),
    pickle.int(storageOffset),
    ints(shape),
    ints(strides),
    Buffer.from([0x89]),
    hooks,
  );
  return pickle.reduce(pickle.global("torch._utils", "_rebuild_tensor_v2"), args);
}

/** A torch checkpoint of any pickle and storages. */
export function torchZipOf(root: Buffer, storages: Readonly<Record<string, Uint8Array>>): Buffer {
  return writeZip([
    { name: "archive/data.pkl", content: pickle.whole(root) },
    ...Object.entries(storages).map(([key, content]) => ({ name: `archive/data/${key}`, content })),
    { name: "archive/version", content: Buffer.from("3\n") },
  ]);
}

export function writeTorchCheckpoint(tensors: Readonly<Record<string, FloatTensor>>): Buffer {
  const storages: Record<string, Uint8Array> = {};
  const pairs = Object.entries(tensors).flatMap(([name, { shape, values }], index) => {
    storages[index] = bytesOf(values);
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
    return [pickle.text(name), pickledTensor({ key: String(index), shape, strides })];
  });
  return torchZipOf(pickle.dict(...pairs), storages);
}
