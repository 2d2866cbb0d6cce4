/**
 * `raysidue cluster`: a fleet on a Ray cluster that stays up between runs, and the bridge to it.
 */
import type { Command } from "@commander-js/extra-typings";
import type { Command as UntypedCommand } from "commander";
import { printJson } from "./exit.ts";
import { addDeviceOptions, type DeviceFlags, deviceOptions } from "./fleet-options.ts";
import { collect, parseCount, parseSeconds } from "./option-values.ts";

const ADDRESS = "bridge://HOST:7471, ray://HOST:10001 or http://HOST:8265";

export function addClusterCommand(program: Command): void {
  const cluster = program.command("cluster").description("a fleet on a Ray cluster");
  addUp(cluster);
  addScale(cluster);
  addStatus(cluster);
  addDown(cluster);
  addBridge(cluster);
}

const say = (text: string) => process.stderr.write(`${text}\n`);

async function connect(address: string) {
  const { ClusterControl } = await import("../driver/fleet/cluster-control.ts");
  const control = await ClusterControl.connect(address);
  say(control.description);
  return control;
}

interface FleetFlags extends DeviceFlags {
  readonly cpus?: number | undefined;
  readonly gpus?: number | undefined;
  readonly maxIdle?: number | undefined;
  readonly maxWait?: number | undefined;
  readonly package?: string | undefined;
  readonly emulate?: string[] | undefined;
}

function fleetOptions(flags: FleetFlags) {
  const { cpus, gpus, maxIdle, maxWait, package: packagePath, emulate } = flags;
  return {
    onNotice: say,
    ...deviceOptions(flags),
    ...(cpus !== undefined && { cpus }),
    ...(gpus !== undefined && { gpus }),
    ...(maxIdle !== undefined && { idleMaxSeconds: maxIdle }),
    ...(maxWait !== undefined && { waitMaxSeconds: maxWait }),
    ...(packagePath !== undefined && { packagePath }),
    ...(emulate !== undefined && { emulate }),
  };
}

/** A command that starts workers, with the options of FleetFlags. */
function fleetCommand<const Usage extends string>(cluster: Command, usage: Usage, text: string) {
  const command = cluster
    .command(usage)
    .description(text)
    .requiredOption("--address <url>", ADDRESS)
    .option("--cpus <n>", "CPUs of each worker (default: all of its node)", parseCount(1))
    .option("--gpus <n>", "GPUs of each worker (default: all of its node)", parseCount(0))
    .option("--max-idle <time>", "give workers back after so long without work", parseSeconds)
    .option(
      "--max-wait <time>",
      "how long workers on nodes that were asked for are waited for (default: 10m)",
      parseSeconds,
    )
    .option("--package <folder>", "raysidue on storage that nodes share (default: shipped)")
    .option("--emulate <device>", "offer emulated devices instead; repeatable", collect);
  addDeviceOptions(command as unknown as UntypedCommand);
  return command;
}

function addUp(cluster: Command): void {
  const text = "start a scheduler on the head and a worker daemon on every node; they stay";
  fleetCommand(cluster, "up", text)
    .option(
      "--min-workers <n>",
      "workers to have at least: asked of Ray's autoscaler",
      parseCount(0),
    )
    .option("--max-workers <n>", "workers to have at most", parseCount(1))
    .action(async ({ address, minWorkers, maxWorkers, ...flags }) => {
      await using control = await connect(address);
      const scheduler = await control.up({
        ...fleetOptions(flags),
        ...(minWorkers !== undefined && { workersMin: minWorkers }),
        ...(maxWorkers !== undefined && { workersMax: maxWorkers }),
      });
      process.stdout.write(`grpc://${scheduler}\n`);
    });
}

function addScale(cluster: Command): void {
  const text = "make the fleet that is up so large; more nodes are asked of Ray's autoscaler";
  fleetCommand(cluster, "scale <workers>", text).action(async (workers, { address, ...flags }) => {
    const count = parseCount(0)(workers);
    await using control = await connect(address);
    await control.scale(count, fleetOptions(flags));
  });
}

function addStatus(cluster: Command): void {
  cluster
    .command("status")
    .description("the cluster's nodes and what of raysidue is on them")
    .requiredOption("--address <url>", ADDRESS)
    .option("--json", "one JSON value on standard output")
    .action(async ({ address, json }) => {
      await using control = await connect(address);
      const state = await control.state();
      if (json) return printJson(state);
      for (const { nodeId, hostname, address, cpus, gpus, isAlive, isHead } of state.nodes) {
        const here = state.daemons.filter((daemon) => daemon.nodeId === nodeId);
        const daemons = here.map(({ fleet, role, state }) => `${fleet}/${role} ${state}`);
        const life = isAlive ? (isHead ? "head" : "alive") : "dead";
        const columns = [hostname, address, life, `${cpus} CPU`, `${gpus} GPU`, daemons.join(", ")];
        process.stdout.write(`${columns.join("\t")}\n`);
      }
    });
}

function addDown(cluster: Command): void {
  cluster
    .command("down")
    .description("end the fleet that is up; nodes keep their caches of code and models")
    .requiredOption("--address <url>", ADDRESS)
    .option("--all", "the fleets of running sessions too")
    .action(async ({ address, all }) => {
      await using control = await connect(address);
      const count = await control.down({ all: all === true });
      say(`${count} ${count === 1 ? "daemon" : "daemons"} ended`);
    });
}

function addBridge(cluster: Command): void {
  cluster
    .command("bridge")
    .description("serve bridge:// beside the head of a Ray cluster; runs until it is stopped")
    .option("--listen <host:port>", "where to listen; port 0 takes any free one", "127.0.0.1:7471")
    .option("--ray <address>", "of the cluster, as `ray.init` takes it", "auto")
    .option("--python <program>", "the Python that has Ray", "python3")
    .option("--tls-cert <file>", "PEM; with --tls-key: TLS (bridges://)")
    .option("--tls-key <file>", "PEM")
    .option("--tls-client-ca <file>", "PEM; clients must have a certificate of it")
    .addHelpText(
      "after",
      "\nThe token is RAYSIDUE_TOKEN, or this user's token file, which is made if there is none.",
    )
    .action(async ({ listen, ray, python, ...tls }) => {
      const { runBridge } = await import("../driver/fleet/bridge-process.ts");
      const pairs = [
        ["--tls-cert", tls.tlsCert],
        ["--tls-key", tls.tlsKey],
        ["--tls-client-ca", tls.tlsClientCa],
      ].filter(([, value]) => value !== undefined);
      const tlsArguments = pairs.flat() as string[];
      process.exitCode = await runBridge({
        python,
        arguments: ["--listen", listen, "--address", ray, ...tlsArguments],
      });
    });
}
