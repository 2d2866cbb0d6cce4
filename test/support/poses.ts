/**
 * Poses for tests: the structures of test/data/deeprank as text, moved about, and numberings for
 * them.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Truth } from "../../src/science/truth.fixture.ts";
import { REPOSITORY } from "./sandbox.ts";

const FOLDER = join(REPOSITORY, "test", "data", "deeprank");

export const poseFile = (name: string) => join(FOLDER, name);
const unpack = (name: string) => gunzipSync(readFileSync(poseFile(name))).toString();

export const truthOf = (name: string) => JSON.parse(unpack(`${name}.json.gz`)) as Truth;

/** The atoms of a pose, one PDB record a line. */
export function atomLines(name: string): string[] {
  return unpack(`${name}.pdb.gz`)
    .split("\n")
    .filter((line) => /^(ATOM {2}|HETATM)/.test(line));
}

/** A table for `--regions` with the labels that the original gave the sequences of `names`. */
export function regionTable(names: readonly string[]): string {
  const rows = new Map<string, string>();
  for (const name of names) {
    const { cdr, sequences } = truthOf(name);
    const all = cdr.map(([, , region]) => (/\d/.test(region) ? region[1] : "F")).join("");
    const { H, L } = sequences;
    rows.set(H, all.slice(0, H.length));
    if (L !== "") rows.set(L, all.slice(H.length, H.length + L.length));
  }
  const lines = [...rows].map(([sequence, regions]) => `${sequence}\t${regions}\n`);
  return `sequence\tregions\n${lines.join("")}`;
}

/** A table for `--scalars` with the numbers that the original was given for `names`. */
export function scalarTable(names: readonly string[]): string {
  const rows = new Map<string, readonly number[]>();
  for (const name of names) {
    const { sequences, fake_scalars: scalars } = truthOf(name);
    rows.set(sequences.antibody_esm, scalars.A);
    rows.set(sequences.antigen_esm, scalars.B);
  }
  const lines = [...rows].map(([sequence, numbers]) => `${sequence}\t${numbers.join(",")}\n`);
  return `sequence\tscalars\n${lines.join("")}`;
}

type Point = readonly [x: number, y: number, z: number];

/** A record at another place. */
export function moved(line: string, move: (point: Point, chain: string) => Point): string {
  const point = [30, 38, 46].map((at) => Number(line.slice(at, at + 8))) as unknown as Point;
  const fields = move(point, line[21]!).map((value) => value.toFixed(3).padStart(8));
  return line.slice(0, 30) + fields.join("") + line.slice(54);
}

/** A file of several models. */
export function modelsText(models: readonly (readonly string[])[]): string {
  const texts = models.map((lines, i) => {
    const number = String(i + 1).padStart(4);
    return `MODEL     ${number}\n${lines.join("\n")}\nENDMDL\n`;
  });
  return `${texts.join("")}END\n`;
}

/** The same atoms as mmCIF, each model's. */
export function mmcifText(...models: readonly (readonly string[])[]): string {
  const columns: [name: string, from: number, to: number][] = [
    ["group_PDB", 0, 6],
    ["auth_atom_id", 12, 16],
    ["label_alt_id", 16, 17],
    ["auth_comp_id", 17, 20],
    ["auth_asym_id", 21, 22],
    ["auth_seq_id", 22, 26],
    ["pdbx_PDB_ins_code", 26, 27],
    ["Cartn_x", 30, 38],
    ["Cartn_y", 38, 46],
    ["Cartn_z", 46, 54],
    ["type_symbol", 76, 78],
  ];
  const names = [...columns.map(([name]) => name), "pdbx_PDB_model_num"];
  const head = ["data_pose", "loop_", ...names.map((name) => `_atom_site.${name}`)];
  const fields = (line: string) =>
    columns.map(([, from, to]) => line.slice(from, to).trim() || "?").join(" ");
  const rows = models.flatMap((lines, i) => lines.map((line) => `${fields(line)} ${i + 1}`));
  return `${[...head, ...rows].join("\n")}\n`;
}
