/**
 * A pickle of Ray's, read as data and never executed.
 *
 * Owns: the opcodes that CPython writes up to protocol 5. Tuples, lists and sets are arrays, dicts
 * are Maps, bytes are Buffers, whole numbers beyond 2^53 bigints; globals and calls are the inert
 * records of pickle-value.ts. Invariant: hostile bytes cost at most memory of their own size's
 * order and throw. Source: the opcode table of CPython's pickletools.
 */
import { RaysidueError } from "../base/errors.ts";
import { PyCall, PyGlobal, PyPersistent } from "./pickle-value.ts";

const MARK = Symbol("mark");
/** Nothing that the operations answer is larger. */
const BYTES_MAX = 256 * 1024 * 1024;

/** Throws RaysidueError "internal" for what is no pickle or has an opcode that is not known. */
export function readPickle(bytes: Uint8Array): unknown {
  return new PickleReader(bytes).run();
}

class PickleReader {
  readonly #bytes: Buffer;
  readonly #stack: unknown[] = [];
  readonly #memo = new Map<number, unknown>();
  #at = 0;

  constructor(bytes: Uint8Array) {
    if (bytes.byteLength > BYTES_MAX) throw this.#bad("it is too large");
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): unknown {
    for (;;) {
      const opcode = this.#take(1)[0]!;
      if (opcode === 0x2e) {
        if (this.#stack.length !== 1) throw this.#bad("it ends with more or less than one value");
        return this.#pop();
      }
      const isKnown =
        this.#readNumber(opcode) ||
        this.#readText(opcode) ||
        this.#readContainer(opcode) ||
        this.#readMemo(opcode) ||
        this.#readObject(opcode);
      if (!isKnown) throw this.#bad(`opcode 0x${opcode.toString(16)} is not known`);
    }
  }

  #bad(text: string): RaysidueError {
    return new RaysidueError("internal", `a pickle from Ray: byte ${this.#at}: ${text}`);
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (!(end <= this.#bytes.length)) throw this.#bad("it is cut off");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  #takeLine(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#bad("a line without end");
    return this.#take(end - this.#at + 1)
      .toString("utf8")
      .slice(0, -1);
  }

  #length8(): number {
    return Number(this.#take(8).readBigUInt64LE());
  }

  #pop(): unknown {
    const value = this.#stack.pop();
    if (value === undefined) throw this.#bad("its stack is empty");
    if (value === MARK) throw this.#bad("a mark where a value belongs");
    return value;
  }

  #popToMark(): unknown[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) throw this.#bad("no mark on its stack");
    return this.#stack.splice(mark).slice(1);
  }

  #push(value: unknown): true {
    this.#stack.push(value);
    return true;
  }

  #readNumber(opcode: number): boolean {
    switch (opcode) {
      case 0x80: // PROTO
        this.#take(1);
        return true;
      case 0x95: // FRAME
        this.#take(8);
        return true;
      case 0x4e: // NONE
        return this.#push(null);
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        return this.#push(opcode === 0x88);
      case 0x4b: // BININT1
        return this.#push(this.#take(1)[0]);
      case 0x4d: // BININT2
        return this.#push(this.#take(2).readUInt16LE());
      case 0x4a: // BININT
        return this.#push(this.#take(4).readInt32LE());
      case 0x8a: // LONG1
        return this.#push(long(this.#take(this.#take(1)[0]!)));
      case 0x8b: // LONG4
        return this.#push(long(this.#take(this.#take(4).readUInt32LE())));
      case 0x47: // BINFLOAT
        return this.#push(this.#take(8).readDoubleBE());
      default:
        return false;
    }
  }

  #readText(opcode: number): boolean {
    const text = (length: number) => this.#push(this.#take(length).toString("utf8"));
    const bytes = (length: number) => this.#push(this.#take(length));
    switch (opcode) {
      case 0x8c: // SHORT_BINUNICODE
        return text(this.#take(1)[0]!);
      case 0x58: // BINUNICODE
        return text(this.#take(4).readUInt32LE());
      case 0x8d: // BINUNICODE8
        return text(this.#length8());
      case 0x43: // SHORT_BINBYTES
        return bytes(this.#take(1)[0]!);
      case 0x42: // BINBYTES
        return bytes(this.#take(4).readUInt32LE());
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return bytes(this.#length8());
      default:
        return false;
    }
  }

  #readContainer(opcode: number): boolean {
    switch (opcode) {
      case 0x28: // MARK
        return this.#push(MARK);
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
      case 0x8f: // EMPTY_SET
        return this.#push([]);
      case 0x7d: // EMPTY_DICT
        return this.#push(new Map());
      case 0x74: // TUPLE
      case 0x91: // FROZENSET
        return this.#push(this.#popToMark());
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#push(Array.from({ length: opcode - 0x84 }, () => this.#pop()).reverse());
      case 0x61: // APPEND
        return this.#append([this.#pop()]);
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        return this.#append(this.#popToMark());
      case 0x73: // SETITEM
        return this.#setItems([this.#pop(), this.#pop()].reverse());
      case 0x75: // SETITEMS
        return this.#setItems(this.#popToMark());
      case 0x30: // POP
        this.#stack.pop();
        return true;
      case 0x32: // DUP
        return this.#push(this.#stack.at(-1));
      default:
        return false;
    }
  }

  #append(values: readonly unknown[]): true {
    const list = this.#stack.at(-1);
    if (!Array.isArray(list)) throw this.#bad("an item for something that is no list");
    for (const value of values) list.push(value);
    return true;
  }

  #setItems(values: readonly unknown[]): true {
    const map = this.#stack.at(-1);
    if (!(map instanceof Map)) {
      // Items given to the result of a call (an OrderedDict): not needed, but no error either.
      if (map instanceof PyCall) return true;
      throw this.#bad("an item for something that is no dict");
    }
    for (let i = 0; i + 1 < values.length; i += 2) map.set(values[i], values[i + 1]);
    return true;
  }

  #readMemo(opcode: number): boolean {
    const top = () => this.#stack.at(-1);
    switch (opcode) {
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, top());
        return true;
      case 0x71: // BINPUT
        this.#memo.set(this.#take(1)[0]!, top());
        return true;
      case 0x72: // LONG_BINPUT
        this.#memo.set(this.#take(4).readUInt32LE(), top());
        return true;
      case 0x68: // BINGET
        return this.#recall(this.#take(1)[0]!);
      case 0x6a: // LONG_BINGET
        return this.#recall(this.#take(4).readUInt32LE());
      default:
        return false;
    }
  }

  #recall(key: number): true {
    if (!this.#memo.has(key)) throw this.#bad(`nothing was remembered as ${key}`);
    return this.#push(this.#memo.get(key));
  }

  #readObject(opcode: number): boolean {
    switch (opcode) {
      case 0x63: // GLOBAL
        return this.#push(new PyGlobal(this.#takeLine(), this.#takeLine()));
      case 0x93: {
        // STACK_GLOBAL
        const [name, module] = [this.#pop(), this.#pop()];
        return this.#push(new PyGlobal(String(module), String(name)));
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [args, callable] = [this.#pop(), this.#pop()];
        return this.#push(new PyCall(callable, args));
      }
      case 0x92: {
        // NEWOBJ_EX
        const [, args, callable] = [this.#pop(), this.#pop(), this.#pop()];
        return this.#push(new PyCall(callable, args));
      }
      case 0x62: {
        // BUILD
        const state = this.#pop();
        const target = this.#stack.at(-1);
        if (target instanceof PyCall) target.state = state;
        return true;
      }
      case 0x51: // BINPERSID
        return this.#push(new PyPersistent(this.#pop()));
      default:
        return false;
    }
  }
}

/** Little-endian two's complement. */
function long(bytes: Buffer): number | bigint {
  if (bytes.length === 0) return 0;
  let value = BigInt(bytes.readInt8(bytes.length - 1));
  for (let i = bytes.length - 2; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
