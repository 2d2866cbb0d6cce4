import assert from "node:assert/strict";
import { test } from "node:test";
import { RaysidueError } from "../base/errors.ts";
import { deviceSpecs, parseFleet, timeMs } from "./fleet.ts";
import { FLEET_NAMES, fleetText, shippedFleet } from "./fleets.ts";

const refusal = (text: string): string => {
  try {
    parseFleet(text, "mine.toml");
  } catch (thrown) {
    assert.ok(thrown instanceof RaysidueError && thrown.code === "bad-input", String(thrown));
    assert.ok(thrown.message.startsWith("mine.toml: ") && !thrown.message.includes("\n"));
    return thrown.message;
  }
  return assert.fail(`accepted: ${text}`);
};

test("the twelve fleets are what their descriptions say", () => {
  assert.deepEqual(
    FLEET_NAMES,
    Array.from({ length: 12 }, (_, index) => `F${index + 1}`),
  );
  const speeds = FLEET_NAMES.map((name) =>
    deviceSpecs(shippedFleet(name)).map(({ speed }) => speed),
  );
  assert.deepEqual(speeds[0], Array(8).fill(1));
  assert.deepEqual(speeds[1], [4, 4, 4, 4, 1, 1, 1, 1]);
  assert.deepEqual(speeds[6], [16, 8, 4, 2, 1, 1]);
  assert.equal(shippedFleet("F6").job.giants.length, 3);
  assert.throws(() => fleetText("toString"), /no fleet "toString"; shipped are F1/);
});

test("what a file leaves out has defaults", () => {
  const [spec] = deviceSpecs(parseFleet('name = "x"\n[[devices]]\n', "mine.toml"));
  assert.deepEqual([spec?.speed, spec?.overhead_ms, spec?.noise, spec?.joins], [1, 10, 0, 0]);
});

test("times are seconds or shares of the ideal time", () => {
  assert.equal(timeMs(2.5, 60_000), 2_500);
  assert.equal(timeMs("12.5%", 60_000), 7_500);
});

test("what a file says wrongly is refused with its place", () => {
  const head = 'name = "x"\n[[devices]]\n';
  assert.match(refusal("name = ["), /not TOML/);
  assert.match(refusal('name = "x"'), /devices/);
  assert.match(refusal(`${head}speed = -1`), /devices\.0\.speed/);
  assert.match(refusal(`${head}sped = 1`), /sped/);
  assert.match(refusal(`${head}count = 20000`), /devices\.0\.count/);
  assert.match(refusal(`${head}[[devices]]\ncount = 10000\n`), /10001 devices/);
  assert.match(refusal(`${head}[[losses]]\nat = "soon"\ndevice = 0`), /losses\.0\.at/);
  assert.match(refusal(`${head}[[cuts]]\nat = 1\nseconds = 2\ndevice = 1`), /device 1 is not one/);
});
