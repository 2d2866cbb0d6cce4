/** How long a run that has ended waits on a head for somebody to fetch it. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { RunHost } from "./run-host.ts";

const root = mkdtempSync(join(tmpdir(), "raysidue-runs-"));
after(() => rmSync(root, { recursive: true }));

const at = (ms: number) => new Date(Date.now() + ms).toISOString();
const DAY_MS = 86_400_000;

/** A run's folder as a host leaves it, last touched so many days ago. */
function leave(run: string, status: object | undefined, days = 0): string {
  const folder = join(root, run);
  mkdirSync(folder);
  const manifest = { run, command: ["embed"], inputs: [], outputFolder: "/out", startedAt: at(0) };
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
  const file = join(folder, "status.json");
  if (status !== undefined) {
    writeFileSync(file, JSON.stringify({ exit: 0, line: "", files: [], ...status }));
  }
  const then = new Date(Date.now() - days * DAY_MS);
  for (const path of status === undefined ? [folder] : [file, folder]) utimesSync(path, then, then);
  return folder;
}

test("a run goes when its time is over, and takes along what nobody keeps", async () => {
  const own = leave("own", { state: "done", keptUntil: at(300) });
  leave("waits", { state: "done", keptUntil: at(DAY_MS) });
  leave("over", { state: "failed", keptUntil: at(-1) });
  leave("works", { state: "running" }, 1);
  leave("dead", { state: "running" }, 15);
  leave("torn", undefined, 15);
  const host = new RunHost(own, "bridge://nowhere:1");
  assert.equal(await host.start(), "own");
  assert.deepEqual(readdirSync(root), ["own", "waits", "works"]);
  await host.closed;
  assert.deepEqual(readdirSync(root), ["waits", "works"]);
});

test("a run whose host ends before its time stays for the next host", async () => {
  const host = new RunHost(join(root, "waits"), "bridge://nowhere:1");
  await host.start();
  await host.close();
  assert.deepEqual(readdirSync(root), ["waits", "works"]);
});
