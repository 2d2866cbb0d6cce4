/**
 * Language models by WebGPU, on a real Vulkan driver: SwiftShader, which computes on the CPU. That
 * shows that results are right on such a device, not how fast one is.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { startEngine } from "../../src/engine/host/engine-host.ts";
import { maxDifference, tinyOpening } from "../../src/engine/truth.fixture.ts";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { readEmbeddings, readTrace } from "../support/outputs.ts";
import { Sandbox, TINY_MODEL } from "../support/sandbox.ts";

/** Of Debian's chromium-common. */
const DRIVER = "/usr/lib/chromium/vk_swiftshader_icd.json";
const skip = existsSync(DRIVER) ? false : `no ${DRIVER} (Debian: chromium-common, libvulkan1)`;
const environment = { VK_ICD_FILENAMES: DRIVER, VK_DRIVER_FILES: DRIVER };

test("rows of a GPU are those of the CPU", { skip }, async () => {
  await using sandbox = new Sandbox();
  const embed = ["embed", "-m", TINY_MODEL, "--no-cache", "--engines", "1"];
  const sequences = [
    ...randomSequences(6, { from: 1, to: 100, seed: 5 }),
    ...randomSequences(2, { from: 130, to: 130, seed: 6 }),
  ].map(({ sequence }, i) => ({ id: `r${i}`, sequence }));
  sandbox.write("a.fasta", fastaOf(sequences));
  await sandbox.expect(0, [...embed, "a.fasta", "-o", "cpu"]);
  const gpu = ["--device", "webgpu"];
  await sandbox.expect(0, [...embed, ...gpu, "a.fasta", "-o", "gpu"], { environment });

  const devices = (await readTrace(sandbox.path("gpu"))).map(({ device }) => device);
  assert.deepEqual(new Set(devices), new Set(["webgpu0"]));
  const expected = await readEmbeddings(sandbox.path("cpu"));
  const rows = await readEmbeddings(sandbox.path("gpu"));
  assert.deepEqual(
    rows.map(({ id }) => id),
    expected.map(({ id }) => id),
  );
  for (const [i, { id, vectors }] of rows.entries()) {
    const difference = maxDifference(vectors.embedding!, expected[i]!.vectors.embedding!);
    assert.ok(difference < 1e-5, `${id}: ${difference}`);
  }
});

test("a GPU that is not there is said, with what it needs", async () => {
  const nowhere = { VK_ICD_FILENAMES: "/nowhere.json", VK_DRIVER_FILES: "/nowhere.json" };
  const opening = tinyOpening({}, { device: "webgpu" });
  await assert.rejects(startEngine({ ...opening, environment: nowhere }), (thrown: Error) => {
    assert.match(thrown.message, /--device webgpu: .*adapter.*; it needs libvulkan\.so\.1/);
    assert.doesNotMatch(thrown.message, /\n|onnxruntime_src/);
    return true;
  });
});
