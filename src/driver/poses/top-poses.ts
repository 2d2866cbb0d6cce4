/**
 * The best poses of a run, copied into a folder of the output.
 *
 * Owns: what each is called there, and where its text comes from: a file of its own is copied byte
 * for byte, a model of several is cut out of its file (atoms only, where that is mmCIF), and what
 * cannot be had that way any more (standard input, files that were changed meanwhile) is written as
 * mmCIF from what was scored: the chosen chains. Invariant: a pose's name never becomes a path;
 * poses.tsv says which file is which pose, and of which there is none.
 */
import { copyFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomically } from "../../base/files.ts";
import { commitTemporary } from "../../formats/atomic-file.ts";
import { readMmcif } from "../../formats/structure/mmcif.ts";
import { mmcifText } from "../../formats/structure/mmcif-writer.ts";
import { PDB_LINE_BYTES_MAX } from "../../formats/structure/pdb.ts";
import { readTsv, TsvWriter } from "../../formats/table/tsv.ts";
import { readTextLines } from "../../formats/text/text-lines.ts";
import { openInputs } from "../../formats/text/text-source.ts";
import { decodePose } from "../../kind/pose-item.ts";
import type { Plan } from "../plan/plan.ts";
import { NAME_COLUMNS } from "../plan/read-sequences.ts";
import { isMmcif } from "./parse-poses.ts";
import { formatScore } from "./score-row.ts";

export const TOP_COLUMNS = ["rank", "score", "pose", "copy", "how", "file", "line"] as const;

export interface RankedPose {
  readonly rank: number;
  readonly pose: string;
  readonly score: number;
  /** Number of its distinct item in the plan. */
  readonly item: number;
  readonly file: string;
  /** Of its first record in the file. */
  readonly line: number;
}

export interface TopSources {
  readonly plan: Plan;
  readonly namesPath: string;
  /** When reading began, Unix milliseconds: a file that is younger is not what was scored. */
  readonly readAtMs: number;
}

/** "changed": the file is not what was scored, and nothing else has the pose. */
type How = "copied" | "cut out" | "chosen chains" | "changed";

interface Copy {
  /** Name in the folder; "" for none. */
  readonly copy: string;
  readonly how: How;
}

/** Characters of a pose's name that a file's name may have; the rank makes it unique. */
const NAME_CHARS_MAX = 80;
const UNSAFE = /[^A-Za-z0-9._-]+/g;
const COPIED_EXTENSION = /\.(pdb|ent|cif|mmcif)(\.gz)?$/i;

/** Copies `best` into `folder`, which is there and empty. Throws RaysidueError. */
export async function copyTopPoses(
  best: readonly RankedPose[],
  folder: string,
  sources: TopSources,
): Promise<void> {
  const copies = new Map<RankedPose, Copy>();
  const width = String(best.at(-1)?.rank ?? 1).length;
  const nameOf = ({ rank, pose }: RankedPose, extension: string) => {
    const bare = pose.replace(UNSAFE, "_").slice(0, NAME_CHARS_MAX);
    return `${String(rank).padStart(width, "0")}_${bare}${extension}`;
  };
  const counts = await countPoses(best, sources.namesPath);
  for (const [file, poses] of posesByFile(best)) {
    if (!(await isAsRead(file, sources.readAtMs))) continue;
    if (counts.get(file) === 1 && COPIED_EXTENSION.test(file)) {
      const extension = COPIED_EXTENSION.exec(file)![0].toLowerCase();
      const copy = nameOf(poses[0]!, extension);
      await copyFile(file, join(folder, copy));
      await commitTemporary(join(folder, copy), join(folder, copy));
      copies.set(poses[0]!, { copy, how: "copied" });
    } else {
      const byLine = new Map(poses.map((pose) => [pose.line, pose]));
      const isCif = isMmcif(file);
      for await (const { line, text } of isCif ? cutCif(file, byLine) : cutLines(file, byLine)) {
        const pose = byLine.get(line)!;
        const copy = nameOf(pose, isCif ? ".cif" : ".pdb");
        await writeFileAtomically(join(folder, copy), Buffer.from(text, "latin1"));
        copies.set(pose, { copy, how: "cut out" });
      }
    }
  }
  for (const pose of best) {
    if (copies.has(pose)) continue;
    const data = sources.plan.dataOf(pose.item);
    if (data.length === 0) {
      copies.set(pose, { copy: "", how: "changed" });
      continue;
    }
    const copy = nameOf(pose, ".cif");
    const text = mmcifText(decodePose(data).structure);
    await writeFileAtomically(join(folder, copy), Buffer.from(text, "latin1"));
    copies.set(pose, { copy, how: "chosen chains" });
  }
  const table = await TsvWriter.create(join(folder, "poses.tsv"), TOP_COLUMNS);
  await table.write(
    best.map((one) => {
      const { rank, score, pose, file, line } = one;
      const { copy, how } = copies.get(one)!;
      return [rank, formatScore(score), pose, copy, how, file, line];
    }),
  );
  await table.close();
}

function posesByFile(best: readonly RankedPose[]): ReadonlyMap<string, readonly RankedPose[]> {
  const byFile = new Map<string, RankedPose[]>();
  for (const pose of best) {
    const there = byFile.get(pose.file);
    if (there === undefined) byFile.set(pose.file, [pose]);
    else there.push(pose);
  }
  return byFile;
}

/** How many poses each file of `best` has. */
async function countPoses(
  best: readonly RankedPose[],
  namesPath: string,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map(best.map(({ file }) => [file, 0]));
  for await (const rows of readTsv(namesPath, NAME_COLUMNS)) {
    for (const [, file = ""] of rows) {
      const count = counts.get(file);
      if (count !== undefined) counts.set(file, count + 1);
    }
  }
  return counts;
}

/** Whether a file is there and has not been written since; standard input is not. */
async function isAsRead(file: string, readAtMs: number): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  return found?.isFile() === true && found.mtimeMs < readAtMs;
}

interface CutPose {
  readonly line: number;
  readonly text: string;
}

const OPENING = { recursive: false, extensions: [], kind: "structures" } as const;

/** The models that begin at the given lines of an mmCIF file, as files of one. */
async function* cutCif(
  file: string,
  starts: ReadonlyMap<number, unknown>,
): AsyncGenerator<CutPose> {
  let left = starts.size;
  for await (const { bytes } of openInputs([file], OPENING)) {
    for await (const record of readMmcif(bytes, file)) {
      if (record.kind !== "structure" || !starts.has(record.structure.line)) continue;
      yield { line: record.structure.line, text: mmcifText(record.structure) };
      if (--left === 0) return;
    }
  }
}

/** The models that begin at the given lines of a PDB text or quiver archive, as files of one. */
async function* cutLines(
  file: string,
  starts: ReadonlyMap<number, unknown>,
): AsyncGenerator<CutPose> {
  const left = new Set(starts.keys());
  for await (const { bytes } of openInputs([file], OPENING)) {
    let line = 0;
    let start = 0;
    let kept: string[] = [];
    const finish = () => {
      const found = { line: start, text: `${kept.join("\n")}\nEND\n` };
      left.delete(start);
      kept = [];
      start = 0;
      return found;
    };
    const reading = { source: file, bytesMax: PDB_LINE_BYTES_MAX };
    for await (const lines of readTextLines(bytes, reading)) {
      for (const text of lines) {
        line++;
        if (start !== 0 && /^(ENDMDL|END\s*$|MODEL\s|QV_TAG)/.test(text)) yield finish();
        if (left.has(line)) start = line;
        if (start !== 0 && !/^(MODEL\s|QV_)/.test(text)) kept.push(text);
      }
      if (left.size === 0) return;
    }
    if (start !== 0) yield finish();
  }
}
