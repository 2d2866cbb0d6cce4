import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { RaysidueError } from "../base/errors.ts";
import { BUILT_IN_MODELS, nearestNames, resolveModelName } from "./catalog.ts";

describe("resolveModelName", () => {
  test("knows the built-in names, ESM-2 with and without its owner", () => {
    assert.equal(resolveModelName("antiberty").type, "wheel");
    assert.equal(resolveModelName("emulate").type, "emulated");
    for (const name of ["esm2_t33_650M_UR50D", "facebook/esm2_t33_650M_UR50D"]) {
      const source = resolveModelName(name);
      assert.deepEqual(source, { type: "hub", name: "facebook/esm2_t33_650M_UR50D" });
    }
    assert.equal(BUILT_IN_MODELS.filter(({ type }) => type === "hub").length, 6);
  });

  test("takes other names as hub repositories, and paths as folders", async () => {
    assert.deepEqual(resolveModelName("Rostlab/prot_bert"), {
      type: "hub",
      name: "Rostlab/prot_bert",
    });
    assert.deepEqual(resolveModelName("/models/x"), { type: "folder", name: "/models/x" });
    assert.equal(resolveModelName("./x").name, join(process.cwd(), "x"));
    assert.equal(resolveModelName("~/x").name, join(homedir(), "x"));
    const folder = await mkdtemp(join(tmpdir(), "raysidue-catalog-"));
    const before = process.cwd();
    try {
      await mkdir(join(folder, "lab", "mine"), { recursive: true });
      await writeFile(join(folder, "lab", "mine", "config.json"), "{}");
      process.chdir(folder);
      assert.equal(resolveModelName("lab/mine").type, "folder");
      assert.equal(resolveModelName("lab/other").type, "hub");
    } finally {
      process.chdir(before);
      await rm(folder, { recursive: true });
    }
  });

  test("refuses unknown and unsafe names, naming the nearest", () => {
    const unknown = [
      "antibery",
      "",
      "esm2",
      "a/b/c",
      "o--x/y",
      ".pypi/antiberty",
      "o/..",
      "o/a\nb",
    ];
    for (const name of unknown) {
      assert.throws(
        () => resolveModelName(name),
        (thrown: unknown) => {
          assert.ok(thrown instanceof RaysidueError);
          assert.equal(thrown.code, "usage");
          assert.match(thrown.message, /^unknown model ".*"; did you mean \S+, \S+, \S+\?/);
          return true;
        },
        name,
      );
    }
  });
});

test("nearestNames puts what was most likely meant first", () => {
  assert.equal(nearestNames("antibert")[0], "antiberty");
  assert.equal(nearestNames("ESM2_T30_150M")[0], "esm2_t30_150M_UR50D");
  assert.equal(nearestNames("facebook/esm2_t12_35m_ur50d")[0], "esm2_t12_35M_UR50D");
  assert.equal(nearestNames("emulated")[0], "emulate");
});
