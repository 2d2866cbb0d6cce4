import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { isRetryable, RaysidueError } from "../../base/errors.ts";
import { emulateOpening, tinyOpening } from "../truth.fixture.ts";
import { startEngine } from "./engine-host.ts";

const ITEM = Buffer.from("MKTAYIAKQR");

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The engines' private folders, seen in a temporary folder of this test's own. */
async function inOwnFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "host-test-"));
  const before = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  try {
    await body(folder);
    assert.deepEqual(await readdir(folder), [], "an engine left its folder behind");
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    await rm(folder, { recursive: true });
  }
}

test("a real engine answers two micro-batches under way, in order, and leaves nothing", () =>
  inOwnFolder(async () => {
    const engine = await startEngine(tinyOpening());
    assert.match(engine.description, /esm2-tiny/);
    assert.ok(engine.tokensMax >= 512);
    const order: number[] = [];
    const runs = [[ITEM, ITEM.subarray(3)], [ITEM], []].map(async (items, i) => {
      const { sizes } = await engine.run(items);
      order.push(i);
      return sizes;
    });
    assert.deepEqual(await Promise.all(runs), [[256, 256], [256], []]);
    assert.deepEqual(order, [0, 1, 2]);
    const { pid } = engine;
    await engine.close();
    assert.equal((await engine.exited).code, 0);
    assert.equal(isAlive(pid!), false);
    await assert.rejects(engine.run([ITEM]), { code: "cancelled" });
  }));

test("a killed engine rejects what is under way with a retryable error", () =>
  inOwnFolder(async () => {
    const engine = await startEngine(emulateOpening({}, { speed: 1, overheadMs: 60_000 }));
    const runs = [engine.run([ITEM]), engine.run([ITEM])];
    process.kill(engine.pid!, "SIGKILL");
    for (const run of runs) {
      await assert.rejects(run, (thrown) => {
        assert.ok(isRetryable(thrown), String(thrown));
        assert.match((thrown as Error).message, /SIGKILL/);
        return true;
      });
    }
    assert.equal((await engine.exited).signal, "SIGKILL");
    await engine.close();
  }));

test("closing rejects what is under way and ends a busy engine", () =>
  inOwnFolder(async () => {
    await using engine = await startEngine(emulateOpening({}, { speed: 1, overheadMs: 60_000 }));
    const run = engine.run([ITEM]);
    void engine.close();
    await assert.rejects(run, { code: "cancelled" });
  }));

test("the engine's own refusal reaches the caller", () =>
  inOwnFolder(async () => {
    const refused: [string, object, RegExp][] = [
      ["usage", { ...emulateOpening(), engine: "toString" }, /no engine "toString"/],
      ["bad-input", { ...tinyOpening(), model: "/nowhere" }, /nowhere/],
      ["unavailable", { ...emulateOpening(), command: ["/nowhere/engine"] }, /cannot be started/],
    ];
    for (const [code, change, message] of refused) {
      await assert.rejects(startEngine({ ...emulateOpening(), ...change }), { code, message });
    }
  }));

test("a program that dies at its start is reported with what it printed", () =>
  inOwnFolder(async () => {
    const script = "console.error('no such device'); process.exit(3)";
    const lines: string[] = [];
    const spec = {
      ...emulateOpening(),
      command: [process.execPath, "-e", script, "--"],
      onLog: (line: string) => lines.push(line),
    };
    await assert.rejects(startEngine(spec), (thrown) => {
      assert.ok(thrown instanceof RaysidueError);
      assert.match(thrown.message, /exit code 3: no such device/);
      return isRetryable(thrown);
    });
    assert.deepEqual(lines, ["no such device"]);
  }));

test("an engine ends when its daemon is killed", async () => {
  const host = new URL("./engine-host.js", import.meta.url).href;
  const script = `
    const { startEngine } = await import(${JSON.stringify(host)});
    const engine = await startEngine(${JSON.stringify(emulateOpening())});
    console.log(engine.pid);
    setInterval(() => {}, 1000);`;
  // A folder of its own: others' engines may live in the common one. Short enough for a socket.
  const folder = await mkdtemp("/tmp/rsd-");
  const daemon = spawn(process.execPath, ["--input-type=module", "-e", script], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [chunk] = await once(daemon.stdout!, "data");
  const pid = Number(String(chunk));
  const socketFolders = await readdir(folder);
  assert.equal(socketFolders.length, 1);
  daemon.kill("SIGKILL");
  await once(daemon, "exit");
  const until = Date.now() + 30_000;
  while (isAlive(pid) && Date.now() < until) await delay(20);
  assert.equal(isAlive(pid), false, "the engine outlived its daemon");
  // The folder of a killed daemon has no owner; the engine removes it on its way out.
  assert.equal(existsSync(join(folder, socketFolders[0]!, "engine.sock")), false);
  await rm(folder, { recursive: true, force: true });
});
