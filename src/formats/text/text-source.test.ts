import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { RaysidueError } from "../../base/errors.ts";
import { FASTA_EXTENSIONS, openInputs, plainText } from "./text-source.ts";

const folder = await mkdtemp(join(tmpdir(), "raysidue-text-"));
after(() => rm(folder, { recursive: true }));

const TEXT = ">a\nMKV\n>b\nACDEF\n";

async function put(name: string, content: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, content);
  return path;
}

function inputs(paths: string[], recursive = false) {
  return openInputs(paths, { recursive, extensions: FASTA_EXTENSIONS, kind: "FASTA" });
}

async function textOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

async function namesOf(paths: string[], recursive = false): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of inputs(paths, recursive)) names.push(name);
  return names;
}

async function readAll(path: string): Promise<string> {
  let text = "";
  for await (const input of inputs([path])) text += await textOf(input.bytes);
  return text;
}

function badInput(message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof RaysidueError, String(error));
    assert.equal(error.code, "bad-input");
    assert.match(error.message, message);
    return true;
  };
}

test("plain and gzip are told apart by content, not by name", async () => {
  assert.equal(await readAll(await put("plain.fa", TEXT)), TEXT);
  assert.equal(await readAll(await put("plain.fa.gz", TEXT)), TEXT);
  assert.equal(await readAll(await put("packed.txt", gzipSync(TEXT))), TEXT);
  const members = Buffer.concat([gzipSync(TEXT), gzipSync(""), gzipSync(TEXT)]);
  assert.equal(await readAll(await put("members.gz", members)), TEXT + TEXT);
  assert.equal(await readAll(await put("bom.fa", `\ufeff${TEXT}`)), TEXT);
  assert.equal(await readAll(await put("short.fa", ">")), ">");
});

test("a large gzip comes whole, also in tiny pieces", async () => {
  const large = TEXT.repeat(100_000);
  assert.equal(await readAll(await put("large.gz", gzipSync(large))), large);
  const packed = gzipSync(TEXT);
  const drops = Readable.from(
    Array.from(packed, (byte) => Buffer.of(byte)),
    { objectMode: false },
  );
  assert.equal(await textOf(plainText(() => drops, "drops")), TEXT);
});

test("a gzip that is truncated anywhere, or damaged, is refused by name", async () => {
  const packed = gzipSync(TEXT);
  for (let size = 2; size < packed.length; size++) {
    const cut = Readable.from([packed.subarray(0, size)], { objectMode: false });
    const refused = badInput(/^cut\.fa\.gz is a truncated gzip file; .*fetch it again/);
    await assert.rejects(textOf(plainText(() => cut, "cut.fa.gz")), refused, `${size} bytes`);
  }
  const damaged = Buffer.from(packed);
  damaged[packed.length - 6]! ^= 0xff;
  const path = await put("damaged.gz", damaged);
  await assert.rejects(readAll(path), badInput(/damaged\.gz is a damaged gzip file/));
});

test("empty, binary and other compressed files are refused, with what to do", async () => {
  await assert.rejects(readAll(await put("empty.fa", "")), badInput(/empty\.fa is empty; /));
  await assert.rejects(readAll(await put("e.gz", gzipSync(""))), badInput(/e\.gz is empty; /));
  const nul = `${TEXT}\0${TEXT}`;
  await assert.rejects(readAll(await put("nul.fa", nul)), badInput(/NUL at byte 16/));
  const zip = Buffer.from("504b030414000000", "hex");
  await assert.rejects(readAll(await put("a.fa", zip)), badInput(/is zip, not text; unpack/));
  const twice = gzipSync(gzipSync(TEXT));
  await assert.rejects(readAll(await put("twice.gz", twice)), badInput(/gzip inside gzip/));
});

test("missing paths are known before the first input is given out", async () => {
  const good = await put("good.fa", TEXT);
  const missing = join(folder, "missing.fa");
  await assert.rejects(namesOf([good, missing]), badInput(/missing\.fa: no such file/));
});

test("a file whose name is not UTF-8 is said to have such a name", async () => {
  await mkdir(join(folder, "names"), { recursive: true });
  const path = Buffer.concat([
    Buffer.from(join(folder, "names", "caf")),
    Buffer.from("e92e6661", "hex"),
  ]);
  await writeFile(path, TEXT);
  const wanted = badInput(/caf\u{fffd}\.fa: its name is not UTF-8; rename the file$/u);
  await assert.rejects(namesOf([path.toString()]), wanted);
  await assert.rejects(readAll(join(folder, "names")), wanted);
});

test("folders: FASTA only, sorted, hidden ones left out, deeper on request", async () => {
  for (const name of ["b.fa", "A.FASTA.gz", "c.txt", ".hidden.fa", "sub/d.faa", "sub/e/f.seq"]) {
    await put(`tree/${name}`, TEXT);
  }
  const tree = join(folder, "tree");
  const under = (names: string[]) => names.map((name) => join(tree, name));
  assert.deepEqual(await namesOf([tree]), under(["A.FASTA.gz", "b.fa"]));
  // A link up, and two ways to one folder: each file is found once.
  await symlink(tree, join(tree, "sub", "loop"));
  await symlink(join(tree, "sub"), join(tree, "zlink"));
  await symlink(join(tree, "nowhere"), join(tree, "dangling"));
  const all = under(["A.FASTA.gz", "b.fa", "sub/d.faa", "sub/e/f.seq"]);
  assert.deepEqual(await namesOf([tree], true), all);
});

test("a link that leads nowhere is found, and says so when it is opened", async () => {
  await put("links/a.fa", TEXT);
  const lost = join(folder, "links", "b.fa");
  await symlink(join(folder, "nowhere"), lost);
  assert.deepEqual(await namesOf([join(folder, "links")]), [join(folder, "links", "a.fa"), lost]);
  await assert.rejects(readAll(join(folder, "links")), badInput(/links\/b\.fa: no such file/));
});

test("a folder without FASTA is an error", async () => {
  await put("none/readme.txt", TEXT);
  const refused = badInput(/none: directory without FASTA; looked for \.fa, .*--recursive/);
  await assert.rejects(namesOf([join(folder, "none")]), refused);
});

test("standard input may be named once", async () => {
  await assert.rejects(namesOf(["-", "-"]), /only once/);
  assert.deepEqual(await namesOf(["-"]), ["<stdin>"]);
});
