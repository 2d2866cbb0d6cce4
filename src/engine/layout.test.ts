import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { candidatesOf, chooseLayout } from "./layout.ts";
import { tinyOpening } from "./truth.fixture.ts";

test("candidates use all cores, from one process a core to one process", () => {
  assert.deepEqual(candidatesOf(1), [[1, 1]]);
  assert.deepEqual(candidatesOf(2), [
    [2, 1],
    [1, 2],
  ]);
  assert.deepEqual(candidatesOf(6), [
    [6, 1],
    [3, 2],
    [1, 4],
    [1, 6],
  ]);
});

test("what the user says is taken, and the rest follows", async () => {
  const { options: _, ...opening } = tinyOpening();
  const said = { ...opening, cores: 8, memoryBytes: 8e9 };
  const pick = async (choice: { processes?: number; threads?: number }) => {
    const { processes, threads, memoryBytes } = await chooseLayout({ ...said, ...choice });
    return [processes, threads, memoryBytes];
  };
  assert.deepEqual(await pick({ processes: 2 }), [2, 4, 4e9]);
  assert.deepEqual(await pick({ threads: 4 }), [2, 4, 4e9]);
  assert.deepEqual(await pick({ processes: 3, threads: 1 }), [3, 1, Math.floor(8e9 / 3)]);
});

test("the layout is measured with real engines once, and remembered for this model", async () => {
  const cacheFolder = await mkdtemp(join(tmpdir(), "layout-test-"));
  try {
    const { options: _, ...opening } = tinyOpening();
    const options = { ...opening, cores: 2, memoryBytes: 4e9, cacheFolder };
    const first = await chooseLayout(options);
    assert.equal(first.processes * first.threads, 2);
    assert.ok(first.tokensMax >= 512);
    assert.deepEqual(
      first.measured.map(({ processes, threads }) => [processes, threads]),
      [
        [1, 2],
        [2, 1],
      ],
    );
    assert.ok(first.measured.every(({ tokensPerSecond }) => tokensPerSecond > 0));

    // A changed answer in the file shows that the second call measured nothing.
    const path = join(cacheFolder, "layout.json");
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace(/"tokensMax": \d+/, '"tokensMax": 4321'));
    assert.equal((await chooseLayout(options)).tokensMax, 4321);

    await writeFile(path, "{ not JSON");
    assert.equal((await chooseLayout(options)).tokensMax, first.tokensMax);
  } finally {
    await rm(cacheFolder, { recursive: true });
  }
});

test("memory that fits no engine is said, not measured around", async () => {
  const { options: _, ...opening } = tinyOpening();
  const cacheFolder = join(tmpdir(), "layout-test-never-written");
  const options = { ...opening, cores: 2, memoryBytes: 50e6, cacheFolder };
  await assert.rejects(chooseLayout(options), { code: "unavailable", message: /of memory/ });
});
