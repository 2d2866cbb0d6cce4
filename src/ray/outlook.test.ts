/** When a fleet without workers is given up, and when it is not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Outlook } from "./outlook.ts";

function outlook() {
  const said: string[] = [];
  const it = new Outlook((text) => said.push(text));
  const lost = async () =>
    Promise.race([it.lost.catch((thrown: Error) => thrown.message), setImmediate()]);
  const look = (seconds: number, isOutOfReach = false) =>
    it.look({ nowMs: 1000 * seconds, isOutOfReach });
  return { it, said, lost, look };
}

test("as long as a worker lives, a cluster out of reach is no end", async () => {
  const { it, lost, look } = outlook();
  it.count(1);
  for (let second = 0; second < 5000; second += 10) look(second, true);
  assert.equal(await lost(), undefined);
  // A run has not begun: its fleet's own start says what is wrong.
  const before = outlook();
  before.look(0, true);
  before.look(5000, true);
  assert.equal(await before.lost(), undefined);
});

test("without a worker and out of reach: given up soon, unless one comes back", async () => {
  const { it, lost, look } = outlook();
  it.count(0);
  look(0, true);
  look(29, true);
  it.count(1);
  look(30, true);
  it.count(0);
  look(31, true);
  look(60, true);
  assert.equal(await lost(), undefined);
  look(61, true);
  assert.match(String(await lost()), /no worker is left: the Ray cluster is out of reach; what is/);
});

test("without a worker but with a cluster: nodes may come for a while", async () => {
  const { it, lost, look } = outlook();
  it.count(0);
  look(0);
  look(599);
  assert.equal(await lost(), undefined);
  look(600);
  assert.match(String(await lost()), /no worker is left: none came within 10 minutes/);
});

test("a fleet that can give nodes nothing more says so once, and ends with its last worker", async () => {
  const { it, said, lost, look } = outlook();
  it.count(2);
  it.close("main.js changed");
  it.close("main.js changed");
  look(0);
  assert.deepEqual(said, ["no more nodes can be given a daemon: main.js changed"]);
  it.count(0);
  look(100);
  look(130);
  assert.match(String(await lost()), /no worker is left: main\.js changed; what is done is kept/);
});
