/**
 * `raysidue analyze` as a real process, with an emulated model whose speed is known.
 *
 * Proves: it counts what a run would count; a sample teaches what items cost and a past run does as
 * well; fleets scale the time; nothing is left behind; what makes no sense is said.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Sandbox } from "../support/sandbox.ts";

const LETTERS = "ACDEFGHIKLMNPQRSTVWY";

/** So many sequences of 20 to 59 residues, a tenth of them twice. */
function fasta(count: number): string {
  const sequenceOf = (n: number) => {
    const digits = [n % 20, Math.floor(n / 20) % 20].map((digit) => LETTERS[digit]);
    return digits.join("").padEnd(20 + (n % 40), "A");
  };
  return Array.from({ length: count }, (_, i) => `>s${i}\n${sequenceOf(i % 10 ? i : 0)}\n`).join(
    "",
  );
}

interface Analysis {
  readonly inputs: { readonly records: number; readonly details: Record<string, number> };
  readonly distinct: number;
  readonly cached: number;
  readonly seconds?: { readonly oneNode: number; readonly fleet?: number };
  readonly stages: readonly {
    readonly kind: string;
    readonly items: number;
    readonly costs?: { readonly items: number; readonly from: string };
  }[];
  readonly nodes?: { readonly nodes: number };
}

test("counts, costs and times of sequences", async () => {
  await using sandbox = new Sandbox();
  const input = sandbox.write("a.fasta", fasta(400));
  const analyze = async (...flags: string[]) => {
    const args = ["analyze", input, "-m", "emulate", "--json", ...flags];
    const { stdout } = await sandbox.expect(0, args);
    return JSON.parse(stdout) as Analysis;
  };
  const sampled = await analyze("--devices", "8", "--sample", "32");
  assert.equal(sampled.inputs.records, 400);
  assert.equal(sampled.distinct, 361);
  assert.equal(sampled.cached, 0);
  assert.deepEqual([sampled.stages.length, sampled.stages[0]!.items], [1, 361]);
  // A first few bring the engines up.
  assert.equal(sampled.stages[0]!.costs!.items, 4 + 32);
  assert.ok(sampled.seconds!.oneNode > 0 && sampled.seconds!.fleet! > 0);
  assert.ok(sampled.nodes!.nodes >= 1);
  const remembered = await analyze();
  assert.match(remembered.stages[0]!.costs!.from, /^learned here on \d{4}/);
  assert.deepEqual(remembered.stages[0]!.costs!.items, 4 + 32);

  await sandbox.expect(0, ["embed", input, "-m", "emulate", "-o", "out"]);
  const known = await analyze();
  assert.deepEqual([known.distinct, known.cached], [361, 361]);
  assert.equal(known.seconds, undefined);
  const recalled = await analyze("--from", "out", "--no-cache");
  assert.equal(recalled.stages[0]!.costs!.items, 361);

  const fleet = sandbox.write("fleet.toml", 'name = "f"\n[[devices]]\ncount = 4\njoins = "50%"\n');
  const share = await sandbox.expect(64, ["analyze", input, "-m", "emulate", "--fleet", fleet]);
  assert.match(share.stderr, /joins = "50%".*write seconds/);
  const poses = await sandbox.expect(64, ["analyze", input, "--antigen", "A"]);
  assert.match(poses.stderr, /--heavy and --antigen, or let --auto/);
  const both = await sandbox.expect(64, ["analyze", input, "--auto", "--annotate"]);
  assert.match(both.stderr, /--annotate is for sequences/);
  const none = await sandbox.expect(65, ["analyze", input, "-m", "emulate", "--from", "nothing"]);
  assert.match(none.stderr, /nothing.*run\.json.*finished run/);
});
