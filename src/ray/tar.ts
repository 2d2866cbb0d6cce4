/**
 * A tar archive of files on disk, made as a stream, the same bytes for the same files.
 *
 * Owns: ustar headers. Invariant: names are relative and sorted, owners and times are 0, so that an
 * archive's digest says what is in it. Deliberately not here: reading archives (the node agent).
 * Source: POSIX.1-1988 ustar; pax headers carry long names.
 */
import { createReadStream } from "node:fs";
import { fromSystemError, RaysidueError } from "../base/errors.ts";

/** A file or, where `linkTarget` is set, a symbolic link. */
export interface TarEntry {
  /** Within the archive, `/` between folders. */
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly isExecutable?: boolean;
  readonly linkTarget?: string;
}

/** What is to be sent is not what it was when it was announced. */
export class ChangedError extends RaysidueError {
  /** Without what to do. */
  readonly fact: string;

  constructor(path: string, options?: { cause?: unknown }) {
    const fact = `${path} changed since this command began`;
    super("try-again", `${fact}; run the same command again`, options);
    this.fact = fact;
  }
}

const BLOCK_BYTES = 512;
/** Two empty blocks end an archive. */
const END = Buffer.alloc(2 * BLOCK_BYTES);

/** The archive's bytes, in pieces. Throws ChangedError where a file is another one meanwhile. */
export async function* tarOf(entries: readonly TarEntry[]): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    const isLink = entry.linkTarget !== undefined;
    const records = paxRecords(entry);
    if (records.length > 0) {
      yield header({ name: "pax", sizeBytes: records.length, type: "x", mode: 0o644 });
      yield padded(records);
    }
    const mode = entry.isExecutable === true ? 0o755 : 0o644;
    const sizeBytes = isLink ? 0 : entry.sizeBytes;
    yield header({
      name: entry.name,
      sizeBytes,
      type: isLink ? "2" : "0",
      mode,
      link: entry.linkTarget,
    });
    if (!isLink) yield* content(entry);
  }
  yield END;
}

/** How long `tarOf` is going to be, in bytes. */
export function tarBytes(entries: readonly TarEntry[]): number {
  let bytes = END.length;
  for (const entry of entries) {
    const records = paxRecords(entry).length;
    if (records > 0) bytes += BLOCK_BYTES + roundUp(records);
    bytes += BLOCK_BYTES + (entry.linkTarget === undefined ? roundUp(entry.sizeBytes) : 0);
  }
  return bytes;
}

async function* content(entry: TarEntry): AsyncGenerator<Buffer> {
  let bytes = 0;
  try {
    for await (const piece of createReadStream(entry.path, { highWaterMark: 1 << 20 })) {
      bytes += (piece as Buffer).length;
      yield piece as Buffer;
    }
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") {
      throw fromSystemError(thrown, `cannot read ${entry.path}`);
    }
    throw new ChangedError(entry.path, { cause: thrown });
  }
  if (bytes !== entry.sizeBytes) throw new ChangedError(entry.path);
  yield Buffer.alloc(roundUp(bytes) - bytes);
}

/** Names that do not fit a header: `LENGTH key=value\n`, where the length counts itself. */
function paxRecords(entry: TarEntry): Buffer {
  const record = (key: string, value: string) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`);
    let length = rest;
    while (length !== rest + String(length).length) length = rest + String(length).length;
    return `${length} ${key}=${value}\n`;
  };
  const isLong = (text: string) => Buffer.byteLength(text) > 100;
  let text = isLong(entry.name) ? record("path", entry.name) : "";
  if (isLong(entry.linkTarget ?? "")) text += record("linkpath", entry.linkTarget!);
  return Buffer.from(text);
}

interface Header {
  readonly name: string;
  readonly sizeBytes: number;
  readonly type: "0" | "2" | "x";
  readonly mode: number;
  readonly link?: string | undefined;
}

function header({ name, sizeBytes, type, mode, link = "" }: Header): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, offset: number, digits: number) =>
    block.write(`${value.toString(8).padStart(digits, "0")}\0`, offset, "latin1");
  // Where a pax record has the full name, the cut one is not read.
  Buffer.from(name).copy(block, 0, 0, 100);
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  if (sizeBytes < 8 ** 11) octal(sizeBytes, 124, 11);
  else {
    // Over 8 GiB: base 256, marked by the highest bit.
    block.writeUInt8(0x80, 124);
    block.writeBigUInt64BE(BigInt(sizeBytes), 128);
  }
  octal(0, 136, 11);
  block.write(type, 156, "latin1");
  Buffer.from(link).copy(block, 157, 0, 100);
  block.write("ustar\x0000", 257, "latin1");
  block.fill(" ", 148, 156, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes], roundUp(bytes.length));
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}
