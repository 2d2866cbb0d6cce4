/**
 * Named streams of text bytes: files, folders, standard input, gzipped or not.
 *
 * Owns: turning each input that a command line names (input-paths.ts) into plain bytes.
 * Invariant: what comes out is neither empty, nor compressed, nor binary, nor cut short; otherwise
 * iteration throws a RaysidueError that names the input. Memory is a few read buffers, whatever
 * the size. It knows no format.
 */
import { createReadStream } from "node:fs";
import { addAbortSignal, pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { messageOf, RaysidueError } from "../../base/errors.ts";
import { cannotRead, type ListOptions, listInputs } from "./input-paths.ts";

/** Extensions under which folders are searched for FASTA; each also with `.gz`. */
export const FASTA_EXTENSIONS = [".fa", ".fasta", ".faa", ".fas", ".seq"] as const;

export interface TextInput {
  /** The path as given or found; `<stdin>` for `-`. */
  readonly name: string;
  /** Plain bytes, once. Throws RaysidueError (bad-input) for empty, binary or truncated data. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface OpenOptions extends ListOptions {
  /** Ends reading at once, even where it waits for standard input. */
  readonly signal?: AbortSignal;
}

/** Read and decompression buffers: large enough that the calls cost nothing beside the parsing. */
const READ_BYTES = 256 << 10;
/** What is looked at to recognise a format. */
const SNIFF_BYTES = 8;

/**
 * Expands paths (`-` is standard input, a folder stands for its files in sorted order) and yields
 * the inputs in order, each opened when its bytes are first asked for. All paths are looked at
 * before the first is yielded, so that a misspelt one is known at once.
 * Throws RaysidueError: bad-input for a missing path, or a folder without such files.
 */
export async function* openInputs(
  paths: readonly string[],
  options: OpenOptions,
): AsyncGenerator<TextInput> {
  for (const path of await listInputs(paths, options)) yield openInput(path, options.signal);
}

/** An input of its own, read as it is asked for. */
export function openInput(path: string, signal?: AbortSignal): TextInput {
  const name = path === "-" ? "<stdin>" : path;
  const raw = () => {
    const source =
      path === "-" ? process.stdin : createReadStream(path, { highWaterMark: READ_BYTES });
    return signal === undefined ? source : addAbortSignal(signal, source);
  };
  return { name, bytes: plainText(raw, name) };
}

/** Formats that people mistake for text, by their first bytes, with what to do about each. */
const BINARY_FORMATS: readonly [name: string, magic: string, advice: string][] = [
  ["bzip2", "425a68", "decompress it first (bunzip2)"],
  ["xz", "fd377a585a00", "decompress it first (unxz)"],
  ["zstd", "28b52ffd", "decompress it first (unzstd)"],
  ["zip", "504b0304", "unpack it first (unzip)"],
  ["HDF5", "894844460d0a1a0a", "give the text file it was made from"],
  ["Parquet", "50415231", "give the text file it was made from"],
  ["PDF", "25504446", "give a plain text file"],
  ["UTF-16 text", "fffe", "save it as UTF-8"],
  ["UTF-16 text", "feff", "save it as UTF-8"],
];

/** What the first bytes of a file say it is; `other` comes with its name and what to do. */
export function sniff(
  head: Uint8Array,
): { content: "gzip" } | { content: "text" } | { content: "other"; name: string; advice: string } {
  if (head[0] === 0x1f && head[1] === 0x8b) return { content: "gzip" };
  const hex = Buffer.from(head.subarray(0, SNIFF_BYTES)).toString("hex");
  for (const [name, magic, advice] of BINARY_FORMATS) {
    if (hex.startsWith(magic)) return { content: "other", name, advice };
  }
  return { content: "text" };
}

/** Decompresses if the first bytes say gzip, drops a UTF-8 byte order mark, refuses the rest. */
export async function* plainText(open: () => Readable, name: string): AsyncGenerator<Uint8Array> {
  const source = open();
  try {
    const { head, rest } = await peek(source);
    const found = sniff(head);
    if (found.content === "other") throw notText(name, `is ${found.name}, not text`, found.advice);
    yield* checkedText(found.content === "gzip" ? gunzip(rest, name) : rest, name);
  } catch (thrown) {
    throw cannotRead(thrown, name);
  } finally {
    source.destroy();
  }
}

function notText(name: string, what: string, advice: string): RaysidueError {
  return new RaysidueError("bad-input", `${name} ${what}; ${advice}`);
}

/** Reads until there is enough to recognise a format, and gives it all back. */
async function peek(
  source: AsyncIterable<Uint8Array>,
): Promise<{ head: Uint8Array; rest: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  let next = await iterator.next();
  while (!next.done) {
    head = head.byteLength === 0 ? next.value : Buffer.concat([head, next.value]);
    if (head.byteLength >= SNIFF_BYTES) break;
    next = await iterator.next();
  }
  async function* rest(): AsyncGenerator<Uint8Array> {
    if (head.byteLength > 0) yield head;
    if (next.done) return;
    for (let piece = await iterator.next(); !piece.done; piece = await iterator.next()) {
      yield piece.value;
    }
  }
  return { head, rest: rest() };
}

/** All members of a gzip stream; padding after the last one is ignored, as gzip itself does. */
async function* gunzip(
  compressed: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<Uint8Array> {
  let readError: unknown;
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      yield* compressed;
    } catch (thrown) {
      readError = thrown;
      throw thrown;
    }
  }
  const plain = createGunzip({ chunkSize: READ_BYTES });
  // The iteration below reports what happens; the callback only keeps an error from being thrown.
  pipeline(Readable.from(watched(), { objectMode: false }), plain, () => {});
  try {
    yield* plain as AsyncIterable<Uint8Array>;
  } catch (thrown) {
    if (readError !== undefined) throw readError;
    const code = (thrown as NodeJS.ErrnoException).code;
    if (code === "Z_BUF_ERROR") {
      const advice = "it was cut short in a copy or download; fetch it again";
      throw notText(name, "is a truncated gzip file", advice);
    }
    throw new RaysidueError(
      "bad-input",
      `${name} is a damaged gzip file (${messageOf(thrown)}); fetch it again`,
      { cause: thrown },
    );
  } finally {
    plain.destroy();
  }
}

async function* checkedText(
  pieces: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<Uint8Array> {
  const { head, rest } = await peek(pieces);
  if (head.byteLength === 0) throw notText(name, "is empty", "give a file with records");
  const inner = sniff(head);
  if (inner.content !== "text") {
    const what = inner.content === "gzip" ? "gzip" : inner.name;
    throw notText(name, `holds ${what} inside gzip, not text`, "decompress it first");
  }
  let offsetBytes = 0;
  for await (const piece of rest) {
    // Buffer's search is the C library's memchr: no cost beside the parsing.
    const nul = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength).indexOf(0);
    if (nul >= 0) {
      const what = `is a binary file (NUL at byte ${offsetBytes + nul})`;
      throw notText(name, what, "give a plain text file");
    }
    const isMarked =
      offsetBytes === 0 && piece[0] === 0xef && piece[1] === 0xbb && piece[2] === 0xbf;
    offsetBytes += piece.byteLength;
    yield isMarked ? piece.subarray(3) : piece;
  }
}
