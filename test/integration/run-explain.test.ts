/**
 * `run explain`: of a finished run from its folder alone, of an open one from its scheduler.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { Sandbox } from "../support/sandbox.ts";

describe("run explain", () => {
  let sandbox: Sandbox;
  before(async () => {
    sandbox = new Sandbox();
    const [first, ...others] = randomSequences(40, { from: 5, to: 60, seed: 12 });
    sandbox.write("a.fasta", fastaOf([first!]));
    sandbox.write("b.fasta", `${fastaOf([first!, ...others])}>bad\nMKU1\n`);
    await sandbox.expect(0, ["embed", "a.fasta", "-o", "out-a", "-m", "emulate"]);
    const skip = ["--on-invalid", "skip"];
    await sandbox.expect(2, ["embed", "b.fasta", "-o", "out-b", "-m", "emulate", ...skip]);
  });
  after(() => sandbox[Symbol.asyncDispose]());

  const explain = async (...args: string[]) => {
    const { stdout } = await sandbox.expect(0, ["run", "explain", ...args]);
    return stdout;
  };

  test("says where, when and why a record was computed", async () => {
    const story = await explain("out-b", "s7");
    assert.match(story, /^s7 is row 7: ok, \d+ residues, SHA-256 [0-9a-f]{64}\./);
    assert.match(story, /Lease \d+ on \S+, with \d+ tasks .* from [\d.]+ s to .*its results count/);
  });

  test("says where nothing was computed for a record, and why one has no row", async () => {
    assert.match(await explain("out-b", "s0"), /an earlier run or the cache had the result/);
    assert.match(await explain("out-b", "bad"), /^bad has no row: skipped.*\nNote: .*letter/);
  });

  test("says what every device did", async () => {
    const story = await explain("out-b");
    assert.match(story, /worked off \d+ leases, \d+ tasks/);
    const device = /^(\S+) worked off/m.exec(story)?.[1];
    assert.match(await explain("out-b", device!), /^\S+ worked off/);
  });

  test("refuses unknown names and folders that hold no run", async () => {
    const unknown = await sandbox.expect(65, ["run", "explain", "out-b", "nobody"]);
    assert.match(unknown.stderr, /no record or device "nobody"; devices: \S+/);
    const empty = await sandbox.expect(65, ["run", "explain", "nowhere"]);
    assert.match(empty.stderr, /nowhere holds no finished run; .*--address/);
  });
});
