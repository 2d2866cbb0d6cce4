/**
 * A zip archive of stored (uncompressed) entries, written as a stream.
 *
 * Owns: the archive's structure, zip64 where sizes or counts need it. Invariant: equal entries
 * give equal bytes (every date is 1980-01-01). Memory is a write buffer and the directory, about
 * 60 bytes and a name an entry. It does not compress: deflate
 * leaves 92.7 % of real float32 embeddings, at 29 MB/s.
 */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import type { AtomicFile } from "./atomic-file.ts";

const BUFFER_BYTES = 256 << 10;
/** What a 32-bit (16-bit) field holds where the true number stands in a zip64 field. */
const IN_ZIP64 = 0xffffffff;
const IN_ZIP64_COUNT = 0xffff;
/** Version of the specification that a reader needs: 2.0, or 4.5 for zip64. */
const VERSION = 20;
const VERSION_ZIP64 = 45;
/** Names are UTF-8. */
const FLAG_UTF8 = 0x0800;
/** 1980-01-01, the earliest date there is. */
const DOS_DATE = 0x0021;

interface Entry {
  readonly name: Buffer;
  readonly sizeBytes: number;
  readonly crc: number;
  readonly offsetBytes: number;
}

export class ZipWriter {
  readonly #file: AtomicFile;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #directory: Buffer[] = [];
  #directoryBytes = 0;
  #entryCount = 0;

  /** The archive goes into `file`; committing it is the caller's. */
  constructor(file: AtomicFile) {
    this.#file = file;
  }

  /** An entry from memory. The pieces may be reused afterwards. */
  async add(name: string, pieces: readonly Uint8Array[]): Promise<void> {
    const entry: Entry = {
      name: Buffer.from(name),
      sizeBytes: pieces.reduce((sum, piece) => sum + piece.byteLength, 0),
      crc: pieces.reduce((crc, piece) => crc32(piece, crc), 0),
      offsetBytes: this.#offsetBytes(),
    };
    this.#push(localHeader(entry));
    for (const piece of pieces) this.#push(new Uint8Array(piece));
    this.#list(entry);
    if (this.#pendingBytes >= BUFFER_BYTES) await this.#flush();
  }

  /** An entry of known size whose bytes come as a stream; its checksum is filled in afterwards. */
  async addStream(
    name: string,
    sizeBytes: number,
    pieces: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    await this.#flush();
    const offsetBytes = this.#offsetBytes();
    const unchecked: Entry = { name: Buffer.from(name), sizeBytes, crc: 0, offsetBytes };
    await this.#file.write(localHeader(unchecked));
    const startBytes = this.#file.positionBytes;
    let crc = 0;
    for await (const piece of pieces) {
      crc = crc32(piece, crc);
      await this.#file.write(piece);
    }
    assert.equal(this.#file.positionBytes - startBytes, sizeBytes, `size of ${name}`);
    await this.#file.patch(offsetBytes, localHeader({ ...unchecked, crc }));
    this.#list({ ...unchecked, crc });
  }

  /** Writes the directory: the archive is whole. */
  async end(): Promise<void> {
    const startBytes = this.#offsetBytes();
    for (const record of this.#directory) this.#push(record);
    this.#push(endRecords(this.#entryCount, this.#directoryBytes, startBytes));
    await this.#flush();
  }

  #offsetBytes(): number {
    return this.#file.positionBytes + this.#pendingBytes;
  }

  #push(piece: Uint8Array): void {
    this.#pending.push(piece);
    this.#pendingBytes += piece.byteLength;
  }

  #list(entry: Entry): void {
    const record = directoryRecord(entry);
    this.#directory.push(record);
    this.#directoryBytes += record.byteLength;
    this.#entryCount++;
  }

  async #flush(): Promise<void> {
    if (this.#pendingBytes === 0) return;
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    await this.#file.write(bytes);
  }
}

/** Fields from the version needed to the name's length: the same in both kinds of header. */
function commonFields(entry: Entry, isZip64: boolean, extraBytes: number): Buffer {
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(isZip64 ? VERSION_ZIP64 : VERSION, 0);
  fields.writeUInt16LE(FLAG_UTF8, 2);
  fields.writeUInt16LE(DOS_DATE, 8);
  fields.writeUInt32LE(entry.crc, 10);
  const size = Math.min(entry.sizeBytes, IN_ZIP64);
  fields.writeUInt32LE(size, 14);
  fields.writeUInt32LE(size, 18);
  fields.writeUInt16LE(entry.name.byteLength, 22);
  fields.writeUInt16LE(extraBytes, 24);
  return fields;
}

/** The extra field 1 with 64-bit numbers; empty where none is needed. */
function zip64Extra(numbers: readonly number[]): Buffer {
  if (numbers.length === 0) return Buffer.alloc(0);
  const extra = Buffer.alloc(4 + numbers.length * 8);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(numbers.length * 8, 2);
  for (const [i, number] of numbers.entries()) extra.writeBigUInt64LE(BigInt(number), 4 + i * 8);
  return extra;
}

function localHeader(entry: Entry): Buffer {
  const isLarge = entry.sizeBytes >= IN_ZIP64;
  const extra = zip64Extra(isLarge ? [entry.sizeBytes, entry.sizeBytes] : []);
  const fields = commonFields(entry, isLarge, extra.byteLength);
  return Buffer.concat([Buffer.from("PK\u0003\u0004"), fields, entry.name, extra]);
}

function directoryRecord(entry: Entry): Buffer {
  const isLarge = entry.sizeBytes >= IN_ZIP64;
  const isFar = entry.offsetBytes >= IN_ZIP64;
  const sizes = isLarge ? [entry.sizeBytes, entry.sizeBytes] : [];
  const extra = zip64Extra(isFar ? [...sizes, entry.offsetBytes] : sizes);
  const isZip64 = isLarge || isFar;
  const madeBy = Buffer.alloc(2);
  madeBy.writeUInt16LE(isZip64 ? VERSION_ZIP64 : VERSION);
  const place = Buffer.alloc(14);
  place.writeUInt32LE(Math.min(entry.offsetBytes, IN_ZIP64), 10);
  const fields = commonFields(entry, isZip64, extra.byteLength);
  return Buffer.concat([Buffer.from("PK\u0001\u0002"), madeBy, fields, place, entry.name, extra]);
}

function endRecords(count: number, directoryBytes: number, startBytes: number): Buffer {
  const records: Buffer[] = [];
  if (count >= IN_ZIP64_COUNT || directoryBytes >= IN_ZIP64 || startBytes >= IN_ZIP64) {
    const large = Buffer.alloc(56);
    large.write("PK\u0006\u0006", "latin1");
    large.writeBigUInt64LE(44n, 4);
    large.writeUInt16LE(VERSION_ZIP64, 12);
    large.writeUInt16LE(VERSION_ZIP64, 14);
    large.writeBigUInt64LE(BigInt(count), 24);
    large.writeBigUInt64LE(BigInt(count), 32);
    large.writeBigUInt64LE(BigInt(directoryBytes), 40);
    large.writeBigUInt64LE(BigInt(startBytes), 48);
    const locator = Buffer.alloc(20);
    locator.write("PK\u0006\u0007", "latin1");
    locator.writeBigUInt64LE(BigInt(startBytes + directoryBytes), 8);
    locator.writeUInt32LE(1, 16);
    records.push(large, locator);
  }
  const end = Buffer.alloc(22);
  end.write("PK\u0005\u0006", "latin1");
  end.writeUInt16LE(Math.min(count, IN_ZIP64_COUNT), 8);
  end.writeUInt16LE(Math.min(count, IN_ZIP64_COUNT), 10);
  end.writeUInt32LE(Math.min(directoryBytes, IN_ZIP64), 12);
  end.writeUInt32LE(Math.min(startBytes, IN_ZIP64), 16);
  return Buffer.concat([...records, end]);
}
