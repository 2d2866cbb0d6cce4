import assert from "node:assert/strict";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { ParsePool } from "./parse-pool.ts";
import type { ParsedPose, Parsing } from "./parse-poses.ts";
import { parseFile } from "./parse-thread.ts";

const FILES = 60;
/** Of some 200 each: most files go to threads. */
const BYTES_ALONE = 2000;
const NAMED: Parsing = {
  chains: { heavy: "H", antigen: ["A"] },
  cures: false,
  looks: true,
};

const pool = new ParsePool(BYTES_ALONE);
after(() => pool.close());

/** Two chains of glycines; every third file has several models, every fifth a fault. */
function fileText(number: number): string {
  const atom = (serial: number, chain: string, residue: number) =>
    `ATOM  ${String(serial).padStart(5)}  CA  GLY ${chain}${String(residue).padStart(4)}    ` +
    [number, residue, serial].map((value) => value.toFixed(3).padStart(8)).join("");
  const lines = [1, 2, 3].flatMap((n) => [atom(n, "H", n), atom(n + 3, "A", n)]);
  if (number % 5 === 0) lines[2] = lines[2]!.replace("GLY", "   ");
  const text = lines.join("\n");
  if (number % 3 !== 0) return `${text}\nEND\n`;
  return [1, 2].map((model) => `MODEL     ${model}\n${text}\nENDMDL\n`).join("");
}

const requestOf = (number: number, parsing: Parsing) => {
  const [text, isGzipped] = [fileText(number), number % 2 === 0];
  return {
    ...parsing,
    file: `${number}.pdb${isGzipped ? ".gz" : ""}`,
    bytes: new Uint8Array(isGzipped ? gzipSync(text) : Buffer.from(text)),
    position: number,
  };
};

/** A copy's bytes are no Buffer; all else is the same. */
const plain = (poses: readonly ParsedPose[]) =>
  poses.map((pose) => ("data" in pose ? { ...pose, data: [...pose.data] } : pose));

for (const [how, parsing] of [
  ["chains are named", NAMED],
  ["chains are to be found", { ...NAMED, chains: { align: "original" } }],
] as const) {
  test(`threads read what one would read, where ${how}`, async () => {
    const numbers = Array.from({ length: FILES }, (_, i) => i);
    const found = await Promise.all(numbers.map((n) => pool.parse(requestOf(n, parsing))));
    const kinds = new Set<string>();
    for (const [n, poses] of found.entries()) {
      const alone = await parseFile(requestOf(n, parsing));
      assert("poses" in alone);
      assert.deepEqual(plain(poses), plain(alone.poses), `file ${n}`);
      assert.equal(poses.length, n % 3 === 0 ? 2 : 1);
      for (const { kind } of poses) kinds.add(kind);
    }
    assert.deepEqual(kinds, new Set(["heavy" in parsing.chains ? "chosen" : "open", "faulty"]));
  });
}

test("a wrong choice of chains is told with its code, from a thread too", async () => {
  const parsing: Parsing = { ...NAMED, chains: { heavy: "H", antigen: ["H"] } };
  const refused = { code: "usage", message: /"H" is named for two parts/ };
  await assert.rejects(pool.parse(requestOf(1, parsing)), refused);
});
