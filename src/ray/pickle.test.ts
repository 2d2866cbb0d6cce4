import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { readPickle } from "./pickle-reader.ts";
import { PyCall, PyFloat, PyGlobal, PyPersistent, PySource, PyTuple } from "./pickle-value.ts";
import { writePickle } from "./pickle-writer.ts";
import { errorOfPickle, errorOfResult } from "./ray-error.ts";

const python = process.env.RAYSIDUE_PYTHON || "python3";

/** Runs Python on bytes: `data` is what was given, what it writes to `out` comes back. */
function inPython(code: string, data: Buffer = Buffer.alloc(0)): Buffer {
  const program = `import pickle, sys; data = sys.stdin.buffer.read(); out = sys.stdout.buffer\n${code}`;
  return execFileSync(python, ["-c", program], { input: data, maxBuffer: 1 << 26 });
}

/** What Python's repr says of a value that was written here. */
const repr = (value: unknown) =>
  inPython("out.write(repr(pickle.loads(data)).encode())", writePickle(value)).toString();

/** What is read here of an expression that Python pickled. */
const read = (expression: string, protocol = 5) =>
  readPickle(inPython(`out.write(pickle.dumps(${expression}, ${protocol}))`));

test("Python reads what was written", () => {
  const value = [null, true, false, 0, -1, 2 ** 31, -(2 ** 40), 1.5, new PyFloat(1), "é\n"];
  assert.equal(
    repr([...value, Buffer.from("ab"), new PyTuple([1, []]), { a: 1 }, new Map([[2, "b"]])]),
    "[None, True, False, 0, -1, 2147483648, -1099511627776, 1.5, 1.0, 'é\\n', b'ab', (1, []), {'a': 1}, {2: 'b'}]",
  );
  assert.equal(repr(new PyCall(new PyGlobal("builtins", "max"), new PyTuple([3, 7]))), "7");
});

test("Python compiles source text that was written", () => {
  const source = "class A:\n    def f(self):\n        return g()\ndef g():\n    return __name__\n";
  const made = writePickle(new PySource(source, "__somewhere__", "A"));
  const text = inPython("out.write(pickle.loads(data)().f().encode())", made).toString();
  assert.equal(text, "__somewhere__");
});

test("what cannot be written exactly is refused", () => {
  for (const value of [2 ** 53, () => 1, Symbol("a"), new Date()]) {
    assert.throws(() => writePickle([value]));
  }
});

test("what Python writes is read, by every protocol", () => {
  const plain = `[None, True, 0, 255, 65535, -5, 2**40, 1.5, "é", b"ab", (1, 2), (1, 2, 3, 4), {"a": [1]}]`;
  for (const protocol of [2, 3, 4, 5]) {
    const [nothing, yes, ...rest] = read(plain, protocol) as unknown[];
    assert.deepEqual([nothing, yes], [null, true]);
    // Protocol 2 has no bytes: they come as a call.
    if (protocol === 2) continue;
    assert.deepEqual(rest.slice(0, 6), [0, 255, 65_535, -5, 2 ** 40, 1.5]);
    assert.deepEqual(rest[7], Buffer.from("ab"));
    assert.deepEqual(rest.slice(8), [[1, 2], [1, 2, 3, 4], new Map([["a", [1]]])]);
  }
  assert.equal(read("2**70"), 2n ** 70n);
  assert.equal((read("'x' * 100_000") as string).length, 100_000);
  assert.deepEqual(read("frozenset([1])"), [1]);
  assert.deepEqual(read("(lambda a: [a, a])([1])"), [[1], [1]]);
});

test("classes and calls are read as records and never run", () => {
  const value = read("__import__('collections').OrderedDict(a=1)") as PyCall;
  assert.deepEqual(value.callable, new PyGlobal("collections", "OrderedDict"));
  // os.system("exit 1") as a pickle: a record like any other.
  const hostile = Buffer.from("cos\nsystem\n(X\x06\x00\x00\x00exit 1tR.", "latin1");
  const call = readPickle(hostile) as PyCall;
  assert.equal((call.callable as PyGlobal).path, "os.system");
  assert.deepEqual(call.args, ["exit 1"]);
  assert.deepEqual(
    readPickle(Buffer.from("X\x01\x00\x00\x00aQ.", "latin1")),
    new PyPersistent("a"),
  );
});

test("bytes that are no pickle are refused, whatever they are", () => {
  const whole = inPython(`out.write(pickle.dumps({"a": [1, 2, {"b": "c" * 300}]}, 5))`);
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => readPickle(whole.subarray(0, length)), /a pickle from Ray: byte/);
  }
  for (let opcode = 0; opcode < 256; opcode++) {
    try {
      readPickle(
        Buffer.from([0x80, 5, opcode, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x2e]),
      );
    } catch (thrown) {
      assert.match((thrown as Error).message, /a pickle from Ray: byte/, `opcode ${opcode}`);
    }
  }
});

test("an exception of Ray's is an error with its last lines, another value is a result", () => {
  const task = new PyCall(new PyGlobal("ray.exceptions", "RayTaskError"), [
    "f",
    "\u001b[36mTraceback:\u001b[39m\n  File x\n\nValueError: no such thing",
  ]);
  assert.match(errorOfResult(task)!.message, /^Ray: RayTaskError: .*ValueError: no such thing$/);
  assert.equal(
    errorOfResult(new PyCall(new PyGlobal("collections", "OrderedDict"), [])),
    undefined,
  );
  assert.equal(errorOfResult("text"), undefined);
  const refused = inPython("out.write(pickle.dumps(ValueError('not so')))");
  assert.equal(errorOfPickle(refused, "put").message, "Ray Client: put: Ray: ValueError: not so");
  assert.match(
    errorOfPickle(Buffer.from("nonsense"), "put").message,
    /8 bytes that are no exception/,
  );
});
