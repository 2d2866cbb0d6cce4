import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, mock, test } from "node:test";
import { Spools } from "./spools.ts";

const HOUR = 60 * 60 * 1000;

describe("spools", () => {
  let spools: Spools;
  beforeEach(() => {
    mock.timers.enable({ apis: ["setTimeout"] });
    spools = new Spools(mkdtempSync(join(os.tmpdir(), "raysidue-spools-")));
  });
  afterEach(async () => {
    await spools.close();
    mock.timers.reset();
  });
  const opened = (runId: string) => {
    const folder = spools.open(runId);
    mkdirSync(folder, { recursive: true });
    return folder;
  };
  /** Removal is asynchronous; it is over when the folder is gone. */
  const gone = async (folder: string) => {
    while (existsSync(folder)) await new Promise(setImmediate);
  };

  test("a closed run's rows go an hour after the last read", async () => {
    const folder = opened("a");
    spools.expire("a");
    mock.timers.tick(HOUR - 1);
    assert.equal(spools.read("a"), folder);
    mock.timers.tick(HOUR - 1);
    assert.ok(existsSync(folder));
    mock.timers.tick(1);
    await gone(folder);
  });

  test("a run that is opened again keeps its rows", async () => {
    const folder = opened("a");
    const other = opened("b");
    spools.expire("a");
    spools.expire("b");
    spools.open("a");
    mock.timers.tick(2 * HOUR);
    await gone(other);
    assert.ok(existsSync(folder));
  });

  test("an id from outside never leaves the folder", () => {
    assert.match(spools.open("../../etc"), /raysidue-spools-[^/]+\/[0-9a-f]+$/);
  });

  test("closing removes all", async () => {
    const folder = opened("a");
    await spools.close();
    assert.ok(!existsSync(folder));
  });
});
