/** What goes along with a run that is left on a cluster, and what it is called there. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import type { LocatedModel } from "../../model/locate.ts";
import type { Archive } from "../../ray/archive.ts";
import type { FilePiece } from "../../ray/cluster.ts";
import { type CargoRequest, packRun } from "./run-cargo.ts";
import { KEEP_SECONDS, manifestSchema } from "./run-manifest.ts";

const root = mkdtempSync(join(tmpdir(), "raysidue-cargo-"));
const startedIn = process.cwd();
const write = (name: string) => {
  const path = join(root, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, name);
  return path;
};

before(() => {
  for (const name of ["b.pdb", "a.pdb", "deep/c.pdb", "notes.txt"]) write(`here/poses/${name}`);
  write("there/d.cif");
  write("there/regions.tsv");
  process.chdir(join(root, "here"));
});
after(() => {
  process.chdir(startedIn);
  rmSync(root, { recursive: true });
});

const request = (changes: Partial<CargoRequest>): CargoRequest => ({
  command: ["score", "--auto"],
  inputs: ["poses"],
  items: "poses",
  isRecursive: false,
  files: [],
  models: [],
  outputFolder: join(root, "out"),
  keepSeconds: KEEP_SECONDS,
  ...changes,
});

/** Names in an archive, without the run's own, and its manifest. */
async function contents(archive: Archive) {
  const pieces: Buffer[] = [];
  await archive.addTo({
    holdsFile: async () => false,
    addPiece: async ({ data }: FilePiece) => void pieces.push(Buffer.from(data)),
  } as never);
  const bytes = Buffer.concat(pieces);
  const names: string[] = [];
  let manifest = "";
  for (let at = 0; bytes[at] !== 0; ) {
    const name = bytes.toString("latin1", at, at + 100).replace(/\0.*/s, "");
    const size = Number.parseInt(bytes.toString("latin1", at + 124, at + 135), 8);
    if (name.endsWith("/manifest.json"))
      manifest = bytes.toString("utf8", at + 512, at + 512 + size);
    names.push(name.replace(/^r1\//, ""));
    at += 512 + 512 * Math.ceil(size / 512);
  }
  return { names, manifest: manifestSchema.parse(JSON.parse(manifest)) };
}

const pack = (changes: Partial<CargoRequest>) => packRun("r1", request(changes), root);

test("inputs keep their names, what lies elsewhere goes aside", async () => {
  const elsewhere = join(root, "there", "d.cif");
  const inputs = ["./poses", "poses/*.pdb", "poses/a.pdb", "../there/d.cif", elsewhere];
  const [archive] = await pack({ inputs });
  const { names, manifest } = await contents(archive!);
  const aside = join("elsewhere", elsewhere);
  const kept = ["input/poses/a.pdb", "input/poses/b.pdb", "manifest.json"];
  assert.deepEqual(
    names.filter((name) => !/elsewhere|pax/.test(name)),
    kept,
  );
  assert.deepEqual(manifest.inputs, ["poses", "poses/*.pdb", "poses/a.pdb", aside, aside]);
  assert.deepEqual(
    archive!.file.entries.map(({ path }) => path),
    ["r1/manifest.json"],
  );
});

test("sub-folders with --recursive; standard input cannot travel", async () => {
  const [archive] = await pack({ isRecursive: true });
  const { names } = await contents(archive!);
  assert(names.includes("input/poses/deep/c.pdb"));
  await assert.rejects(pack({ inputs: ["-"] }), /--detach: write the input to a file first/);
});

test("files that flags name, and a model in a folder, are placed", async () => {
  const folder = join(root, "model");
  const path = write("model/config.json");
  const { length: sizeBytes } = readFileSync(path);
  const files = [{ name: "config.json", path, sizeBytes, claimed: undefined, role: "config" }];
  const fingerprint = "f".repeat(64);
  const known = files.map((file) => ({ ...file, sha256: "0".repeat(64) }));
  const model = { kind: "esm", name: folder, folder, fingerprint, files: known };
  const [archive, ofModel] = await pack({
    files: [{ flag: "--regions", path: "../there/regions.tsv" }],
    models: [{ flag: "--embed-model", model: model as unknown as LocatedModel }],
  });
  const { names, manifest } = await contents(archive!);
  assert(names.includes("files/regions/regions.tsv"));
  assert.deepEqual(manifest.flags, [
    { flag: "--embed-model", root: "hub", path: `raysidue--${fingerprint}` },
    { flag: "--regions", root: "run", path: "files/regions/regions.tsv" },
  ]);
  assert.deepEqual(ofModel!.file.kind, "hub");
  const there = { path: `raysidue--${fingerprint}/config.json`, sizeBytes };
  assert.deepEqual(ofModel!.file.entries, [there]);
});
