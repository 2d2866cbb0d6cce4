import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { expandGlob } from "./glob.ts";
import { PathList } from "./path-list.ts";

let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), "raysidue-glob-"));
  for (const name of [
    "a.pdb",
    "b1.pdb",
    "b2.pdb.gz",
    ".c.pdb",
    "x/d.pdb",
    "x/y/e.pdb",
    "x.d/f.pdb",
    "[g.pdb",
  ]) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), "");
  }
  symlinkSync("..", join(root, "x", "circle"));
});
after(() => rmSync(root, { recursive: true }));

const found = async (pattern: string) => {
  const list = new PathList();
  (await expandGlob(`${root}/${pattern}`)).addTo(list);
  return Array.from(list, (path) => path.slice(root.length + 1));
};

test("stars, question marks, classes, alternatives", async () => {
  assert.deepEqual(await found("*.pdb"), ["[g.pdb", "a.pdb", "b1.pdb"]);
  assert.deepEqual(await found("b?.{pdb,pdb.gz}"), ["b1.pdb", "b2.pdb.gz"]);
  assert.deepEqual(await found("[!ab]*"), ["[g.pdb"]);
  assert.deepEqual(await found("[a-b]*.pdb"), ["a.pdb", "b1.pdb"]);
  assert.deepEqual(await found(".*.pdb"), [".c.pdb"]);
  assert.deepEqual(await found("*.p"), []);
});

test("folders between, at any depth, and each path once", async () => {
  assert.deepEqual(await found("*/*.pdb"), ["x.d/f.pdb", "x/d.pdb"]);
  assert.deepEqual(await found("**/*.pdb"), [
    "[g.pdb",
    "a.pdb",
    "b1.pdb",
    "x.d/f.pdb",
    "x/d.pdb",
    "x/y/e.pdb",
  ]);
  assert.deepEqual(await found("x/**/**/e.pdb"), ["x/y/e.pdb"]);
  assert.deepEqual(await found("{x,none}/y/e.pdb"), ["x/y/e.pdb"]);
});

test("a link that leads nowhere is there, and what is not there is not", async () => {
  symlinkSync("nowhere", join(root, "x", "lost.ent"));
  assert.deepEqual(await found("x/*.ent"), ["x/lost.ent"]);
  assert.deepEqual(await found("**/lost.ent"), ["x/lost.ent"]);
});

test("brackets that never close are letters", async () => {
  assert.deepEqual(await found("[g.pdb"), ["[g.pdb"]);
  assert.deepEqual(await found("{a.pdb"), []);
});
