/**
 * AntiBERTy from PyPI for real, through pip.
 *
 * Proves: the pinned wheel, its members and the index of its torch checkpoint are what the
 * catalogue says. Uses a cache that lasts (RAYSIDUE_TEST_CACHE, or .cache/test in the repository),
 * so that the 97 MB come once. Skips aloud where PyPI cannot be reached.
 */
import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { RaysidueError } from "../../src/base/errors.ts";
import { openCheckpoint } from "../../src/model/checkpoint.ts";
import { verifyModel } from "../../src/model/inventory.ts";
import { locateModel } from "../../src/model/locate.ts";
import { pullModel } from "../../src/model/pull.ts";

const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));
const CACHE = process.env.RAYSIDUE_TEST_CACHE ?? join(REPOSITORY, ".cache", "test");

test("antiberty comes from PyPI, is checked, and its tensors are found", async (context) => {
  const options = { cacheRoot: join(CACHE, "hub"), ownCache: join(CACHE, "own") };
  try {
    await pullModel("antiberty", options);
  } catch (thrown) {
    if (!(thrown instanceof RaysidueError) || thrown.code === "bad-input") throw thrown;
    context.skip(`PyPI cannot be reached: ${thrown.message}`);
    return;
  }
  const located = await locateModel("antiberty", options);
  assert.equal(located.kind, "bert");
  assert.equal(located.dim, 512);
  assert.equal(located.maxResidues, 510);
  assert.equal(located.alphabet, "ACDEFGHIKLMNPQRSTVWY");
  const { tensors, config } = await openCheckpoint(located.folder!);
  assert.equal(tensors.size, 149);
  assert.deepEqual(tensors.get("bert.embeddings.word_embeddings.weight")!.shape, [25, 512]);
  for (let layer = 0; layer < config.layerCount; layer++) {
    const query = tensors.get(`bert.encoder.layer.${layer}.attention.self.query.weight`)!;
    assert.deepEqual(query.shape, [512, 512]);
    assert.equal(query.dtype, "F32");
    assert.equal(query.offsetBytes % 64, 0);
  }
  assert.ok((await verifyModel("antiberty", options)).isRight);
});

describe("the wheel's pip", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "raysidue-wheel-"));
    await symlink("/bin/sh", join(folder, "sh"));
  });
  after(() => rm(folder, { recursive: true }));

  const pull = (environment: Record<string, string>) =>
    pullModel("antiberty", {
      cacheRoot: join(folder, "hub"),
      ownCache: join(folder, "own"),
      environment: { HOME: folder, PATH: folder, ...environment },
    });
  /** A Python of our own making: `version` and `pip` are what it does for each. */
  const fakePython = async (version: string, pip: string): Promise<string> => {
    const path = join(folder, "fake-python");
    const script = `#!/bin/sh\ncase "$*" in\n*--version*) ;;\n*version_info*) ${version};;\n*) ${pip};;\nesac\n`;
    await writeFile(path, script);
    await chmod(path, 0o755);
    return path;
  };
  const rejects = (promise: Promise<unknown>, code: string, pattern: RegExp) =>
    assert.rejects(promise, (thrown: unknown) => {
      assert.ok(thrown instanceof RaysidueError, String(thrown));
      assert.equal(thrown.code, code, thrown.message);
      assert.match(thrown.message, pattern);
      return true;
    });

  test("says what to install where there is no Python", async () => {
    await rejects(pull({}), "unavailable", /python3 is not there, .*install Python 3\.8/);
    const RAYSIDUE_PYTHON = join(folder, "nowhere");
    await rejects(
      pull({ RAYSIDUE_PYTHON }),
      "unavailable",
      /nowhere is not there.*RAYSIDUE_PYTHON/,
    );
    const old = await fakePython("exit 8", "exit 0");
    await rejects(pull({ RAYSIDUE_PYTHON: old }), "unavailable", /is older than 3\.8/);
  });

  test("passes on what pip said, in one line", async () => {
    const python = await fakePython("exit 0", "echo 'ERROR: No matching distribution' >&2; exit 1");
    await rejects(
      pull({ RAYSIDUE_PYTHON: python }),
      "try-again",
      /failed: ERROR: No matching dist/,
    );
  });

  test("a wheel of another digest is read no further", async () => {
    const python = await fakePython("exit 0", "echo evil > antiberty-0.1.3-py3-none-any.whl");
    const pattern = /fetched a wheel of digest [0-9a-f]{64}, expected 30d910992b19/;
    await rejects(pull({ RAYSIDUE_PYTHON: python }), "bad-input", pattern);
    const repo = join(folder, "hub", "models--.pypi--antiberty");
    assert.deepEqual(await readdir(join(repo, "scratch")), []);
    assert.deepEqual(await readdir(join(repo, "blobs")), []);
  });
});
