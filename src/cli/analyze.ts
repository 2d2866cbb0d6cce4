/**
 * `raysidue analyze`: what a run over some inputs would take.
 */
import type { Command } from "@commander-js/extra-typings";
import type { Analysis } from "../driver/analyze.ts";
import type { FleetDevice } from "../driver/fleet-time.ts";
import { printJson } from "./exit.ts";
import { parseBytes, parseCount } from "./option-values.ts";

export function addAnalyzeCommand(program: Command): void {
  defineAnalyze(program).action(runAnalyze);
}

function defineAnalyze(program: Command) {
  return program
    .command("analyze <input...>")
    .description("what embedding sequences or, with --antigen, scoring poses would take")
    .option("-m, --model <model>", "the model that would embed (default: antiberty)")
    .option("--heavy <chain>", "of poses: chain id of the heavy chain")
    .option("--light <chain>", "of poses: chain id of the light chain (none for nanobodies)")
    .option("--antigen <chains>", "of poses: chain ids of the antigen, with commas")
    .option("--regions <file>", "numberings of your own, as for score")
    .option("-r, --recursive", "search folders below folders too")
    .option(
      "--sample <n>",
      "items that are computed to learn their cost; 0 for none",
      parseCount(0),
    )
    .option("--from <run>", "learn costs from the output folder of a past run instead")
    .option("--fleet <file>", "predict for this fleet too: a TOML file as of simulate")
    .option("--devices <n>", "predict for so many devices like these too", parseCount(1))
    .option("--engines <n>", "engine processes of the sample (default: one a core)", parseCount(1))
    .option("--threads <n>", "threads of each engine (default: 1 for poses)", parseCount(1))
    .option("--memory <size>", "memory that all engines together may use", parseBytes)
    .option("--cache-dir <folder>", "results shared by runs (default: in the user's cache)")
    .option("--no-cache", "as if nothing were known")
    .option("--offline", "never touch the network")
    .option("--json", "one JSON value on standard output");
}

type AnalyzeFlags = ReturnType<ReturnType<typeof defineAnalyze>["opts"]>;

async function runAnalyze(inputs: string[], flags: AnalyzeFlags): Promise<void> {
  const [{ connect }, { analyze }, { abortOnSignals }, path] = await Promise.all([
    import("../driver/api.ts"),
    import("../driver/analyze.ts"),
    import("./signals.ts"),
    import("node:path"),
  ]);
  using interrupt = abortOnSignals();
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  try {
    const subject = await subjectOf(inputs, flags);
    const fleet = await fleetOf(flags);
    const { engines, threads, memory, sample, from } = flags;
    await using session = await connect({
      ...(engines !== undefined && { engines }),
      ...(threads !== undefined && { threads }),
      ...(memory !== undefined && { memoryBytes: memory }),
    });
    const analysis = await analyze(session, {
      subject,
      ...(from !== undefined && { past: path.resolve(from) }),
      ...(sample !== undefined && { sample }),
      ...(fleet && { fleet }),
      ...(!flags.cache && { cacheFolder: null }),
      ...(flags.cache && flags.cacheDir && { cacheFolder: path.resolve(flags.cacheDir) }),
      signal: interrupt.signal,
      onNotice: say,
    });
    if (flags.json) printJson({ ...analysis, exit: 0 });
    else process.stdout.write(`${textOf(analysis).join("\n")}\n`);
  } catch (thrown) {
    interrupt.report(thrown, { isJson: flags.json === true });
  }
}

async function subjectOf(inputs: readonly string[], flags: AnalyzeFlags) {
  const { heavy, light, antigen, regions, model } = flags;
  const [{ posesSubject, sequencesSubject }, { RaysidueError }] = await Promise.all([
    import("../driver/analyze-subject.ts"),
    import("../base/errors.ts"),
  ]);
  const from = { inputs, isRecursive: flags.recursive === true };
  const isOffline = flags.offline === true;
  if (antigen === undefined && heavy === undefined) {
    return sequencesSubject(from, { ...(model !== undefined && { model }), isOffline });
  }
  if (antigen === undefined || heavy === undefined) {
    throw new RaysidueError("usage", "poses need both --heavy and --antigen");
  }
  const { annotatedRegions, openRegionTable } = await import("../driver/api.ts");
  return posesSubject(from, {
    chains: { heavy, antigen: antigen.split(","), ...(light !== undefined && { light }) },
    regions: regions === undefined ? annotatedRegions() : await openRegionTable(regions),
    isOffline,
  });
}

async function fleetOf({ fleet, devices }: AnalyzeFlags): Promise<FleetDevice[] | undefined> {
  if (fleet === undefined) {
    if (devices === undefined) return undefined;
    return Array.from({ length: devices }, () => ({ speed: 1, readyAtSeconds: 0 }));
  }
  const [{ parseFleet }, { fromSystemError, RaysidueError }, { readFile }] = await Promise.all([
    import("../simulate/fleet.ts"),
    import("../base/errors.ts"),
    import("node:fs/promises"),
  ]);
  const text = await readFile(fleet, "utf8").catch((thrown: unknown) => {
    throw fromSystemError(thrown, `cannot read fleet ${fleet}`);
  });
  return parseFleet(text, fleet).devices.flatMap((group) => {
    const { count, speed, joins, opening_seconds: opening } = group;
    if (typeof joins === "string") {
      const said = `${fleet}: joins = "${joins}" is a share of a time that is still to be found`;
      throw new RaysidueError("usage", `${said}; write seconds`);
    }
    return Array.from({ length: count }, () => ({ speed, readyAtSeconds: joins + opening }));
  });
}

function textOf(analysis: Analysis): string[] {
  const { kind, inputs, distinct, cached, readSeconds, scratchBytes } = analysis;
  const { costs, memory, seconds, nodes, slurm } = analysis;
  const count = (value: number) => value.toLocaleString("en-US");
  const size = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  const refused = inputs.refused > 0 ? `, ${count(inputs.refused)} refused` : "";
  const lines = [
    `${kind}: ${count(inputs.files)} files, ${count(inputs.records)} records${refused}; ` +
      `${count(distinct)} distinct, ${count(cached)} with a known result`,
    Object.entries(inputs.details)
      .map(([name, value]) => `${name.replaceAll("_", " ")} ${count(value)}`)
      .join(", "),
    `reading: ${timeOf(readSeconds)}; scratch ${size(scratchBytes)}`,
  ];
  if (memory !== undefined) {
    const { driverBytes, nodeBytes } = memory;
    lines.push(`memory: ${size(driverBytes)} for the driver, ${size(nodeBytes)} a node`);
  }
  if (costs === undefined || seconds === undefined || nodes === undefined) {
    return [...lines, "time: nothing to compute, or nothing to learn its cost from"];
  }
  const each = (1000 * analysis.cost * costs.secondsPerCost) / Math.max(1, distinct - cached);
  lines.push(
    `cost: ${each.toFixed(1)} ms an item on one of ${costs.devices} devices (${costs.from}, ` +
      `${count(costs.items)} items); ${timeOf(costs.startSeconds)} to start and end`,
    `time on one node like this: ${timeOf(seconds.oneNode)}`,
    ...(seconds.fleet === undefined ? [] : [`time on that fleet: ${timeOf(seconds.fleet)}`]),
  );
  for (const { nodes: number, seconds: time, efficiency } of seconds.byNodes) {
    const share = `${(100 * efficiency).toFixed(0)} %`;
    lines.push(`${String(number).padStart(6)} nodes: ${timeOf(time)}, ${share} of it at work`);
  }
  lines.push(
    `nodes worth asking for: ${nodes.nodes} (${timeOf(nodes.seconds)}); ` +
      `as a SLURM array: --array=${slurm?.array}`,
  );
  return lines;
}

function timeOf(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
