/**
 * `raysidue analyze`: what a run over some inputs would take.
 */
import { type Command, Option } from "@commander-js/extra-typings";
import type { Command as UntypedCommand } from "commander";
import { fromSystemError, RaysidueError } from "../base/errors.ts";
import type { Analysis, AnalyzedStage } from "../driver/analyze/analyze.ts";
import type { Subject } from "../driver/analyze/analyze-subject.ts";
import type { FleetDevice } from "../driver/analyze/fleet-time.ts";
import { TABLE_FORMATS } from "../driver/output/table-format.ts";
import { addChainOptions, type ChainFlags, chainsOf, hasChains } from "./chain-options.ts";
import { printJson } from "./exit.ts";
import { addDeviceOptions, type DeviceFlags, deviceOptions } from "./fleet-options.ts";
import { parseBytes, parseCount, parseInteger } from "./option-values.ts";

export function addAnalyzeCommand(program: Command): void {
  defineAnalyze(program).action(runAnalyze);
}

function defineAnalyze(program: Command) {
  const command = program
    .command("analyze <input...>")
    .description(
      "what embedding sequences, annotating them (--annotate) or scoring poses (--antigen, --auto) would take",
    )
    .option("-m, --model <model>", "the model that would embed (default: antiberty)")
    .option("--per-residue", "of embedding: one vector a residue, too")
    .option("--layer <n>", "of embedding: hidden state, as for embed", parseInteger)
    .addOption(
      new Option("--dtype <dtype>", "of embedding: of the output").choices([
        "float32",
        "float16",
      ] as const),
    )
    .addOption(
      new Option("--format <format>", "of embedding: of embeddings/").choices(TABLE_FORMATS),
    )
    .option("--annotate", "sequences would be annotated");
  addChainOptions(command as unknown as UntypedCommand, "of poses: ");
  addDeviceOptions(command as unknown as UntypedCommand);
  return command
    .option("--embed-model <model>", "of poses: embeds the residues, as for score (default: none)")
    .option("--regions <file>", "of poses: numberings of your own, as for score")
    .option("-r, --recursive", "search folders below folders too")
    .option(
      "--sample <n>",
      "items that are computed to learn their cost; 0 for none (default: costs learned here in the last month, or 32)",
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

type AnalyzeFlags = ReturnType<ReturnType<typeof defineAnalyze>["opts"]> & ChainFlags & DeviceFlags;

async function runAnalyze(inputs: string[], flags: AnalyzeFlags): Promise<void> {
  // What a run loads before it begins, and since when its process is there.
  const [{ connect }, { abortOnSignals }, path] = await Promise.all([
    import("../driver/fleet/connect.ts"),
    import("./signals.ts"),
    import("node:path"),
    flags.annotate ? import("../driver/sequences/annotate.ts") : import("../driver/api.ts"),
  ]);
  const launchSeconds = performance.now() / 1000;
  const { analyze } = await import("../driver/analyze/analyze.ts");
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
      ...deviceOptions(flags),
    });
    const analysis = await analyze(session, {
      subject,
      settings: [engines, threads, memory, flags.device, flags.deviceMemory],
      launchSeconds,
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

async function subjectOf(inputs: readonly string[], flags: AnalyzeFlags): Promise<Subject> {
  const { model, format } = flags;
  const from = { inputs, isRecursive: flags.recursive === true };
  const isOffline = flags.offline === true;
  const chains = hasChains(flags) ? chainsOf(flags) : undefined;
  if (chains && flags.annotate) throw usage("--annotate is for sequences, --antigen for poses");
  const { checkInputs } = await import("../driver/plan/listings.ts");
  await checkInputs(chains ? "poses" : "sequences", inputs, from.isRecursive);
  if (chains === undefined) {
    const subjects = await import("../driver/analyze/analyze-subject.ts");
    if (flags.annotate) return subjects.annotationSubject(from);
    const { perResidue, layer, dtype } = flags;
    const parameters = {
      ...(perResidue && { perResidue }),
      ...(layer !== undefined && { layer }),
      ...(dtype && { dtype }),
    };
    const target = { ...(model !== undefined && { model }), parameters, isOffline };
    return subjects.embeddingSubject(from, { ...target, ...(format && { format }) });
  }
  const [{ posesSubject }, { openRegionTable }, { openScalars }] = await Promise.all([
    import("../driver/analyze/analyze-poses.ts"),
    import("../driver/poses/region-source.ts"),
    import("../driver/poses/embedded-scalars.ts"),
  ]);
  const { regions, embedModel = "none" } = flags;
  return posesSubject(from, {
    chains,
    ...(regions !== undefined && { regions: await openRegionTable(regions) }),
    // No folder was begun: the model is what is asked for.
    scalars: await openScalars({ model: embedModel, outputFolder: "", isOffline }),
    isOffline,
  });
}

function usage(text: string): RaysidueError {
  return new RaysidueError("usage", text);
}

async function fleetOf({ fleet, devices }: AnalyzeFlags): Promise<FleetDevice[] | undefined> {
  if (fleet === undefined) {
    if (devices === undefined) return undefined;
    return Array.from({ length: devices }, () => ({ speed: 1, readyAtSeconds: 0 }));
  }
  const [{ parseFleet }, { readFile }] = await Promise.all([
    import("../simulate/fleet.ts"),
    import("node:fs/promises"),
  ]);
  const text = await readFile(fleet, "utf8").catch((thrown: unknown) => {
    throw fromSystemError(thrown, `cannot read fleet ${fleet}`);
  });
  return parseFleet(text, fleet).devices.flatMap((group) => {
    const { count, speed, joins, opening_seconds: opening } = group;
    if (typeof joins === "string") {
      const said = `${fleet}: joins = "${joins}" is a share of a time that is still to be found`;
      throw usage(`${said}; write seconds`);
    }
    return Array.from({ length: count }, () => ({ speed, readyAtSeconds: joins + opening }));
  });
}

function textOf(analysis: Analysis): string[] {
  const { kind, inputs, distinct, cached, scratchBytes, stages, memory } = analysis;
  const { estimate, readSeconds } = inputs;
  const refused = inputs.refused > 0 ? `, ${count(inputs.refused)} refused` : "";
  const lines = [
    `${kind}: ${count(inputs.files)} files, ${count(inputs.records)} records${refused}; ` +
      `${count(distinct)} distinct, ${count(cached)} with a known result`,
    Object.entries(inputs.details)
      .map(([name, value]) => `${name.replaceAll("_", " ")} ${count(value)}`)
      .join(", "),
    `reading: ${timeOf(readSeconds)}; scratch ${size(scratchBytes)}`,
  ];
  if (estimate !== undefined) {
    const { filesRead, seed } = estimate;
    lines.push(
      `estimated from a sample of ${count(filesRead)} of ${count(inputs.files)} files ` +
        `(seed ${seed}), by their bytes; the number of files is exact`,
    );
  }
  if (memory !== undefined) {
    const { driverBytes, nodeBytes } = memory;
    lines.push(`memory: ${size(driverBytes)} for the driver, ${size(nodeBytes)} a node`);
  }
  lines.push(...stages.map(stageText));
  return [...lines, ...timesText(analysis)];
}

function stageText({ kind, items, cost, costs, seconds = 0 }: AnalyzedStage): string {
  const head = `${kind}: ${count(items)} to compute`;
  if (costs === undefined) return head;
  const each = (1000 * cost * costs.secondsPerCost) / Math.max(1, items);
  return (
    `${head}, ${each.toFixed(1)} ms each on one of ${costs.devices} devices ` +
    `(${costs.from}, ${count(costs.items)} items); ${timeOf(seconds)} here, ` +
    `of which ${timeOf(costs.startSeconds)} to start and end`
  );
}

function timesText({ seconds, nodes, slurm }: Analysis): string[] {
  if (seconds === undefined || nodes === undefined) {
    return ["time: nothing to compute, or nothing to learn its cost from"];
  }
  return [
    `time on one node like this: ${timeOf(seconds.oneNode)}, ` +
      `of which ${timeOf(seconds.launch)} for programs to start and end`,
    ...(seconds.fleet === undefined ? [] : [`time on that fleet: ${timeOf(seconds.fleet)}`]),
    ...seconds.byNodes.map(({ nodes: number, seconds: time, efficiency }) => {
      const share = `${(100 * efficiency).toFixed(0)} %`;
      return `${String(number).padStart(6)} nodes: ${timeOf(time)}, ${share} of it at work`;
    }),
    `nodes worth asking for: ${nodes.nodes} (${timeOf(nodes.seconds)}); ` +
      `as a SLURM array: --array=${slurm?.array}`,
  ];
}

const count = (value: number) => value.toLocaleString("en-US");
const size = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;

function timeOf(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
