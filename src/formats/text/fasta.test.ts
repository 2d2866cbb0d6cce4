import assert from "node:assert/strict";
import { test } from "node:test";
import { RaysidueError } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import { type FastaRecord, HEADER_BYTES_MAX, RESIDUES_MAX, readFasta } from "./fasta.ts";

type Plain = { id: string; description: string; residues: string; line: number };

async function* pieces(bytes: Uint8Array, sizes: () => number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const size = sizes();
    // A buffer of its own that is scribbled over afterwards: what the reader keeps, it must copy.
    const piece = new Uint8Array(bytes.subarray(at, at + size));
    yield piece;
    piece.fill(0x23);
    at += size;
  }
}

async function read(text: string | Uint8Array, sizes = () => 1 << 16): Promise<Plain[]> {
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  const records: FastaRecord[] = [];
  for await (const batch of readFasta(pieces(bytes, sizes), "in.fa")) records.push(...batch);
  return records.map(({ id, description, residues, line }) => ({
    id,
    description,
    residues: Buffer.from(residues).toString("latin1"),
    line,
  }));
}

function rejects(text: string | Uint8Array, message: RegExp): Promise<void> {
  return assert.rejects(read(text), (error: unknown) => {
    assert.ok(error instanceof RaysidueError);
    assert.equal(error.code, "bad-input");
    assert.match(error.message, message);
    assert.ok(!error.message.includes("\n"));
    return true;
  });
}

test("wrapped lines, white space, blank lines, comments and no final newline", async () => {
  const text =
    "; a comment\n\n>a first one\nMK V\tL\n\nAA\n;note\n*\n>b\n  acd-x.\n>c\n>d last\nQQ";
  assert.deepEqual(await read(text), [
    { id: "a", description: "first one", residues: "MKVLAA*", line: 3 },
    { id: "b", description: "", residues: "acd-x.", line: 9 },
    { id: "c", description: "", residues: "", line: 11 },
    { id: "d", description: "last", residues: "QQ", line: 12 },
  ]);
});

test("position numbers stay, for the caller to refuse", async () => {
  assert.equal((await read(">a\n1 MKV 3\n"))[0]!.residues, "1MKV3");
});

test("ids: empty, unusual, invalid UTF-8, leading blanks, NCBI's joined headers", async () => {
  const ids = async (header: string | Uint8Array) => (await read(header))[0]!;
  assert.equal((await ids(">\nM\n")).id, "");
  assert.equal((await ids(">   \nM\n")).id, "");
  assert.equal((await ids("> x y\nM\n")).id, "x");
  assert.equal((await ids(">sp|P1|X/../%2F'\"\\,#\nM\n")).id, "sp|P1|X/../%2F'\"\\,#");
  assert.equal((await ids(">Ünï→κ desc é\nM\n")).id, "Ünï→κ");
  assert.equal((await ids(Buffer.from([62, 97, 0xff, 98, 10, 77]))).id, "a\ufffdb");
  const joined = await ids(">WP_1 one [E. coli]\u0001WP_2 two\nM\n");
  assert.deepEqual([joined.id, joined.description], ["WP_1", "one [E. coli] WP_2 two"]);
});

test("errors say where", async () => {
  await rejects("\n\nMKV\n>a\nM\n", /^in\.fa:3: text before the first record/);
  await rejects(">a\nM\n>b\u001b[31m x\nM\n", /^in\.fa:3: control character U\+001B in the id/);
  await rejects(">a\u009b1\nM\n", /^in\.fa:1: control character U\+009B/);
  await rejects("\n \n;c\n", /no FASTA record/);
  await rejects("", /no FASTA record/);
  await rejects(`>a\nM\n>${"x".repeat(HEADER_BYTES_MAX + 1)}`, /^in\.fa:3: a header line of more/);
});

test("a record without end is refused at its limit", async () => {
  const letters = new Uint8Array(1 << 20).fill(65);
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("\n>a\n");
    for (;;) yield letters;
  }
  await assert.rejects(
    async () => {
      for await (const _ of readFasta(endless(), "in.fa")) assert.fail("nothing is complete");
    },
    new RegExp(`^RaysidueError: in\\.fa:2: a record of more than ${RESIDUES_MAX} residues`),
  );
});

test("cut at every byte, with every line end, the records are the same", async () => {
  const lines = [
    ";c",
    ">é1 first Ü",
    "MKVL",
    "",
    "a b*",
    ">",
    ">x",
    "QQ-",
    ";no",
    "W1",
    "",
    ">y z",
  ];
  const expected = [
    { id: "é1", description: "first Ü", residues: "MKVLab*", line: 2 },
    { id: "", description: "", residues: "", line: 6 },
    { id: "x", description: "", residues: "QQ-W1", line: 7 },
    { id: "y", description: "z", residues: "", line: 12 },
  ];
  for (const end of ["\n", "\r\n", "\r"]) {
    for (const last of ["", end]) {
      const bytes = Buffer.from(lines.join(end) + last);
      for (let size = 1; size <= bytes.length; size++) {
        assert.deepEqual(await read(bytes, () => size), expected, `${JSON.stringify(end)} ${size}`);
      }
    }
  }
});

/** The same rules, written the slow and obvious way. */
function readSlowly(text: string): Plain[] {
  const records: Plain[] = [];
  for (const [index, line] of text.split(/\r\n|\r|\n/).entries()) {
    const record = records.at(-1);
    if (line.startsWith(">")) {
      const [id = "", ...rest] = line.slice(1).trim().split(" ");
      records.push({ id, description: rest.join(" ").trim(), residues: "", line: index + 1 });
    } else if (!line.startsWith(";") && record !== undefined) {
      record.residues += line.replace(/[ \t]/g, "");
    }
  }
  return records;
}

test("random files in random pieces agree with the obvious reader", async () => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = new Random(seed);
    const pick = <T>(from: readonly T[]): T => from[random.below(from.length)]!;
    let text = `>first${pick(["\n", "\r\n", "\r"])}`;
    const pieceCount = 20 + random.below(400);
    for (let i = 0; i < pieceCount; i++) {
      text += pick([
        "\n",
        "\r\n",
        "\r",
        "M",
        "ACDE",
        " ",
        "\t",
        "\n>id",
        "\n;",
        "x>y",
        "*",
        ";",
        ">",
      ]);
    }
    // A tab in a header also ends the id; the obvious reader knows blanks only.
    text = text.replace(/>[^\r\n]*/g, (header) => header.replaceAll("\t", " "));
    const got = await read(text, () => 1 + random.below(40));
    assert.deepEqual(got, readSlowly(text), `seed ${seed}`);
  }
});

test("batches are bounded, a long record among short ones stays whole", async () => {
  const long = "A".repeat(700_000);
  const text = `${">s\nMK\n".repeat(2_500)}>long\n${long}\n${">t\nMV\n".repeat(10)}`;
  const sizes: number[] = [];
  let found = 0;
  for await (const batch of readFasta(
    pieces(Buffer.from(text), () => 1 << 16),
    "in.fa",
  )) {
    sizes.push(batch.length);
    for (const { id, residues } of batch) {
      const expected = id === "long" ? long : id === "s" ? "MK" : "MV";
      assert.equal(Buffer.from(residues).toString(), expected);
      found++;
    }
  }
  assert.equal(found, 2_511);
  assert.ok(Math.max(...sizes) < 12_000, `batches of ${sizes}`);
  assert.ok(Math.min(...sizes) > 0);
});

test("a million records pass through bounded memory", async () => {
  const block = Buffer.from(
    Array.from({ length: 1_000 }, (_, i) => `>seq${i} d\nMKVLAAGGTTWWYYHH\nACDEFGHIKL\n`).join(""),
  );
  async function* million(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 1_000; i++) yield block;
  }
  let count = 0;
  let residues = 0;
  let peakBytes = 0;
  const before = process.memoryUsage();
  for await (const batch of readFasta(million(), "in.fa")) {
    count += batch.length;
    for (const record of batch) residues += record.residues.length;
    if (count % 100_000 < batch.length) {
      const now = process.memoryUsage();
      const used = now.heapUsed + now.arrayBuffers - before.heapUsed - before.arrayBuffers;
      peakBytes = Math.max(peakBytes, used);
    }
  }
  assert.equal(count, 1_000_000);
  assert.equal(residues, 26_000_000);
  // The records themselves would be over 200 MB; what is allowed is uncollected garbage.
  assert.ok(peakBytes < 100e6, `${(peakBytes / 1e6).toFixed(0)} MB`);
});
