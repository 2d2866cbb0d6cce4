import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { rowsOf } from "./rows.fixture.ts";
import { settleWriters } from "./shard-marks.ts";
import { ShardSink } from "./shard-sink.ts";

const PROGRAM = fileURLToPath(new URL("./writer.fixture.js", import.meta.url));

describe("marks of writers", () => {
  let folder: string;
  let child: ChildProcess | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(os.tmpdir(), "raysidue-marks-"));
  });
  afterEach(async () => {
    if (child?.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    await rm(folder, { recursive: true });
  });
  const marks = async () => (await readdir(folder)).filter((name) => name.startsWith("."));
  const startWriter = async () => {
    child = spawn(process.execPath, [PROGRAM, folder], { stdio: ["pipe", "pipe", "inherit"] });
    await once(child.stdout!, "data");
    return child;
  };

  test("a run waits for another process that still writes, and goes on when it has ended", async () => {
    const writer = await startWriter();
    let isSettled = false;
    const settled = settleWriters(folder).then(() => {
      isSettled = true;
    });
    // Longer than it takes to look; the writer ends by our word only.
    await settleWriters(folder, 100);
    assert.ok(!isSettled);
    writer.stdin!.end();
    await settled;
    assert.deepEqual(await marks(), []);
  });

  test("a killed writer holds nobody up, and its mark is removed", async () => {
    const writer = await startWriter();
    writer.kill("SIGKILL");
    await once(writer, "exit");
    assert.equal((await marks()).length, 1);
    await settleWriters(folder);
    assert.deepEqual(await marks(), []);
  });

  test("neither own sinks nor other machines are waited for", async () => {
    const sink = new ShardSink(folder);
    await sink.append(rowsOf(0, 1, 16));
    await writeFile(join(folder, ".writer-000000000000-1-1-00000000"), "");
    await settleWriters(folder);
    assert.equal((await marks()).length, 2);
    await sink.close();
    assert.equal((await marks()).length, 1);
  });

  test("a folder that is not there has no writers", async () => {
    await settleWriters(join(folder, "none"));
  });
});
