/** What a person sees of a run while it runs. */
import type { RunId, RunProgress } from "./events.ts";
import { fleetSpeed, horizonSeconds } from "./horizon.ts";
import type { Core } from "./state.ts";

/** Counts and the ideal time left; undefined once the run has ended or if it never was. */
export function progressOf(core: Core, id: RunId): RunProgress | undefined {
  const run = core.runs.get(id);
  if (run === undefined) return undefined;
  return {
    submitted: run.tasks.count,
    committed: run.committedCount,
    quarantined: run.quarantinedCount,
    costSubmitted: run.submittedCost,
    costCommitted: run.committedCost,
    devices: run.servings.size,
    costPerSecond: fleetSpeed(run),
    idealSeconds: horizonSeconds(core, run) ?? 0,
  };
}
