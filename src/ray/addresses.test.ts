import assert from "node:assert/strict";
import { test } from "node:test";
import { parseClusterAddress } from "./cluster-address.ts";
import { RequestLog } from "./request-log.ts";

test("addresses of clusters have a scheme, a host and a port that may be left out", () => {
  const parsed = (text: string) => parseClusterAddress(text);
  assert.deepEqual(parsed("bridge://head"), { scheme: "bridge", host: "head", port: 7471 });
  assert.deepEqual(parsed("ray://10.0.0.1:10002/"), {
    scheme: "ray",
    host: "10.0.0.1",
    port: 10_002,
  });
  assert.deepEqual(parsed("http://[::1]"), { scheme: "http", host: "[::1]", port: 8265 });
  for (const other of ["grpc://head:1", "head:1", "", "constructor://a"]) {
    assert.equal(parsed(other), undefined);
  }
  for (const bad of [
    "ray://",
    "ray://a b",
    "bridge://head:0",
    "bridge://head:70000",
    "ray://h:1/x",
  ]) {
    assert.throws(() => parsed(bad), { code: "usage" });
  }
});

test("replies in chunks are joined, replayed ones dropped, acknowledged without a gap", async () => {
  const log = new RequestLog();
  const first = log.add(() => []);
  const get = (reqId: number, chunkId: number, text: string) => ({
    reqId,
    get: { valid: true, data: Buffer.from(text), error: Buffer.alloc(0), chunkId, totalChunks: 2 },
  });
  log.take(get(1, 0, "ab"));
  log.take(get(1, 0, "ab"));
  assert.equal(log.isEmpty, false);
  log.take(get(1, 1, "cd"));
  assert.equal((await first.reply.promise).get?.data.toString(), "abcd");
  const second = log.add(() => []);
  for (let i = 0; i < 40; i++) log.add(() => []);
  const acknowledged = [...Array(40)].map((_, i) =>
    log.take({ reqId: i + 3, init: { ok: true, msg: "" } }),
  );
  // Number 2 has no reply yet: nothing after 1 may be forgotten.
  assert.deepEqual(
    acknowledged.filter((each) => each !== undefined),
    [1],
  );
  assert.equal(log.take({ reqId: 2, init: { ok: true, msg: "" } }), 42);
  await second.reply.promise;
  assert.equal(log.isEmpty, true);
});
