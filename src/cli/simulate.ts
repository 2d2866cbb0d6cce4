/**
 * `raysidue simulate`: the scheduler on a virtual fleet and clock.
 */
import type { Command } from "@commander-js/extra-typings";
import type { Replay } from "../simulate/replay.ts";
import type { Simulation } from "../simulate/simulate.ts";
import type { Lane } from "../simulate/timeline-svg.ts";
import { printJson } from "./exit.ts";
import { parseCount, parseSeconds } from "./option-values.ts";

export function addSimulateCommand(program: Command): void {
  defineSimulate(program).action(runSimulate);
}

function defineSimulate(program: Command) {
  return program
    .command("simulate [fleet]")
    .description("run the scheduler on a virtual fleet: a TOML file, or one of F1 to F12")
    .option("--ideal <time>", "the work, in time it takes without any loss", parseSeconds, 180)
    .option("--seed <n>", "of lengths, noise and network", parseCount(0), 1)
    .option("--sequences <n>", "so many sequences, whatever time they take", parseCount(1))
    .option("--svg <file>", "draw the timeline, one lane a device")
    .option("--replay <run>", "judge a recorded run (output folder or trace.tsv), and run it again")
    .option("--print-fleet", "print the fleet's file, as a start for your own, and end")
    .option("--json", "one JSON value on standard output");
}

type SimulateFlags = ReturnType<ReturnType<typeof defineSimulate>["opts"]>;

async function runSimulate(fleetName: string | undefined, flags: SimulateFlags): Promise<void> {
  if (flags.replay !== undefined) return replayRun(flags.replay, flags);
  const text = await fleetText(fleetName);
  if (flags.printFleet) return void process.stdout.write(text);
  const [{ parseFleet }, { simulate }] = await Promise.all([
    import("../simulate/fleet.ts"),
    import("../simulate/simulate.ts"),
  ]);
  const { ideal: idealSeconds, seed, sequences } = flags;
  const { simulation, world } = simulate(parseFleet(text, fleetName ?? "fleet"), {
    idealSeconds,
    seed,
    ...(sequences === undefined ? {} : { sequenceCount: sequences }),
  });
  const lanes = world.workers.map(({ name, spec, device }) => ({
    label: `${name}: ${spec.speed}x`,
    stretches: device.stretches,
  }));
  await report(simulation, { lanes, flags, recorded: undefined });
}

/** The text of a shipped fleet, or of a file. */
async function fleetText(name: string | undefined): Promise<string> {
  const [{ RaysidueError, fromSystemError }, { FLEET_NAMES, fleetText: shipped }, { readFile }] =
    await Promise.all([
      import("../base/errors.ts"),
      import("../simulate/fleets.ts"),
      import("node:fs/promises"),
    ]);
  if (name === undefined) {
    throw new RaysidueError(
      "usage",
      `name a fleet: a TOML file, or one of ${FLEET_NAMES.join(", ")}`,
    );
  }
  if (!/[./\\]/.test(name)) return shipped(name);
  try {
    return await readFile(name, "utf8");
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot read fleet ${name}`);
  }
}

async function replayRun(run: string, flags: SimulateFlags): Promise<void> {
  const [{ parseTrace }, { replayOf }, { simulate }, { readFile, stat }, { join }, errors] =
    await Promise.all([
      import("../simulate/trace.ts"),
      import("../simulate/replay.ts"),
      import("../simulate/simulate.ts"),
      import("node:fs/promises"),
      import("node:path"),
      import("../base/errors.ts"),
    ]);
  let replay: Replay;
  try {
    const path = (await stat(run)).isDirectory() ? join(run, "trace.tsv") : run;
    replay = replayOf(parseTrace(await readFile(path, "utf8"), path), `replay of ${run}`);
  } catch (thrown) {
    throw errors.fromSystemError(thrown, `cannot read the trace of ${run}`);
  }
  const { fleet, job, lanes, recorded } = replay;
  const { simulation } = simulate(fleet, { idealSeconds: flags.ideal, seed: flags.seed, job });
  await report(simulation, { lanes, flags, recorded });
}

interface Reporting {
  readonly lanes: readonly Lane[];
  readonly flags: SimulateFlags;
  /** Of a replayed run; the timeline then shows what was recorded. */
  readonly recorded: Replay["recorded"] | undefined;
}

async function report(
  simulation: Simulation,
  { lanes, flags, recorded }: Reporting,
): Promise<void> {
  if (flags.svg !== undefined) {
    const [{ timelineSvg }, { writeFileAtomically }] = await Promise.all([
      import("../simulate/timeline-svg.ts"),
      import("../base/files.ts"),
    ]);
    const { achieved_s, bound_s, ratio } = recorded ?? simulation;
    const title = `${simulation.fleet}: ${achieved_s.toFixed(2)} s, ${ratio.toFixed(4)} of the bound`;
    const times = { endMs: achieved_s * 1000, boundMs: bound_s * 1000 };
    await writeFileAtomically(flags.svg, timelineSvg({ title, lanes, ...times }));
  }
  if (flags.json) return printJson(recorded ? { ...simulation, recorded } : simulation);
  const lines = tableOf(simulation);
  if (recorded !== undefined) {
    const { achieved_s, bound_s, ratio } = recorded;
    lines.unshift(
      `recorded\t${achieved_s.toFixed(3)} s\tbound ${bound_s.toFixed(3)} s\t${ratio.toFixed(4)}`,
    );
  }
  if (flags.svg !== undefined) lines.push(flags.svg);
  process.stdout.write(`${lines.join("\n")}\n`);
}

function tableOf(simulation: Simulation): string[] {
  const { fleet, devices, sequences, batches, bound_s, achieved_s, ratio, losses } = simulation;
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  return [
    `fleet\t${fleet}, ${devices} devices, ${sequences} sequences, ${batches} batches`,
    `bound\t${bound_s.toFixed(3)} s`,
    `achieved\t${achieved_s.toFixed(3)} s`,
    `ratio\t${ratio.toFixed(4)}`,
    ...Object.entries(losses).map(
      ([name, share]) => `${name.replaceAll("_", " ")}\t${percent(share)}`,
    ),
  ];
}
