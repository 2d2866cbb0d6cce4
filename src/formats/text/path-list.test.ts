import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../base/random.ts";
import { PathList, PathTree } from "./path-list.ts";

test("paths come in the order of their code units, each once", () => {
  const random = new Random(3);
  // Around the slash: "a-b", "a.b", "a/b", "a0".
  const word = () =>
    Array.from({ length: 1 + random.below(3) }, () => "a-.0"[random.below(4)]).join("");
  for (const top of ["", "/", "../"]) {
    const tree = new PathTree();
    const paths = new Set<string>();
    for (let i = 0; i < 400; i++) {
      const depth = random.below(4);
      // A name that is a folder's elsewhere cannot be a file's: files end in "f".
      const folder = top + Array.from({ length: depth }, () => `${word()}/`).join("");
      const name = `${word()}f`;
      paths.add(folder + name);
      tree.add(folder, name);
      if (random.chance(0.1)) tree.add(folder, name);
    }
    const list = new PathList();
    tree.addTo(list);
    assert.deepEqual([...list], [...paths].sort());
    assert.equal(list.length, paths.size);
  }
});
