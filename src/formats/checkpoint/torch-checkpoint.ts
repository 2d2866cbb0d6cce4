/**
 * The index of a PyTorch checkpoint (`torch.save`, zip form), read without executing its pickle.
 *
 * Owns: tensor names, dtypes, shapes and byte ranges. Invariant: every range lies inside one
 * stored (uncompressed) member of the archive and the tensor is dense, so that the bytes can be
 * used in place. Deliberately not here: values, optimizers' non-tensor state, the pre-1.6 format.
 * Source: torch/serialization.py and torch/_utils.py (what the pickle's globals mean).
 */
import { type FileHandle, open } from "node:fs/promises";
import { fromSystemError, RaysidueError } from "../../base/errors.ts";
import { readZipDirectory, type ZipMember } from "../zip-directory.ts";
import { PICKLE_BYTES_MAX, type PickleGlobal, readPickle } from "./pickle.ts";
import { DTYPE_BYTES, elementCount, type TensorDtype, type TensorEntry } from "./tensor-entry.ts";

export interface TorchTensorEntry extends TensorEntry {
  /** In numbers, not bytes; always those of a dense row-major tensor. */
  readonly strides: readonly number[];
}

const STORAGE_DTYPES: Readonly<Record<string, TensorDtype>> = {
  DoubleStorage: "F64",
  FloatStorage: "F32",
  HalfStorage: "F16",
  BFloat16Storage: "BF16",
  LongStorage: "I64",
  IntStorage: "I32",
  ShortStorage: "I16",
  CharStorage: "I8",
  ByteStorage: "U8",
  BoolStorage: "BOOL",
};

const ORDERED_DICT = "collections.OrderedDict";
const REBUILD_TENSOR = "torch._utils._rebuild_tensor_v2";
const REBUILD_PARAMETER = "torch._utils._rebuild_parameter";

/** Items of all dicts together; a dict shared a thousand times over must not multiply. */
const ITEMS_MAX = 1_000_000;
const DIMENSIONS_MAX = 64;
/** How deep dicts of tensors may nest: `ema_state.ema_model.NAME` is three. */
const NESTING_MAX = 8;

/**
 * Reads the index of the checkpoint at `path`. A tensor within nested dicts gets its keys joined
 * by dots. Throws RaysidueError "bad-input" naming the path and the opcode, global or tensor.
 */
export async function readTorchCheckpoint(path: string): Promise<Map<string, TorchTensorEntry>> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r");
    const members = await readZipDirectory(handle, path);
    const archive = await openArchive(handle, path, members);
    const pickle = await readMember(handle, archive.pickle, path);
    return collectTensors(readPickle(pickle, path, hooksOf(archive)), path);
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot read ${path}`);
  } finally {
    await handle?.close();
  }
}

interface TorchArchive {
  readonly path: string;
  readonly pickle: ZipMember;
  /** The folder of the archive, with its slash. */
  readonly prefix: string;
  readonly members: ReadonlyMap<string, ZipMember>;
}

interface Storage {
  readonly kind: "storage";
  readonly dtype: TensorDtype;
  readonly member: ZipMember;
}

interface Tensor {
  readonly kind: "tensor";
  readonly storage: Storage;
  readonly storageOffset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

function bad(path: string, text: string): RaysidueError {
  return new RaysidueError("bad-input", `${path}: not a usable torch checkpoint: ${text}`);
}

async function openArchive(
  handle: FileHandle,
  path: string,
  members: ReadonlyMap<string, ZipMember>,
): Promise<TorchArchive> {
  const pickles = [...members.values()].filter((member) => /^[^/]+\/data\.pkl$/.test(member.name));
  const pickle = pickles[0];
  if (pickle === undefined || pickles.length > 1) {
    throw bad(path, `${pickles.length} members named data.pkl where one belongs`);
  }
  const prefix = pickle.name.slice(0, -"data.pkl".length);
  const order = members.get(`${prefix}byteorder`);
  if (order !== undefined && (await readMember(handle, order, path)).toString() !== "little") {
    throw bad(path, "it was written on a big-endian machine");
  }
  return { path, pickle, prefix, members };
}

async function readMember(handle: FileHandle, member: ZipMember, path: string): Promise<Buffer> {
  if (member.method !== "stored") throw bad(path, `member ${member.name} is compressed`);
  if (member.sizeBytes > PICKLE_BYTES_MAX) {
    throw bad(
      path,
      `${member.name} has ${member.sizeBytes} bytes, ${PICKLE_BYTES_MAX} is the most`,
    );
  }
  const buffer = Buffer.alloc(member.sizeBytes);
  const { bytesRead } = await handle.read(buffer, 0, member.sizeBytes, member.offsetBytes);
  if (bytesRead !== member.sizeBytes) throw bad(path, `member ${member.name} is cut off`);
  return buffer;
}

function hooksOf(archive: TorchArchive) {
  return {
    allows: (global: PickleGlobal) =>
      global.path === ORDERED_DICT ||
      global.path === REBUILD_TENSOR ||
      global.path === REBUILD_PARAMETER ||
      (global.module === "torch" && Object.hasOwn(STORAGE_DTYPES, global.member)),
    reduce: (callable: PickleGlobal, args: readonly unknown[]) => reduce(archive, callable, args),
    persistent: (id: unknown) => resolveStorage(archive, id),
  };
}

function reduce(archive: TorchArchive, callable: PickleGlobal, args: readonly unknown[]): unknown {
  switch (callable.path) {
    case ORDERED_DICT:
      if (args.length > 0) throw bad(archive.path, "an OrderedDict made from arguments");
      return new Map();
    case REBUILD_TENSOR:
      return rebuildTensor(archive, args);
    case REBUILD_PARAMETER:
      // (tensor, requires_grad, hooks): the parameter is its tensor.
      if (!isTensor(args[0])) throw bad(archive.path, "a parameter without a tensor");
      return args[0];
    default:
      throw bad(archive.path, `a call of ${callable.path}`);
  }
}

/** A persistent id: ("storage", type, key, device, count of numbers). */
function resolveStorage(archive: TorchArchive, id: unknown): Storage {
  const [word, type, key] = Array.isArray(id) ? (id as unknown[]) : [];
  const member = (type as PickleGlobal | undefined)?.member;
  if (word !== "storage" || typeof key !== "string" || member === undefined) {
    throw bad(archive.path, "a persistent id that names no storage");
  }
  const dtype = Object.hasOwn(STORAGE_DTYPES, member) ? STORAGE_DTYPES[member] : undefined;
  if (dtype === undefined) throw bad(archive.path, `a storage of type ${member}`);
  const found = archive.members.get(`${archive.prefix}data/${key}`);
  if (found === undefined) throw bad(archive.path, `storage ${JSON.stringify(key)} is missing`);
  if (found.method !== "stored") throw bad(archive.path, `storage ${key} is compressed`);
  return { kind: "storage", dtype, member: found };
}

function isCounts(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length <= DIMENSIONS_MAX &&
    value.every((item) => Number.isSafeInteger(item) && item >= 0)
  );
}

/** (storage, storage_offset, size, stride, requires_grad, hooks), sizes in numbers. */
function rebuildTensor(archive: TorchArchive, args: readonly unknown[]): Tensor {
  const [storage, storageOffset, shape, strides] = args;
  const isComplete =
    (storage as Storage | undefined)?.kind === "storage" &&
    isCounts([storageOffset]) &&
    isCounts(shape) &&
    isCounts(strides) &&
    shape.length === strides.length;
  if (!isComplete) throw bad(archive.path, "a tensor with malformed storage, shape or strides");
  return {
    kind: "tensor",
    storage: storage as Storage,
    storageOffset: storageOffset as number,
    shape,
    strides,
  };
}

function isTensor(value: unknown): value is Tensor {
  return (value as Tensor | null | undefined)?.kind === "tensor";
}

function collectTensors(root: unknown, path: string): Map<string, TorchTensorEntry> {
  if (!(root instanceof Map)) throw bad(path, "its top value is no dict of tensors");
  const found = new Map<string, TorchTensorEntry>();
  let itemsCount = 0;
  const visit = (map: Map<string | number, unknown>, prefix: string, depth: number): void => {
    if (depth > NESTING_MAX) throw bad(path, `dicts nested deeper than ${NESTING_MAX}`);
    for (const [key, value] of map) {
      if (++itemsCount > ITEMS_MAX) throw bad(path, `more than ${ITEMS_MAX} items in its dicts`);
      const name = `${prefix}${key}`;
      if (value instanceof Map) visit(value, `${name}.`, depth + 1);
      if (!isTensor(value)) continue;
      if (found.has(name)) throw bad(path, `tensor ${JSON.stringify(name)} occurs twice`);
      found.set(name, entryOf(name, value, path));
    }
  };
  visit(root, "", 1);
  return found;
}

function entryOf(name: string, tensor: Tensor, path: string): TorchTensorEntry {
  const { storage, shape, strides } = tensor;
  const quoted = JSON.stringify(name);
  const count = elementCount(shape);
  if (count === undefined) throw bad(path, `tensor ${quoted} has an impossible shape [${shape}]`);
  if (count > 0 && !isDense(shape, strides)) {
    throw bad(path, `tensor ${quoted} [${shape}] is not contiguous (strides ${strides})`);
  }
  const width = DTYPE_BYTES[storage.dtype];
  const sizeBytes = count * width;
  const begin = tensor.storageOffset * width;
  if (begin + sizeBytes > storage.member.sizeBytes) {
    throw bad(path, `tensor ${quoted} [${shape}] reaches beyond its storage`);
  }
  const offsetBytes = storage.member.offsetBytes + begin;
  return { dtype: storage.dtype, shape, strides, offsetBytes, sizeBytes };
}

/** Whether strides are those of a row-major tensor; an extent of one may have any stride. */
function isDense(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}
