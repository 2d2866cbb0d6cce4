/**
 * The central directory of a zip archive: where each member's bytes lie.
 *
 * Owns: reading the directory (zip64 included) of an archive that may be hostile. Invariant: every
 * member's bytes lie inside the file, before the directory, and overlap no other member's; names
 * are unique, relative and free of `..`. Deliberately not here: unpacking, encryption, archives in
 * several volumes. Source: PKWARE APPNOTE 6.3.
 */
import type { FileHandle } from "node:fs/promises";
import { RaysidueError } from "../base/errors.ts";

export interface ZipMember {
  readonly name: string;
  readonly method: "stored" | "deflated";
  /** Of the member's (compressed) bytes, from the start of the file. */
  readonly offsetBytes: number;
  readonly compressedBytes: number;
  /** As the directory declares it; whoever inflates must stop there. */
  readonly sizeBytes: number;
}

/** A checkpoint has a member a tensor, a wheel one a file: some thousands. */
const MEMBERS_MAX = 200_000;
const DIRECTORY_BYTES_MAX = 64 * 1024 * 1024;
const END_BYTES = 22;
const COMMENT_BYTES_MAX = 65_535;
const LOCATOR_BYTES = 20;
const END64_BYTES = 56;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;

const END_SIGNATURE = 0x06054b50;
const LOCATOR_SIGNATURE = 0x07064b50;
const END64_SIGNATURE = 0x06064b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;

/** Reads the members of the zip archive open at `handle`; `path` names it in errors. */
export async function readZipDirectory(
  handle: FileHandle,
  path: string,
): Promise<Map<string, ZipMember>> {
  const archive: Archive = { handle, path, sizeBytes: (await handle.stat()).size };
  const extent = await readEnd(archive);
  const directory = await readExactly(archive, extent.offsetBytes, extent.sizeBytes);
  const entries = parseDirectory(directory, extent, path);
  // In file order, so that an overlap is seen between neighbours.
  entries.sort((a, b) => a.localOffset - b.localOffset);
  const members = new Map<string, ZipMember>();
  let end = 0;
  for (const entry of entries) {
    if (entry.localOffset < end) throw bad(path, `member ${entry.name} overlaps another`);
    const member = await locate(archive, entry);
    end = member.offsetBytes + member.compressedBytes;
    if (end > extent.offsetBytes) throw bad(path, `member ${entry.name} runs into the directory`);
    members.set(member.name, member);
  }
  return members;
}

interface Archive {
  readonly handle: FileHandle;
  readonly path: string;
  readonly sizeBytes: number;
}

interface DirectoryExtent {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  readonly count: number;
}

interface CentralEntry {
  readonly name: string;
  readonly method: "stored" | "deflated";
  readonly compressedBytes: number;
  readonly sizeBytes: number;
  readonly localOffset: number;
}

function bad(path: string, text: string): RaysidueError {
  return new RaysidueError("bad-input", `${path}: not a valid zip archive: ${text}`);
}

async function readExactly(archive: Archive, offset: number, length: number): Promise<Buffer> {
  if (offset < 0 || offset + length > archive.sizeBytes) {
    throw bad(archive.path, `it ends at ${archive.sizeBytes} bytes, before ${offset + length}`);
  }
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await archive.handle.read(buffer, 0, length, offset);
  if (bytesRead !== length) throw bad(archive.path, "it became shorter while it was read");
  return buffer;
}

function toSafe(value: bigint, path: string): number {
  if (value > Number.MAX_SAFE_INTEGER) throw bad(path, `an offset or size of ${value} bytes`);
  return Number(value);
}

async function readEnd(archive: Archive): Promise<DirectoryExtent> {
  const { path, sizeBytes } = archive;
  const tailBytes = Math.min(sizeBytes, END_BYTES + COMMENT_BYTES_MAX);
  const tail = await readExactly(archive, sizeBytes - tailBytes, tailBytes);
  let at = tailBytes - END_BYTES;
  const isEnd = (offset: number) =>
    tail.readUInt32LE(offset) === END_SIGNATURE &&
    offset + END_BYTES + tail.readUInt16LE(offset + 20) === tailBytes;
  while (at >= 0 && !isEnd(at)) at--;
  if (at < 0) throw bad(path, "no end record; the file may be truncated, fetch it again");
  if (tail.readUInt16LE(at + 4) !== 0 && tail.readUInt16LE(at + 4) !== 0xffff) {
    throw bad(path, "it spans several volumes");
  }
  let extent: DirectoryExtent = {
    count: tail.readUInt16LE(at + 10),
    sizeBytes: tail.readUInt32LE(at + 12),
    offsetBytes: tail.readUInt32LE(at + 16),
  };
  if (
    extent.count === 0xffff ||
    extent.sizeBytes === 0xffffffff ||
    extent.offsetBytes === 0xffffffff
  ) {
    extent = await readEnd64(archive, sizeBytes - tailBytes + at);
  }
  if (extent.count > MEMBERS_MAX) {
    throw bad(path, `${extent.count} members, ${MEMBERS_MAX} is the most`);
  }
  if (extent.sizeBytes > DIRECTORY_BYTES_MAX) {
    throw bad(path, `a directory of ${extent.sizeBytes} bytes, ${DIRECTORY_BYTES_MAX} is the most`);
  }
  return extent;
}

async function readEnd64(archive: Archive, endOffset: number): Promise<DirectoryExtent> {
  const { path } = archive;
  const locator = await readExactly(archive, endOffset - LOCATOR_BYTES, LOCATOR_BYTES);
  if (locator.readUInt32LE(0) !== LOCATOR_SIGNATURE) throw bad(path, "no zip64 locator");
  const record = await readExactly(archive, toSafe(locator.readBigUInt64LE(8), path), END64_BYTES);
  if (record.readUInt32LE(0) !== END64_SIGNATURE) throw bad(path, "no zip64 end record");
  return {
    count: toSafe(record.readBigUInt64LE(32), path),
    sizeBytes: toSafe(record.readBigUInt64LE(40), path),
    offsetBytes: toSafe(record.readBigUInt64LE(48), path),
  };
}

function parseDirectory(directory: Buffer, extent: DirectoryExtent, path: string): CentralEntry[] {
  const entries: CentralEntry[] = [];
  const names = new Set<string>();
  let at = 0;
  for (let index = 0; index < extent.count; index++) {
    if (at + CENTRAL_BYTES > directory.length || directory.readUInt32LE(at) !== CENTRAL_SIGNATURE) {
      throw bad(path, `directory entry ${index + 1} of ${extent.count} is broken`);
    }
    const nameBytes = directory.readUInt16LE(at + 28);
    const extraBytes = directory.readUInt16LE(at + 30);
    const nameEnd = at + CENTRAL_BYTES + nameBytes;
    const next = nameEnd + extraBytes + directory.readUInt16LE(at + 32);
    if (next > directory.length) throw bad(path, `directory entry ${index + 1} is cut off`);
    const name = directory.toString("utf8", at + CENTRAL_BYTES, nameEnd);
    checkName(name, path);
    if (names.has(name)) throw bad(path, `member ${JSON.stringify(name)} occurs twice`);
    names.add(name);
    const header = directory.subarray(at, at + CENTRAL_BYTES);
    const extra = directory.subarray(nameEnd, nameEnd + extraBytes);
    // A folder's entry has no bytes of its own.
    if (!name.endsWith("/")) entries.push(parseEntry(name, header, extra, path));
    at = next;
  }
  return entries;
}

function checkName(name: string, path: string): void {
  const isUnsafe =
    name === "" ||
    name.startsWith("/") ||
    /[\\:\0\ufffd]/.test(name) ||
    name.split("/").some((part) => part === ".." || part === ".");
  if (isUnsafe) throw bad(path, `member name ${JSON.stringify(name)} is not safe`);
}

function parseEntry(name: string, header: Buffer, extra: Buffer, path: string): CentralEntry {
  const code = header.readUInt16LE(10);
  if ((header.readUInt16LE(8) & 1) !== 0) throw bad(path, `member ${name} is encrypted`);
  if (code !== 0 && code !== 8) throw bad(path, `member ${name} is packed by method ${code}`);
  const wide = wideFields(extra);
  // Zip64: each field that is all ones stands in the extra field instead, in this order.
  const field = (offset: number): number => {
    const value = header.readUInt32LE(offset);
    if (value !== 0xffffffff) return value;
    const replacement = wide.shift();
    if (replacement === undefined) throw bad(path, `member ${name} lacks its zip64 sizes`);
    return toSafe(replacement, path);
  };
  const sizeBytes = field(24);
  const compressedBytes = field(20);
  const localOffset = field(42);
  if (code === 0 && sizeBytes !== compressedBytes) {
    throw bad(path, `member ${name} is stored but has two sizes`);
  }
  const method = code === 0 ? "stored" : "deflated";
  return { name, method, compressedBytes, sizeBytes, localOffset };
}

function wideFields(extra: Buffer): bigint[] {
  for (let at = 0; at + 4 <= extra.length; ) {
    const id = extra.readUInt16LE(at);
    const end = Math.min(at + 4 + extra.readUInt16LE(at + 2), extra.length);
    if (id === 1) {
      const fields: bigint[] = [];
      for (let field = at + 4; field + 8 <= end; field += 8) {
        fields.push(extra.readBigUInt64LE(field));
      }
      return fields;
    }
    at = end;
  }
  return [];
}

async function locate(archive: Archive, entry: CentralEntry): Promise<ZipMember> {
  const { name, method, compressedBytes, sizeBytes } = entry;
  const header = await readExactly(archive, entry.localOffset, LOCAL_BYTES);
  if (header.readUInt32LE(0) !== LOCAL_SIGNATURE) {
    throw bad(archive.path, `member ${name} has no local header`);
  }
  if (header.readUInt16LE(8) !== (method === "stored" ? 0 : 8)) {
    throw bad(archive.path, `member ${name} is packed differently than the directory says`);
  }
  const nameBytes = header.readUInt16LE(26);
  const localName = await readExactly(archive, entry.localOffset + LOCAL_BYTES, nameBytes);
  if (localName.toString("utf8") !== name) {
    throw bad(archive.path, `member ${name} has another name in its local header`);
  }
  const offsetBytes = entry.localOffset + LOCAL_BYTES + nameBytes + header.readUInt16LE(28);
  return { name, method, offsetBytes, compressedBytes, sizeBytes };
}
