import assert from "node:assert/strict";
import { test } from "node:test";
import { readQuiver } from "./quiver.ts";
import { parseQuiverIndex } from "./quiver-index.ts";

const ATOM = "ATOM      1  CA  ALA A   1       0.000   0.000   0.000  1.00  0.00           C";
const archive = (...tags: string[]) => tags.map((tag) => `QV_TAG ${tag}\n${ATOM}\n`).join("");

/** Names read, `!` before what is a fault, and what was said of the index. */
async function read(text: string, indexed: string) {
  async function* bytes() {
    yield Buffer.from(text);
  }
  const index = parseQuiverIndex(Buffer.from(indexed), "d.qv.idx");
  const names: string[] = [];
  const messages: string[] = [];
  for await (const record of readQuiver(bytes(), "d.qv", {
    index,
    onStale: (said) => messages.push(said),
  })) {
    if (record.kind === "structure") names.push(record.structure.name);
    else {
      names.push(`!${record.fault.name}`);
      messages.push(record.fault.error.message);
    }
  }
  return { names, messages };
}

test("an index that fits says nothing; entries that only it has are missing", async () => {
  const index = "a\t0\nb c\t90\nd\t180\n";
  assert.deepEqual(await read(archive("a", "b c", "d"), index), {
    names: ["a", "b c", "d"],
    messages: [],
  });
  const { names, messages } = await read(archive("a"), index);
  assert.deepEqual(names, ["a", "!b c", "!d"]);
  assert.match(messages[0]!, /^d\.qv:2: the archive ends before entry "b c" of its index/);
});

test("an index of another archive is stale, and is left aside", async () => {
  for (const [text, wanted] of [
    [archive("a", "x"), /entry 2 of the archive is "x", of the index "b"/],
    [archive("a", "b", "c"), /entry 3 of the archive is "c", of the index no more/],
  ] as const) {
    const { names, messages } = await read(text, "a\t0\nb\t90\n");
    assert.ok(names.every((name) => !name.startsWith("!")));
    assert.equal(messages.length, 1);
    assert.match(messages[0]!, wanted);
    assert.match(messages[0]!, /^d\.qv\.idx is stale/);
  }
});

test("what is no index is refused with its line", () => {
  for (const text of ["a\t0\nb 90\n", "a\t0\nb\t0\n", "a\t5\nb\t-1\n", "\n"]) {
    assert.throws(() => parseQuiverIndex(Buffer.from(text), "i"), {
      code: "bad-input",
      message: /^i:[12]: /,
    });
  }
});

test("an entry without a tag is a fault of its own: what follows is read", async () => {
  async function* bytes() {
    yield Buffer.from(archive("a", " ", "b"));
  }
  const said: string[] = [];
  for await (const record of readQuiver(bytes(), "d.qv")) {
    if (record.kind === "structure") said.push(record.structure.name);
    else said.push(`${record.fault.name}: ${record.fault.error.message}`);
  }
  assert.deepEqual(said, ["a", "d_entry_2: d.qv:3: QV_TAG without a tag", "b"]);
});

test("a line that is too long ends the archive, and what came before it is read", async () => {
  async function* bytes() {
    // All in one piece, as files come that are fetched ahead.
    yield Buffer.from(archive("a", "b", "x".repeat(20_000), "c"));
  }
  const names: string[] = [];
  const reading = async () => {
    for await (const record of readQuiver(bytes(), "d.qv")) {
      if (record.kind === "structure") names.push(record.structure.name);
    }
  };
  await assert.rejects(reading, { message: /^d\.qv:5: a line of more than 16384 bytes/ });
  assert.deepEqual(names, ["a"]);
});
