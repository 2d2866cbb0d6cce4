/** Walltimes as sbatch takes them, and the warning before their end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { walltimeSeconds, warningSeconds } from "./slurm-time.ts";

test("a walltime is read as sbatch reads it", () => {
  const cases: [string, number | undefined][] = [
    ["90", 5400],
    ["1:30", 90],
    ["4:00:00", 14_400],
    ["2-0", 172_800],
    ["1-6:30", 109_800],
    ["1-0:0:5", 86_405],
    ["UNLIMITED", undefined],
    ["soon", undefined],
  ];
  for (const [text, seconds] of cases) assert.equal(walltimeSeconds(text), seconds, text);
});

test("a short walltime has a short warning", () => {
  const cases: [string | undefined, number | undefined][] = [
    [undefined, undefined],
    ["infinite", undefined],
    ["1", 15],
    ["4", 60],
    ["4:00:00", 120],
    ["0:1", 1],
  ];
  for (const [text, seconds] of cases) assert.equal(warningSeconds(text), seconds, text);
});
