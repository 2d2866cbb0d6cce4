/**
 * Part `staging`: poses on a file system that takes 20 ms for every answer.
 *
 * The run's own reader with a file source that waits (slow-files.ts): a look, an opening and a
 * reading of each file, one after the other 60 ms. What is left of that beside parsing is not hidden.
 */

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Plan } from "../../src/driver/plan/plan.ts";
import { readPoses } from "../../src/driver/poses/read-poses.ts";
import { DISK, type FileSource } from "../../src/formats/text/file-source.ts";
import { spaceDigest } from "../../src/store/content-key.ts";
import { say } from "./context.ts";
import { median } from "./gemm.ts";
import { readPoseSource, writePoses } from "./poses.ts";
import type { Part } from "./report.ts";
import type { ScoreContext } from "./score-context.ts";
import { SlowFiles } from "./slow-files.ts";

const DELAY_MS = 20;
const ROUNDS = 3;

export async function benchStaging(context: ScoreContext): Promise<Part> {
  const { folder, structure, chains, poses, seed } = context;
  const source = await readPoseSource(structure, chains.antigen.split(","));
  const input = join(folder, "staging-poses");
  await writePoses(source, { folder: input, count: poses, seed: seed + 4, degrees: 3 });
  const read = async (files: FileSource) => {
    const work = join(folder, "staging-work");
    await mkdir(work);
    const space = spaceDigest({ kind: "score", fingerprint: "", parameters: "" });
    const startedAt = performance.now();
    using plan = new Plan(work, space);
    const { heavy, light, antigen } = chains;
    const counts = await readPoses(plan, {
      inputs: [input],
      isRecursive: false,
      chains: { heavy, antigen: antigen.split(","), ...(light !== "" && { light }) },
      check: "off",
      cures: false,
      namesPath: join(work, "names.tsv"),
      stores: [],
      space,
      files,
      signal: new AbortController().signal,
      onRead: () => {},
    });
    plan.deduplicate();
    const ms = performance.now() - startedAt;
    await rm(work, { recursive: true, force: true });
    if (counts.refused > 0 || counts.records !== poses) throw new Error("poses were refused");
    return ms;
  };
  await read(DISK);
  const [plain, slow]: [number[], number[]] = [[], []];
  let waitedMs = 0;
  for (let round = 0; round < ROUNDS; round++) {
    plain.push(await read(DISK));
    const files = new SlowFiles(DELAY_MS);
    slow.push(await read(files));
    waitedMs = files.waitedMs;
    say(`${plain.at(-1)!.toFixed(0)} ms from the disk, ${slow.at(-1)!.toFixed(0)} ms from afar`);
  }
  const extra = Math.max(0, median(slow) - median(plain));
  const hidden = 1 - extra / waitedMs;
  const seconds = (ms: number) => (ms / 1000).toFixed(2);
  return {
    title: `Reading poses from a file system that answers in ${DELAY_MS} ms`,
    notes: [
      `${poses} files, a look, an opening and a reading each; medians of ${ROUNDS}. The delays are timers around the machine's own files.`,
    ],
    columns: ["", "seconds"],
    rows: [
      ["from the disk, parsed", seconds(median(plain))],
      ["from afar, parsed", seconds(median(slow))],
      ["all delays, one after the other", seconds(waitedMs)],
    ],
    checks: [{ what: "delays hidden", value: 100 * hidden, unit: " %", target: 80 }],
    figures: { poses, plain, slow, waitedMs, hidden },
  };
}
