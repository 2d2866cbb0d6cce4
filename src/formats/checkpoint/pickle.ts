/**
 * A pickle read as data, never executed.
 *
 * Owns: the few opcodes that checkpoints use, on a stack with bounds. Invariant: nothing is ever
 * called or imported; a global is a name, and what REDUCE or a persistent id means is asked of the
 * caller, who knows a closed list. Deliberately not here: tensors, opcodes beyond protocol 2's.
 * Source: the opcode table of CPython's pickletools.
 */
import { RaysidueError } from "../../base/errors.ts";

/** A global by name, as in `torch._utils` `_rebuild_tensor_v2`. */
export class PickleGlobal {
  readonly module: string;
  readonly member: string;

  constructor(module: string, member: string) {
    this.module = module;
    this.member = member;
  }

  get path(): string {
    return `${this.module}.${this.member}`;
  }
}

/** Tuples and lists are arrays, dicts are Maps; what hooks return may be anything. */
export type PickleValue = unknown;

export interface PickleHooks {
  /** Says whether a global may be mentioned at all. */
  readonly allows: (global: PickleGlobal) => boolean;
  /** The value of `callable(*args)`. */
  readonly reduce: (callable: PickleGlobal, args: readonly PickleValue[]) => PickleValue;
  /** The value of a persistent id. */
  readonly persistent: (id: PickleValue) => PickleValue;
}

/** A checkpoint of 100,000 tensors has a pickle of about 20 MB. */
export const PICKLE_BYTES_MAX = 64 * 1024 * 1024;
const STACK_MAX = 4_000_000;
const MEMO_MAX = 16_000_000;
const MARK = Symbol("mark");

/**
 * Reads one pickle of protocol 2 to 4 with the opcodes that torch.save writes. `where` names the
 * source in errors. Throws RaysidueError "bad-input" naming the opcode or global it refuses.
 */
export function readPickle(bytes: Uint8Array, where: string, hooks: PickleHooks): PickleValue {
  if (bytes.byteLength > PICKLE_BYTES_MAX) {
    const text = `a pickle of ${bytes.byteLength} bytes, ${PICKLE_BYTES_MAX} is the most`;
    throw new RaysidueError("bad-input", `${where}: ${text}`);
  }
  return new PickleReader(bytes, where, hooks).run();
}

class PickleReader {
  readonly #bytes: Buffer;
  readonly #where: string;
  readonly #hooks: PickleHooks;
  readonly #stack: PickleValue[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #at = 0;

  constructor(bytes: Uint8Array, where: string, hooks: PickleHooks) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#where = where;
    this.#hooks = hooks;
  }

  run(): PickleValue {
    for (;;) {
      const opcode = this.#take(1)[0]!;
      if (opcode === 0x2e /* STOP */) {
        if (this.#stack.length !== 1) throw this.#bad("it ends with more or less than one value");
        return this.#pop();
      }
      if (!this.#readScalar(opcode) && !this.#readMemo(opcode) && !this.#readContainer(opcode)) {
        this.#readObject(opcode);
      }
      if (this.#stack.length > STACK_MAX) throw this.#bad("its stack grows without bound");
    }
  }

  #bad(text: string): RaysidueError {
    return new RaysidueError("bad-input", `${this.#where}: pickle byte ${this.#at}: ${text}`);
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw this.#bad("it is cut off");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  #takeLine(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0 || end - this.#at > 1024) throw this.#bad("a line without end");
    const line = this.#take(end - this.#at + 1);
    return line.toString("utf8", 0, line.length - 1);
  }

  #pop(): PickleValue {
    if (this.#stack.length === 0) throw this.#bad("its stack is empty");
    const value = this.#stack.pop();
    if (value === MARK) throw this.#bad("a mark where a value belongs");
    return value;
  }

  #popToMark(): PickleValue[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) throw this.#bad("no mark on its stack");
    const values = this.#stack.splice(mark);
    values.shift();
    return values;
  }

  #readScalar(opcode: number): boolean {
    const push = (value: PickleValue) => this.#stack.push(value);
    switch (opcode) {
      case 0x80: // PROTO
        if (this.#take(1)[0]! > 4) throw this.#bad("a protocol newer than 4");
        return true;
      case 0x95: // FRAME: a hint for buffering
        this.#take(8);
        return true;
      case 0x4e: // NONE
        push(null);
        return true;
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        push(opcode === 0x88);
        return true;
      case 0x4b: // BININT1
        push(this.#take(1)[0]);
        return true;
      case 0x4d: // BININT2
        push(this.#take(2).readUInt16LE());
        return true;
      case 0x4a: // BININT
        push(this.#take(4).readInt32LE());
        return true;
      case 0x8a: // LONG1
        push(this.#readLong(this.#take(this.#take(1)[0]!)));
        return true;
      case 0x47: // BINFLOAT
        push(this.#take(8).readDoubleBE());
        return true;
      case 0x58: // BINUNICODE
        push(this.#take(this.#take(4).readUInt32LE()).toString("utf8"));
        return true;
      case 0x8c: // SHORT_BINUNICODE
        push(this.#take(this.#take(1)[0]!).toString("utf8"));
        return true;
      default:
        return false;
    }
  }

  #readLong(bytes: Buffer): number {
    if (bytes.length === 0) return 0;
    if (bytes.length > 8) throw this.#bad("an integer of more than 64 bits");
    let value = BigInt(bytes.readInt8(bytes.length - 1));
    for (let index = bytes.length - 2; index >= 0; index--) {
      value = (value << 8n) | BigInt(bytes[index]!);
    }
    // Only sizes matter here; one beyond 2^53 fails the caller's checks as a lossy number.
    return Number(value);
  }

  #readMemo(opcode: number): boolean {
    switch (opcode) {
      case 0x71: // BINPUT
        this.#remember(this.#take(1)[0]!);
        return true;
      case 0x72: // LONG_BINPUT
        this.#remember(this.#take(4).readUInt32LE());
        return true;
      case 0x94: // MEMOIZE
        this.#remember(this.#memo.size);
        return true;
      case 0x68: // BINGET
        this.#recall(this.#take(1)[0]!);
        return true;
      case 0x6a: // LONG_BINGET
        this.#recall(this.#take(4).readUInt32LE());
        return true;
      default:
        return false;
    }
  }

  #remember(key: number): void {
    if (this.#memo.size >= MEMO_MAX) throw this.#bad("its memo grows without bound");
    const value = this.#pop();
    this.#memo.set(key, value);
    this.#stack.push(value);
  }

  #recall(key: number): void {
    if (!this.#memo.has(key)) throw this.#bad(`nothing was remembered as ${key}`);
    this.#stack.push(this.#memo.get(key));
  }

  #readContainer(opcode: number): boolean {
    const push = (value: PickleValue) => this.#stack.push(value);
    switch (opcode) {
      case 0x28: // MARK
        push(MARK);
        return true;
      case 0x29: // EMPTY_TUPLE
      case 0x5d: // EMPTY_LIST
        push([]);
        return true;
      case 0x7d: // EMPTY_DICT
        push(new Map());
        return true;
      case 0x74: // TUPLE
        push(this.#popToMark());
        return true;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        push(Array.from({ length: opcode - 0x84 }, () => this.#pop()).reverse());
        return true;
      case 0x61: // APPEND
        this.#append([this.#pop()]);
        return true;
      case 0x65: // APPENDS
        this.#append(this.#popToMark());
        return true;
      case 0x73: // SETITEM
        this.#setItems([this.#pop(), this.#pop()].reverse());
        return true;
      case 0x75: // SETITEMS
        this.#setItems(this.#popToMark());
        return true;
      default:
        return false;
    }
  }

  #append(values: PickleValue[]): void {
    const list = this.#stack.at(-1);
    if (!Array.isArray(list)) throw this.#bad("an item for something that is no list");
    for (const value of values) list.push(value);
  }

  #setItems(values: PickleValue[]): void {
    const map = this.#stack.at(-1);
    if (!(map instanceof Map)) throw this.#bad("an item for something that is no dict");
    if (values.length % 2 !== 0) throw this.#bad("a key without a value");
    for (let index = 0; index < values.length; index += 2) {
      const key = values[index];
      if (typeof key !== "string" && typeof key !== "number") {
        throw this.#bad("a dict key that is neither text nor a number");
      }
      map.set(key, values[index + 1]);
    }
  }

  #readObject(opcode: number): void {
    switch (opcode) {
      case 0x63: {
        // GLOBAL
        const global = new PickleGlobal(this.#takeLine(), this.#takeLine());
        if (!this.#hooks.allows(global)) {
          const name = JSON.stringify(global.path);
          throw this.#bad(`the global ${name} is refused; it is none a checkpoint needs`);
        }
        this.#stack.push(global);
        return;
      }
      case 0x52: {
        // REDUCE
        const args = this.#pop();
        const callable = this.#pop();
        if (!(callable instanceof PickleGlobal) || !Array.isArray(args)) {
          throw this.#bad("a call of something that is no allowed global");
        }
        this.#stack.push(this.#hooks.reduce(callable, args));
        return;
      }
      case 0x51: // BINPERSID
        this.#stack.push(this.#hooks.persistent(this.#pop()));
        return;
      case 0x62: // BUILD: attributes of an object; data has none that matter
        this.#pop();
        if (!(this.#stack.at(-1) instanceof Map)) throw this.#bad("state for what is no dict");
        return;
      default:
        throw this.#bad(
          `the opcode 0x${opcode.toString(16).padStart(2, "0")} is none a checkpoint needs`,
        );
    }
  }
}
