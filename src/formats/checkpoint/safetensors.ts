/**
 * The header of a safetensors file.
 *
 * Owns: finding each tensor's byte range, with every check the format asks for. Invariant: what it
 * returns lies inside the file, without gaps or overlaps, and agrees with dtype and shape.
 * Deliberately not here: reading tensor values. Format: https://github.com/huggingface/safetensors
 */
import { type FileHandle, open } from "node:fs/promises";
import { fromSystemError, RaysidueError } from "../../base/errors.ts";
import { DTYPE_BYTES, elementCount, isTensorDtype, type TensorEntry } from "./tensor-entry.ts";

/** The format's own bound on its header. */
const HEADER_BYTES_MAX = 100_000_000;
/** Numpy and PyTorch stop at 64 or fewer; more is nonsense. */
const DIMENSIONS_MAX = 64;
const LENGTH_BYTES = 8;

/**
 * Reads the index of a safetensors file: tensor name to byte range, in file order.
 * Throws RaysidueError "bad-input" naming the path for anything the format forbids.
 */
export async function readSafetensors(path: string): Promise<Map<string, TensorEntry>> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r");
    const fileBytes = (await handle.stat()).size;
    const header = await readHeader(handle, path, fileBytes);
    const dataStart = LENGTH_BYTES + header.byteLength;
    return indexOf(parseHeader(header, path), { path, dataStart, fileBytes });
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot read ${path}`);
  } finally {
    await handle?.close();
  }
}

function bad(path: string, text: string, cause?: unknown): RaysidueError {
  return new RaysidueError("bad-input", `${path}: not a valid safetensors file: ${text}`, {
    cause,
  });
}

function truncated(path: string, neededBytes: number, fileBytes: number): RaysidueError {
  const text = `${path}: truncated: ${neededBytes} bytes expected, the file has ${fileBytes}`;
  return new RaysidueError("bad-input", `${text}; fetch or copy it again`);
}

async function readHeader(handle: FileHandle, path: string, fileBytes: number): Promise<Buffer> {
  if (fileBytes < LENGTH_BYTES) throw truncated(path, LENGTH_BYTES, fileBytes);
  const prefix = Buffer.alloc(LENGTH_BYTES);
  await handle.read(prefix, 0, LENGTH_BYTES, 0);
  const declared = prefix.readBigUInt64LE();
  if (declared > HEADER_BYTES_MAX) {
    throw bad(path, `it declares a header of ${declared} bytes, ${HEADER_BYTES_MAX} is the most`);
  }
  const headerBytes = Number(declared);
  // Checked before the allocation: a length of 100 MB in a file of 9 bytes must cost nothing.
  if (LENGTH_BYTES + headerBytes > fileBytes) {
    throw truncated(path, LENGTH_BYTES + headerBytes, fileBytes);
  }
  const header = Buffer.alloc(headerBytes);
  const { bytesRead } = await handle.read(header, 0, headerBytes, LENGTH_BYTES);
  if (bytesRead !== headerBytes) {
    throw truncated(path, LENGTH_BYTES + headerBytes, LENGTH_BYTES + bytesRead);
  }
  return header;
}

function parseHeader(header: Buffer, path: string): [string, unknown][] {
  if (header[0] !== 0x7b) throw bad(path, "the header does not begin with {");
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(header);
    parsed = JSON.parse(text);
  } catch (thrown) {
    throw bad(path, "the header is not JSON in UTF-8", thrown);
  }
  const entries = Object.entries(parsed as Record<string, unknown>);
  // JSON.parse keeps the last of equal names silently; two ranges for one name is an attack.
  if (countTopLevelKeys(text) !== entries.length) throw bad(path, "a tensor name occurs twice");
  return entries;
}

/** Keys of the outermost object of valid JSON: its colons at depth one outside strings. */
function countTopLevelKeys(text: string): number {
  let depth = 0;
  let count = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (isInString) {
      if (letter === "\\") at++;
      else if (letter === '"') isInString = false;
    } else if (letter === '"') isInString = true;
    else if (letter === "{" || letter === "[") depth++;
    else if (letter === "}" || letter === "]") depth--;
    else if (letter === ":" && depth === 1) count++;
  }
  return count;
}

interface FileExtent {
  readonly path: string;
  readonly dataStart: number;
  readonly fileBytes: number;
}

function indexOf(header: [string, unknown][], extent: FileExtent): Map<string, TensorEntry> {
  const { path, dataStart, fileBytes } = extent;
  const tensors: [string, TensorEntry][] = [];
  for (const [name, value] of header) {
    if (name === "__metadata__") checkMetadata(value, path);
    else tensors.push([name, parseTensor(name, value, extent)]);
  }
  tensors.sort(([, a], [, b]) => a.offsetBytes - b.offsetBytes || a.sizeBytes - b.sizeBytes);
  let end = dataStart;
  for (const [name, entry] of tensors) {
    if (entry.offsetBytes !== end) {
      const relation = entry.offsetBytes < end ? "overlaps the tensor" : "leaves a gap";
      throw bad(path, `tensor ${JSON.stringify(name)} ${relation} before it`);
    }
    end += entry.sizeBytes;
  }
  if (end > fileBytes) throw truncated(path, end, fileBytes);
  if (end < fileBytes) {
    throw bad(path, `the header describes ${end} bytes, the file has ${fileBytes}`);
  }
  return new Map(tensors);
}

function checkMetadata(value: unknown, path: string): void {
  const isTextMap =
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === "string");
  if (!isTextMap) throw bad(path, "__metadata__ is no map of strings");
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function parseTensor(name: string, value: unknown, extent: FileExtent): TensorEntry {
  const { path, dataStart } = extent;
  const complain = (text: string) => bad(path, `tensor ${JSON.stringify(name)} ${text}`);
  if (typeof value !== "object" || value === null) throw complain("is no object");
  const { dtype, shape, data_offsets: offsets, ...rest } = value as Record<string, unknown>;
  const extra = Object.keys(rest)[0];
  if (extra !== undefined) throw complain(`has the unknown field ${JSON.stringify(extra)}`);
  if (typeof dtype !== "string" || !isTensorDtype(dtype)) {
    throw complain(`has dtype ${JSON.stringify(dtype)}, which is not supported`);
  }
  if (!Array.isArray(shape) || shape.length > DIMENSIONS_MAX || !shape.every(isCount)) {
    throw complain("has no valid shape");
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw complain("has no valid data_offsets");
  }
  const [begin, end] = offsets as [number, number];
  const count = elementCount(shape);
  const sizeBytes = count === undefined ? undefined : count * DTYPE_BYTES[dtype];
  if (sizeBytes === undefined || end - begin !== sizeBytes) {
    throw complain(`of ${dtype} [${shape}] does not fit its ${end - begin} bytes`);
  }
  return { dtype, shape, offsetBytes: dataStart + begin, sizeBytes };
}
