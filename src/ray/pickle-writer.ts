/**
 * Values -> a pickle of protocol 4, which every Python that Ray supports reads.
 *
 * Owns: opcodes. null, booleans, whole numbers, floats (PyFloat, or numbers that are not whole),
 * strings, bytes, arrays (lists), PyTuple, plain objects and Maps (dicts), PyGlobal, PyCall,
 * PySource. Invariant: what cannot be written throws; nothing is written approximately.
 * Source: the opcode table of CPython's pickletools.
 */
import assert from "node:assert/strict";
import { PyCall, PyFloat, PyGlobal, PySource, PyTuple } from "./pickle-value.ts";

const OP = {
  proto: 0x80,
  mark: 0x28,
  stop: 0x2e,
  none: 0x4e,
  true: 0x88,
  false: 0x89,
  binInt: 0x4a,
  long1: 0x8a,
  binFloat: 0x47,
  binUnicode: 0x58,
  binBytes: 0x42,
  binBytes8: 0x8e,
  emptyList: 0x5d,
  appends: 0x65,
  emptyDict: 0x7d,
  setItems: 0x75,
  tuple: 0x74,
  stackGlobal: 0x93,
  reduce: 0x52,
  memoize: 0x94,
  binGet: 0x68,
  pop: 0x30,
} as const;

/** Lengths in the common opcodes are unsigned 32-bit numbers. */
const LENGTH_MAX = 2 ** 32 - 1;

/** The value as Python will have it. Throws for what cannot be written. */
export function writePickle(value: unknown): Buffer {
  const writer = new PickleWriter();
  writer.op(OP.proto, 4);
  writer.write(value);
  writer.op(OP.stop);
  return Buffer.concat(writer.parts);
}

class PickleWriter {
  readonly parts: Buffer[] = [];
  #memoCount = 0;

  op(...bytes: number[]): void {
    this.parts.push(Buffer.from(bytes));
  }

  write(value: unknown): void {
    if (value === null || value === undefined) return this.op(OP.none);
    switch (typeof value) {
      case "boolean":
        return this.op(value ? OP.true : OP.false);
      case "number":
        return Number.isInteger(value) ? this.#integer(value) : this.#float(value);
      case "string":
        return this.#text(value);
      case "object":
        return this.#object(value);
      default:
        throw new TypeError(`a ${typeof value} cannot be pickled`);
    }
  }

  #object(value: object): void {
    if (value instanceof Uint8Array) return this.#bytes(value);
    if (value instanceof PyFloat) return this.#float(value.value);
    if (value instanceof PyGlobal) return this.#global(value);
    if (value instanceof PySource) return this.#source(value);
    if (value instanceof PyTuple) return this.#marked(value.items, OP.tuple);
    if (value instanceof PyCall) {
      this.write(value.callable);
      this.write(value.args);
      return this.op(OP.reduce);
    }
    if (Array.isArray(value)) {
      this.op(OP.emptyList);
      return this.#marked(value, OP.appends);
    }
    const isPlain = Object.getPrototypeOf(value) === Object.prototype;
    assert(value instanceof Map || isPlain, `a ${value.constructor?.name} cannot be pickled`);
    const entries = value instanceof Map ? [...value] : Object.entries(value);
    this.op(OP.emptyDict);
    this.#marked(entries.flat(1), OP.setItems);
  }

  #marked(items: readonly unknown[], end: number): void {
    this.op(OP.mark);
    for (const item of items) this.write(item);
    this.op(end);
  }

  #integer(value: number): void {
    assert(Number.isSafeInteger(value), `${value} is not exact`);
    if (value >= -(2 ** 31) && value < 2 ** 31) {
      const bytes = Buffer.alloc(5, OP.binInt);
      bytes.writeInt32LE(value, 1);
      this.parts.push(bytes);
      return;
    }
    const bytes = Buffer.alloc(10, OP.long1);
    bytes.writeUInt8(8, 1);
    bytes.writeBigInt64LE(BigInt(value), 2);
    this.parts.push(bytes);
  }

  #float(value: number): void {
    const bytes = Buffer.alloc(9, OP.binFloat);
    bytes.writeDoubleBE(value, 1);
    this.parts.push(bytes);
  }

  #text(text: string): void {
    this.#sized(OP.binUnicode, Buffer.from(text, "utf8"));
  }

  #bytes(bytes: Uint8Array): void {
    if (bytes.byteLength <= LENGTH_MAX) return this.#sized(OP.binBytes, bytes);
    const head = Buffer.alloc(9, OP.binBytes8);
    head.writeBigUInt64LE(BigInt(bytes.byteLength), 1);
    this.parts.push(head, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  #sized(opcode: number, bytes: Uint8Array): void {
    assert(bytes.byteLength <= LENGTH_MAX);
    const head = Buffer.alloc(5, opcode);
    head.writeUInt32LE(bytes.byteLength, 1);
    this.parts.push(head, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  #global(global: PyGlobal): void {
    this.#text(global.module);
    this.#text(global.name);
    this.op(OP.stackGlobal);
  }

  /** ns = {"__name__": ...}; exec(source, ns); ns[name] — the namespace by way of the memo. */
  #source({ source, moduleName, name }: PySource): void {
    const memo = this.#memoCount++;
    assert(memo < 256, "more source texts than the short memo opcode counts");
    const namespace = () => this.op(OP.binGet, memo);
    this.write({ __name__: moduleName });
    this.op(OP.memoize, OP.pop);
    this.#global(new PyGlobal("builtins", "exec"));
    this.op(OP.mark);
    this.#text(source);
    namespace();
    this.op(OP.tuple, OP.reduce, OP.pop);
    this.#global(new PyGlobal("operator", "getitem"));
    this.op(OP.mark);
    namespace();
    this.#text(name);
    this.op(OP.tuple, OP.reduce);
  }
}
