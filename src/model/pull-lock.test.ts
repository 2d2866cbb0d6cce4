import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { lstat, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { Deferred } from "../base/deferred.ts";
import { isProvablyDead, makeOwnerWord } from "../base/process-owner.ts";
import { withPullLock } from "./pull-lock.ts";

/** The word of a process of this machine that has ended. */
async function deadOwner(): Promise<string> {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  return makeOwnerWord().replace(`-${process.pid}-`, `-${child.pid}-`);
}

describe("process owner", () => {
  test("this process lives, an ended one does not, of others nothing is known", async () => {
    const own = makeOwnerWord();
    assert.ok(!isProvablyDead(own));
    assert.ok(isProvablyDead(await deadOwner()));
    const [, pid, start, nonce] = own.split("-");
    assert.ok(!isProvablyDead(`aaaaaaaaaaaa-999999999-${start}-${nonce}`));
    for (const garbage of ["", "nobody", "a-b-c-d", `x-${pid}`])
      assert.ok(!isProvablyDead(garbage));
  });

  test("a reused pid is another process", () => {
    const [machine, pid, start, nonce] = makeOwnerWord().split("-");
    assert.ok(isProvablyDead(`${machine}-${pid}-${Number(start) - 1}-${nonce}`));
  });
});

describe("withPullLock", () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "raysidue-lock-"));
    path = join(folder, "locks", "pull.lock");
  });
  afterEach(() => rm(folder, { recursive: true }));

  test("one at a time, the next when the first lets go, also by throwing", async () => {
    const entered = new Deferred<void>();
    const gate = new Deferred<void>();
    const waiting = new Deferred<void>();
    const order: string[] = [];
    const first = withPullLock(path, async () => {
      entered.resolve();
      await gate.promise;
      order.push("first");
      throw new Error("failed");
    });
    await entered.promise;
    const second = withPullLock(path, async () => order.push("second"), {
      onWait: () => waiting.resolve(),
    });
    await waiting.promise;
    gate.resolve();
    await assert.rejects(first, /failed/);
    await second;
    assert.deepEqual(order, ["first", "second"]);
    assert.deepEqual(await readdir(join(folder, "locks")), []);
  });

  test("a dead holder's lock is broken at once, by exactly one of several", async () => {
    await withPullLock(path, async () => {});
    await symlink(await deadOwner(), path);
    let holders = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++holders);
      await lstat(path);
      holders--;
    };
    await Promise.all(Array.from({ length: 4 }, () => withPullLock(path, work)));
    assert.equal(most, 1);
    assert.deepEqual(await readdir(join(folder, "locks")), []);
  });

  test("an unknown holder's lock is broken after its silence", async () => {
    await withPullLock(path, async () => {});
    await symlink("otherhost000-1-1-aa", path);
    let hasWaited = false;
    const options = { silenceMaxMs: 50, onWait: () => (hasWaited = true) };
    assert.equal(await withPullLock(path, async () => "done", options), "done");
    assert.ok(hasWaited);
  });

  test("a plain file in its place does not block for ever", async () => {
    await withPullLock(path, async () => {});
    await writeFile(path, "");
    assert.equal(await withPullLock(path, async () => "done", { silenceMaxMs: 50 }), "done");
  });

  test("waiting ends when the caller says so", async () => {
    await withPullLock(path, async () => {});
    await symlink("otherhost000-1-1-aa", path);
    const controller = new AbortController();
    const options = { signal: controller.signal, onWait: () => controller.abort() };
    await assert.rejects(
      withPullLock(path, async () => {}, options),
      { code: "cancelled" },
    );
  });
});
