/**
 * How near the policy comes to the bound on the twelve fleets: ratios of virtual time, so the
 * figures are the same on every machine.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFleet } from "../../src/simulate/fleet.ts";
import { FLEET_NAMES, shippedFleet } from "../../src/simulate/fleets.ts";
import { simulate } from "../../src/simulate/simulate.ts";

/** Worst ratio allowed with three minutes of work; the others get 1.02. */
const LONG: Readonly<Record<string, number>> = {
  F1: 1.01,
  F2: 1.01,
  F3: 1.01,
  F4: 1.01,
  F5: 1.01,
  F6: 1.01,
  F8: 1.05,
  F9: 1.05,
  F10: 1.05,
};

/** With half a minute, where every batch weighs more. */
const SHORT: Readonly<Record<string, number>> = {
  F1: 1.02,
  F2: 1.03,
  F3: 1.04,
  F4: 1.03,
  F5: 1.04,
  F6: 1.02,
};

for (const name of FLEET_NAMES) {
  for (const [idealSeconds, ratioMax] of [
    [180, LONG[name] ?? 1.02],
    [30, SHORT[name]],
  ] as const) {
    if (ratioMax === undefined) continue;
    test(`${name}, ${idealSeconds} s: within ${ratioMax} of the bound`, () => {
      for (const seed of [1, 2, 3]) {
        const { simulation } = simulate(shippedFleet(name), { idealSeconds, seed });
        const { ratio, repeated_work: repeated, losses } = simulation;
        assert.ok(ratio <= ratioMax, `seed ${seed}: ${ratio} ${JSON.stringify(losses)}`);
        assert.ok(repeated <= 0.02, `seed ${seed}: ${repeated} of the work repeated`);
      }
    });
  }
}

test("the core's own account of a run agrees with the devices' truth", () => {
  for (const name of ["F1", "F2", "F3", "F4", "F5", "F6", "F7", "F11"]) {
    const { simulation, world } = simulate(shippedFleet(name), { idealSeconds: 60, seed: 1 });
    const balance = world.balance!;
    const close = (mine: number, truth: number, by: number, what: string) =>
      assert.ok(Math.abs(mine - truth) <= by, `${name}: ${what} ${mine}, in truth ${truth}`);
    // A call that a slow-down falls into shows it only at its end.
    close(balance.ratio, simulation.ratio, name === "F3" ? 0.015 : 0.005, "ratio");
    close(balance.repeated_work, simulation.repeated_work, 0.005, "repeated work");
    for (const key of Object.keys(balance.losses) as (keyof typeof balance.losses)[]) {
      const by = name === "F3" ? 0.015 : 0.005;
      close(balance.losses[key], simulation.losses[key], by, key);
    }
  }
});

test("the ratio holds from one device to many, and with engines that take little at once", () => {
  for (const [count, costMax] of [
    [1, 1_048_576],
    [200, 1_048_576],
    [16, 35_000],
  ] as const) {
    const text = `name = "x"\n[[devices]]\ncount = ${count}\ncost_max = ${costMax}\n`;
    const { simulation } = simulate(parseFleet(text, "test"), { idealSeconds: 60, seed: 1 });
    assert.ok(simulation.ratio <= 1.02, `${count} devices: ${simulation.ratio}`);
  }
});

test("a device that says when it ends loses nothing", () => {
  const text = `name = "x"
[[devices]]
count = 4
[[ends]]
at = "50%"
device = 0
warning_seconds = 5
`;
  const { simulation } = simulate(parseFleet(text, "test"), { idealSeconds: 60, seed: 1 });
  assert.ok(simulation.repeated_work < 0.001, `${simulation.repeated_work}`);
  // Its last five seconds of four times sixty go unused at most.
  assert.ok(simulation.ratio <= 1.04, `${simulation.ratio}`);
});
