import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { RaysidueError } from "../base/errors.ts";
import type { RunSpec } from "../rpc/messages.ts";
import { type DeviceOptions, Devices } from "./devices.ts";

const VARIABLE = "CUDA_VISIBLE_DEVICES";
const before = process.env[VARIABLE];
afterEach(() => {
  if (before === undefined) delete process.env[VARIABLE];
  else process.env[VARIABLE] = before;
});

const RUN: RunSpec = {
  ...{ runId: "r", name: "r", kind: "embed", engine: "onnx", model: "m", fingerprint: "" },
  ...{ parameters: "{}", shardFolder: "/s", probeName: "p", probeToken: "t" },
  ...{ weight: 1, expectedGflop: 0 },
};

const devicesOf = (options: Partial<DeviceOptions>) =>
  new Devices({ emulated: [], ...options }, () => {});

test("an engine a GPU that was given, each seeing its own", async () => {
  process.env[VARIABLE] = "3,GPU-8a2e";
  const devices = devicesOf({ device: "cuda", deviceMemoryBytes: 24e9 });
  const serving = await devices.serving(RUN);
  assert.deepEqual(
    serving.map(({ info: { name, type, memoryBytes }, environment }) => ({
      ...{ name, type, memoryBytes, sees: environment[VARIABLE] },
    })),
    [
      { name: "cuda0", type: "cuda", memoryBytes: 24e9, sees: "3" },
      { name: "cuda1", type: "cuda", memoryBytes: 24e9, sees: "GPU-8a2e" },
    ],
  );
  assert.equal(JSON.parse(serving[0]!.engineOptions).device, "cuda");
  assert.equal(await devices.serving({ ...RUN, runId: "next" }), serving, "they keep their lanes");
});

test("a node that was given no GPU says so", async () => {
  process.env[VARIABLE] = "";
  await assert.rejects(
    devicesOf({ device: "cuda" }).serving(RUN),
    (thrown) =>
      thrown instanceof RaysidueError && /--device cuda: no NVIDIA GPU/.test(thrown.message),
  );
});

test("poses are the CPU's work, whatever runs language models", async () => {
  const devices = devicesOf({ device: "webgpu", engines: 2, threads: 1 });
  const serving = await devices.serving({ ...RUN, kind: "score", engine: "score" });
  assert.deepEqual(
    serving.map(({ info }) => info.type),
    ["cpu", "cpu"],
  );
});
