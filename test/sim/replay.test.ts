/**
 * A trace that a run left is read back for what it was: proved on runs whose truth is known, those
 * of simulated fleets, through the columns that the driver writes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TRACE_COLUMNS } from "../../src/driver/run/trace.ts";
import { shippedFleet } from "../../src/simulate/fleets.ts";
import { replayOf } from "../../src/simulate/replay.ts";
import { simulate } from "../../src/simulate/simulate.ts";
import { timelineSvg } from "../../src/simulate/timeline-svg.ts";
import { parseTrace } from "../../src/simulate/trace.ts";

/** The trace.tsv that a run on a simulated fleet would have left. */
function traceOf(name: string): { text: string; ratio: number } {
  const { simulation, world } = simulate(shippedFleet(name), { idealSeconds: 60, seed: 1 });
  const rows = world.attempts.map((attempt) => {
    const values: Record<(typeof TRACE_COLUMNS)[number], string | number> = {
      lease: attempt.lease,
      worker: `w${attempt.worker}`,
      device: `d${attempt.device}`,
      tasks: attempt.taskCount,
      tokens: attempt.cost,
      padded_tokens: attempt.cost,
      assigned_at: attempt.assignedAt / 1000,
      finished_at: attempt.finishedAt / 1000,
      busy_seconds: attempt.busySeconds,
      outcome: attempt.outcome,
      reason: attempt.reason,
    };
    return TRACE_COLUMNS.map((column) => values[column]).join("\t");
  });
  return { text: `${[TRACE_COLUMNS.join("\t"), ...rows].join("\n")}\n`, ratio: simulation.ratio };
}

for (const name of ["F2", "F3", "F5"]) {
  test(`a recorded run of ${name} is judged as it was, and runs again as well`, () => {
    const { text, ratio } = traceOf(name);
    const { recorded, fleet, job, lanes } = replayOf(parseTrace(text, "trace.tsv"), name);
    // Overhead counts as work in a trace; what one call in a slow-down hides is another per cent.
    assert.ok(Math.abs(recorded.ratio - ratio) < 0.025, `${recorded.ratio}, in truth ${ratio}`);
    assert.equal(lanes.length, 8);
    const { simulation } = simulate(fleet, { idealSeconds: 60, seed: 2, job });
    assert.ok(simulation.ratio < 1.03, `${simulation.ratio}`);
    const svg = timelineSvg({ title: "<&>", lanes, endMs: 60_000, boundMs: 59_000 });
    assert.ok(svg.startsWith("<svg ") && svg.endsWith("</svg>\n") && !svg.includes("<&>"));
    const colored = svg.match(/fill="#3b6ea8"/g)?.length ?? 0;
    assert.ok(colored > 40, `${colored} batches drawn`);
  });
}

test("a broken trace is refused with its line", () => {
  const header = TRACE_COLUMNS.join("\t");
  assert.throws(() => parseTrace("", "t.tsv"), /t\.tsv:1: no column "worker"/);
  assert.throws(() => parseTrace(`${header}\n`, "t.tsv"), /no attempts/);
  const row = "1\tw\td\tmany\t10\t10\t0\t1\t1\tcommitted\ttail";
  assert.throws(
    () => parseTrace(`${header}\n${row}\n`, "t.tsv"),
    /t\.tsv:2: "many" in column tasks/,
  );
});
