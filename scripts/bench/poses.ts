/**
 * Poses for measurements: copies of a complex whose antibody is turned about the antigen.
 *
 *     node dist/scripts/bench/poses.js STRUCTURE.pdb[.gz] FOLDER --antigen A
 *         [--count 1000] [--seed 1] [--degrees 3] [--models 1] [--gzip]
 *
 * Owns: seeded rotations and how the copies are written. Invariant: pose i of a seed is the same
 * bytes whatever the count; every copy is a rigid body of each partner, and no two are equal. The
 * axis is any, through the antigen's centre of mass, and the angle at most `--degrees`: contacts
 * stay, as in docking poses, and each graph is another.
 */
import { createReadStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { Random } from "../../src/base/random.ts";
import { plainText } from "../../src/formats/text/text-source.ts";

export interface PoseSource {
  /** ATOM and HETATM records of one model. */
  readonly lines: readonly string[];
  readonly antigen: readonly string[];
}

/** The atoms of a PDB file's first model. */
export async function readPoseSource(
  path: string,
  antigen: readonly string[],
): Promise<PoseSource> {
  const pieces: Uint8Array[] = [];
  for await (const piece of plainText(() => createReadStream(path), path)) pieces.push(piece);
  const [model = ""] = Buffer.concat(pieces).toString("latin1").split("\nENDMDL");
  const lines = model.split("\n").filter((line) => /^(ATOM {2}|HETATM)/.test(line));
  if (!lines.some((line) => antigen.includes(line[21]!))) {
    throw new Error(`${path} has no chain ${antigen.join(", ")}`);
  }
  return { lines, antigen };
}

type Vector = readonly [x: number, y: number, z: number];

const placeOf = (line: string) =>
  [30, 38, 46].map((at) => Number(line.slice(at, at + 8))) as unknown as Vector;

/** Pose `number` of `seed` as PDB records. */
export function turnedPose(
  { lines, antigen }: PoseSource,
  options: { readonly seed: number; readonly number: number; readonly degrees: number },
): string[] {
  const random = new Random(options.seed * 1_000_003 + options.number);
  const places = lines.map(placeOf);
  const centre = centreOf(places.filter((_, i) => antigen.includes(lines[i]![21]!)));
  const turn = rotation(random, (options.degrees * Math.PI) / 180);
  return lines.map((line, i) => {
    if (antigen.includes(line[21]!)) return line;
    const from = places[i]!.map((value, axis) => value - centre[axis]!);
    const to = turn.map(
      (row, axis) => centre[axis]! + row.reduce((sum, value, k) => sum + value * from[k]!, 0),
    );
    return movedTo(line, to);
  });
}

/** The complex with its antibody `distance` angstrom nearer to the antigen's centre. */
export function pushedPose({ lines, antigen }: PoseSource, distance: number): string[] {
  const isAntigen = lines.map((line) => antigen.includes(line[21]!));
  const places = lines.map(placeOf);
  const [own, other] = [true, false].map((wanted) =>
    centreOf(places.filter((_, i) => isAntigen[i] === wanted)),
  );
  const way = own!.map((value, axis) => value - other![axis]!);
  const part = distance / Math.hypot(...way);
  return lines.map((line, i) => {
    if (isAntigen[i]) return line;
    return movedTo(
      line,
      places[i]!.map((value, axis) => value + part * way[axis]!),
    );
  });
}

function centreOf(places: readonly Vector[]): number[] {
  return [0, 1, 2].map((axis) => places.reduce((sum, p) => sum + p[axis]!, 0) / places.length);
}

function movedTo(line: string, to: readonly number[]): string {
  const fields = to.map((value) => value.toFixed(3).padStart(8));
  return line.slice(0, 30) + fields.join("") + line.slice(54);
}

/** Rodrigues' formula: any axis, an angle up to `angleMax`. */
function rotation(random: Random, angleMax: number): Vector[] {
  const z = 2 * random.next() - 1;
  const longitude = 2 * Math.PI * random.next();
  const radius = Math.sqrt(1 - z * z);
  const [a, b, c] = [radius * Math.cos(longitude), radius * Math.sin(longitude), z];
  const angle = angleMax * (0.1 + 0.9 * random.next());
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const rest = 1 - cos;
  return [
    [cos + a * a * rest, a * b * rest - c * sin, a * c * rest + b * sin],
    [b * a * rest + c * sin, cos + b * b * rest, b * c * rest - a * sin],
    [c * a * rest - b * sin, c * b * rest + a * sin, cos + c * c * rest],
  ];
}

export interface PoseFolder {
  readonly folder: string;
  readonly count: number;
  readonly seed: number;
  readonly degrees: number;
  /** Poses a file. */
  readonly models?: number;
  readonly isGzipped?: boolean;
}

/** Writes poses as files of a folder. */
export async function writePoses(source: PoseSource, options: PoseFolder): Promise<void> {
  const { folder, count, models = 1, isGzipped = false } = options;
  await mkdir(folder, { recursive: true });
  for (let first = 0; first < count; first += models) {
    const numbers = Array.from({ length: Math.min(models, count - first) }, (_, i) => first + i);
    const texts = numbers.map((number) => turnedPose(source, { ...options, number }).join("\n"));
    const text =
      models === 1
        ? `${texts[0]}\n`
        : texts.map((t, i) => `MODEL     ${String(i + 1).padStart(4)}\n${t}\nENDMDL\n`).join("");
    const name = `pose-${String(first).padStart(7, "0")}.pdb`;
    if (isGzipped) await writeFile(join(folder, `${name}.gz`), gzipSync(`${text}END\n`));
    else await writeFile(join(folder, name), `${text}END\n`);
  }
}

async function main(): Promise<void> {
  const { values: flags, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      antigen: { type: "string" },
      count: { type: "string", default: "1000" },
      seed: { type: "string", default: "1" },
      degrees: { type: "string", default: "3" },
      models: { type: "string", default: "1" },
      gzip: { type: "boolean", default: false },
    },
  });
  const [path, folder] = positionals;
  if (path === undefined || folder === undefined || flags.antigen === undefined) {
    throw new Error("usage: poses.js STRUCTURE FOLDER --antigen A [--count 1000] [--seed 1]");
  }
  const source = await readPoseSource(path, flags.antigen.split(","));
  await writePoses(source, {
    folder,
    count: Number(flags.count),
    seed: Number(flags.seed),
    degrees: Number(flags.degrees),
    models: Number(flags.models),
    isGzipped: flags.gzip,
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
