/** Content keys and their order. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { contentKey, itemDigest, KEY_BYTES, spaceDigest } from "./content-key.ts";
import { sortedKeyOrder } from "./key-order.ts";

const space = { kind: "embed", fingerprint: "f", parameters: '{"layer":8}' };

test("an item's digest is plain SHA-256 and the key can be rebuilt from it", () => {
  const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest();
  const item = Buffer.from("EVQLVESGGG");
  assert.deepEqual(Buffer.from(itemDigest(item)), sha256(item));
  const parts = ["raysidue.space.1", space.kind, space.fingerprint, space.parameters].flatMap(
    (field) => {
      const size = Buffer.alloc(4);
      size.writeUInt32LE(field.length);
      return [size, Buffer.from(field)];
    },
  );
  const own = sha256(
    Buffer.concat([Buffer.from("raysidue.key.1\0\0"), sha256(Buffer.concat(parts)), sha256(item)]),
  );
  assert.deepEqual(Buffer.from(contentKey(spaceDigest(space), itemDigest(item))), own);
});

test("whatever a result depends on changes its key, wherever fields touch", () => {
  const variants = [
    space,
    { ...space, kind: "embedf", fingerprint: "" },
    { ...space, fingerprint: 'f{"layer"', parameters: ":8}" },
    { ...space, parameters: '{"layer":7}' },
  ];
  const items = [Buffer.from("A"), Buffer.from("AA"), Buffer.alloc(0)];
  const keys = variants.flatMap((each) =>
    items.map((item) => contentKey(spaceDigest(each), itemDigest(item)).toString("hex")),
  );
  assert.equal(new Set(keys).size, variants.length * items.length);
});

test("keys sort bytewise and stably, with equal prefixes and equal keys", () => {
  const count = 5000;
  const keys = Buffer.alloc(count * KEY_BYTES);
  for (let i = 0; i < count; i++) {
    const key = itemDigest(Buffer.from(String(i % 4000)));
    // Every third key shares its first 20 bytes with the others of its kind.
    if (i % 3 === 0) key.fill(7, 0, 20);
    key.copy(keys, i * KEY_BYTES);
  }
  const key = (i: number) => keys.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES);
  const expected = Array.from({ length: count }, (_, i) => i).sort(
    (a, b) => Buffer.compare(key(a), key(b)) || a - b,
  );
  assert.deepEqual([...sortedKeyOrder(keys)], expected);
  assert.deepEqual([...sortedKeyOrder(Buffer.alloc(0))], []);
  assert.deepEqual([...sortedKeyOrder(keys.subarray(0, KEY_BYTES))], [0]);
});
