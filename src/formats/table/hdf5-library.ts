/**
 * The HDF5 library, made to say when it fails and to write equal bytes for equal calls.
 *
 * Owns: every peculiarity of h5wasm. Its calls report most failures (a full disk, a name that is
 * taken) only as text on standard error and go on; it stamps objects with the time; it cannot read
 * or write half precision. Invariant: a call through `call` either did what it says or throws.
 * Calls are synchronous and short: no other code runs while the hooks below are in force.
 */
import { Dataset, File, FS, Group, Module, ready } from "h5wasm/node";
import { fromSystemError, messageOf, RaysidueError } from "../../base/errors.ts";
import { fromFloat16 } from "./float16.ts";

/** Largest dataset that is read: what a header claims is not believed beyond it. */
const DATASET_BYTES_MAX = 1 << 30;
const STDERR = 2;

interface Hooked {
  write(
    stream: { nfd: number },
    bytes: Int8Array,
    offset: number,
    length: number,
    at?: number,
  ): number;
}

let writeError: unknown;
let complaint = "";
let isHooked = false;

/** Waits for the library and puts the hooks in its file system, once. */
async function load(): Promise<void> {
  await ready;
  if (isHooked) return;
  isHooked = true;
  const system = FS as unknown as Hooked;
  const write = system.write;
  system.write = (stream, bytes, offset, length, at) => {
    if (stream.nfd === STDERR) {
      complaint += Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString();
      return length;
    }
    try {
      return write.call(system, stream, bytes, offset, length, at);
    } catch (thrown) {
      writeError ??= thrown;
      throw thrown;
    }
  };
}

/** The innermost reason of the library's stack of complaints, in one line. */
function reasonOf(text: string): string {
  const reasons = [...text.matchAll(/\): (.+)$/gm)];
  return reasons.at(-1)?.[1] ?? text.trim().split("\n")[0] ?? "unknown reason";
}

/** Runs calls of the library with the clock at zero; throws what the library only complains of. */
function call<T>(doing: string, body: () => T): T {
  const now = Date.now;
  writeError = undefined;
  complaint = "";
  Date.now = () => 0;
  let result: T;
  try {
    result = body();
  } catch (thrown) {
    complaint ||= messageOf(thrown);
    throw failure(doing);
  } finally {
    Date.now = now;
  }
  if (writeError !== undefined || complaint !== "") throw failure(doing);
  return result;
}

function failure(doing: string): RaysidueError {
  if (writeError !== undefined) return fromSystemError(writeError, doing);
  return new RaysidueError("internal", `${doing}: HDF5: ${reasonOf(complaint)}`);
}

/** Numbers, or ASCII texts of at most `size` characters each. */
export type Hdf5Data =
  | Float32Array
  | Float64Array
  | Int32Array
  | BigInt64Array
  | { readonly texts: readonly string[]; readonly size: number };

/** What the library must know of bytes, and the bytes. */
function rawOf(data: Hdf5Data): { type: number; size: number; cset?: number; bytes: Uint8Array } {
  const { H5T_FLOAT, H5T_INTEGER, H5T_STRING } = Module.H5T_class_t;
  if ("texts" in data) {
    const { texts, size } = data;
    const bytes = Buffer.alloc(texts.length * size);
    texts.forEach((text, i) => {
      bytes.write(text, i * size, size, "latin1");
    });
    return { type: H5T_STRING.value, size, cset: 0, bytes };
  }
  const isFloat = data instanceof Float32Array || data instanceof Float64Array;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const type = isFloat ? H5T_FLOAT.value : H5T_INTEGER.value;
  return { type, size: data.BYTES_PER_ELEMENT, bytes };
}

function layoutOf(shape: readonly number[]) {
  const dims = shape.map(BigInt);
  return { shape: dims, maxshape: dims, chunks: null, littleEndian: true, signed: true };
}

/** A file being written; `doing` ("cannot write PATH") opens the errors' text. */
export class Hdf5Output {
  readonly #file: File;
  readonly #doing: string;
  #buffer = 0;
  #bufferBytes = 0;
  #isOpen = true;

  private constructor(file: File, doing: string) {
    this.#file = file;
    this.#doing = doing;
  }

  /** Creates a file at `path`, readable by HDF5 1.8 and later, links in order of creation. */
  static async create(path: string, doing: string): Promise<Hdf5Output> {
    await load();
    const options = { track_order: true, libver: ["v108", "v110"] } as const;
    const open = () => new File(path, "w", { ...options, libver: [...options.libver] });
    return new Hdf5Output(call(doing, open), doing);
  }

  createGroup(name: string): void {
    call(this.#doing, () => Module.create_group(this.#file.file_id, `/${name}`, true));
  }

  /** A dataset at an absolute path whose names are escaped. */
  write(path: string, shape: readonly number[], data: Hdf5Data): void {
    call(this.#doing, () => {
      const { bytes, ...type } = rawOf(data);
      this.#reserve(bytes.length);
      Module.HEAPU8.set(bytes, this.#buffer);
      Module.create_dataset(this.#file.file_id, path, BigInt(this.#buffer), {
        ...layoutOf(shape),
        ...type,
        vlen: false,
        total_size: shape.reduce((product, dim) => product * dim, 1),
        // Read by the library, missing in its types: no filter.
        ...{ compression: 0, compression_opts: [], track_order: false },
      });
    });
  }

  /** A text attribute of a dataset or group. */
  setText(path: string, name: string, value: string): void {
    const type = Module.H5T_class_t.H5T_STRING.value;
    call(this.#doing, () => {
      Module.create_vlen_str_attribute(this.#file.file_id, path, name, [value], {
        ...layoutOf([]),
        ...{ type, size: 4, vlen: true, cset: 1, total_size: 1 },
      });
    });
  }

  /** How many objects a group holds ("/" is the root). */
  count(group: string): number {
    return call(this.#doing, () => Module.get_names(this.#file.file_id, group, false).length);
  }

  /** Writes what is buffered and closes; throws where any of it did not reach the file. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    Module._free(this.#buffer);
    call(this.#doing, () => {
      this.#file.flush();
      this.#file.close();
    });
  }

  #reserve(sizeBytes: number): void {
    if (sizeBytes <= this.#bufferBytes) return;
    Module._free(this.#buffer);
    this.#bufferBytes = Math.max(sizeBytes, this.#bufferBytes * 2);
    this.#buffer = Module._malloc(this.#bufferBytes);
    if (this.#buffer === 0) throw new Error(`no memory for ${sizeBytes} bytes`);
  }
}

export interface Hdf5Dataset {
  /** Names from the root, as they are in the file: [name] or [group, name]. */
  readonly names: readonly string[];
  readonly shape: readonly number[];
  /** Row-major; half and double precision are converted. */
  readonly data: Float32Array;
  /** The attribute `original_id`, where there is one. */
  readonly originalId: string | undefined;
}

/** The datasets in the root and in its groups, in the file's order; links are not followed. */
export async function* readDatasets(path: string, doing: string): AsyncGenerator<Hdf5Dataset> {
  await load();
  const file = call(doing, () => new File(path, "r"));
  try {
    for (const name of call(doing, () => file.keys())) {
      const entity = call(doing, () => file.get(name));
      if (entity instanceof Dataset) yield call(doing, () => readDataset(entity, [name]));
      if (!(entity instanceof Group)) continue;
      for (const inner of call(doing, () => entity.keys())) {
        const dataset = call(doing, () => entity.get(inner));
        if (dataset instanceof Dataset)
          yield call(doing, () => readDataset(dataset, [name, inner]));
      }
    }
  } finally {
    file.close();
  }
}

function readDataset(dataset: Dataset, names: readonly string[]): Hdf5Dataset {
  const { type, size, littleEndian, shape } = dataset.metadata;
  const isFloat = type === Module.H5T_class_t.H5T_FLOAT.value && littleEndian;
  if (!isFloat || ![2, 4, 8].includes(size) || shape === null) {
    throw new Error(`${dataset.path} holds no floating-point numbers`);
  }
  const count = shape.reduce((product, dim) => product * Number(dim), 1);
  if (count * size > DATASET_BYTES_MAX) throw new Error(`${dataset.path} is too large`);
  const pointer = Module._malloc(Math.max(1, count * size));
  if (pointer === 0) throw new Error(`no memory for ${dataset.path}`);
  try {
    Module.get_dataset_data(dataset.file_id, dataset.path, null, null, null, BigInt(pointer));
    const bytes = Module.HEAPU8.slice(pointer, pointer + count * size).buffer;
    const original = dataset.attrs.original_id?.value;
    return {
      names,
      shape: shape.map(Number),
      data: floatsOf(bytes, size),
      originalId: typeof original === "string" ? original : undefined,
    };
  } finally {
    Module._free(pointer);
  }
}

function floatsOf(bytes: ArrayBufferLike, size: number): Float32Array {
  if (size === 2) return fromFloat16(new Uint16Array(bytes));
  return size === 4 ? new Float32Array(bytes) : Float32Array.from(new Float64Array(bytes));
}
