/**
 * `raysidue worker start`: the worker daemon of this node, in the foreground.
 */
import type { Command } from "@commander-js/extra-typings";
import type { Command as UntypedCommand } from "commander";
import { addDeviceOptions, type DeviceFlags, deviceOptions } from "./fleet-options.ts";
import { collect, parseBytes, parseCount, parseSeconds } from "./option-values.ts";

export function addWorkerCommand(program: Command): void {
  const worker = program.command("worker").description("the daemon that hosts a node's engines");
  const start = defineStart(worker);
  addDeviceOptions(start as unknown as UntypedCommand);
  start.action(startWorker);
}

function defineStart(worker: Command) {
  return worker
    .command("start")
    .description("start this node's worker daemon; runs until it is stopped")
    .requiredOption("--address <url>", "the scheduler, grpc://HOST:PORT")
    .option("--listen <host:port>", "where drivers on other storage fetch rows", "127.0.0.1:0")
    .option("--engines <n>", "engine processes on the CPU (default: measured)", parseCount(1))
    .option("--threads <n>", "threads of each engine (default: measured)", parseCount(1))
    .option("--memory <size>", "memory that all engines together may use", parseBytes)
    .option(
      "--emulate <device>",
      "offer an emulated device instead, e.g. speed=4,overhead=10ms,cost=0.1ms; repeatable",
      collect,
    )
    .option(
      "--engine <name=command>",
      "an engine of your own: a command that serves engine.proto, or a folder with engine.py " +
        "and requirements.txt; repeatable",
      collect,
    )
    .option("--tls-cert <file>", "PEM; with --tls-key: drivers fetch rows in TLS")
    .option("--tls-key <file>", "PEM")
    .option("--tls-client-ca <file>", "PEM; drivers must have a certificate of it")
    .option("--grace <time>", "end after this long without a scheduler", parseSeconds, 60)
    .option("--max-idle <time>", "end after this long without work (default: stay)", parseSeconds)
    .option("--ends-in <time>", "this node is taken away then: get no work beyond it", parseSeconds)
    .option("--spool <folder>", "where rows wait that the driver must fetch")
    .option("--with-parent", "end when standard input closes");
}

type StartFlags = ReturnType<ReturnType<typeof defineStart>["opts"]> & DeviceFlags;

async function startWorker(options: StartFlags): Promise<void> {
  const [
    daemon,
    emulated,
    address,
    token,
    { createLog },
    { runDaemon },
    { VERSION },
    cache,
    registry,
    certificates,
  ] = await Promise.all([
    import("../worker/daemon.ts"),
    import("../worker/emulated.ts"),
    import("../driver/fleet/address.ts"),
    import("../driver/fleet/token.ts"),
    import("../base/log.ts"),
    import("./run-daemon.ts"),
    import("../base/version.ts"),
    import("../store/cache-folder.ts"),
    import("../engine/host/engine-registry.ts"),
    import("../rpc/tls.ts"),
  ]);
  const { join } = await import("node:path");
  const { host, port, isTls } = address.parseAddress(options.address);
  const schedulerTls = isTls ? await certificates.readClientTls(process.env) : undefined;
  const spoolRoot = options.spool ?? join(cache.defaultCacheFolder(), "spool");
  const worker = new daemon.WorkerDaemon({
    scheduler: `${host}:${port}`,
    schedulerTls,
    tls: await certificates.readServerTls(options),
    token: await token.userToken(),
    listen: options.listen,
    spoolFolder: join(spoolRoot, `${process.pid}`),
    graceMs: options.grace * 1000,
    idleMaxMs: options.maxIdle === undefined ? undefined : 1000 * options.maxIdle,
    endsAt: options.endsIn === undefined ? undefined : performance.now() + 1000 * options.endsIn,
    version: VERSION,
    log: createLog("worker"),
    isShortLived: options.withParent === true,
    ownEngines: (options.engine ?? []).map(registry.parseEngine),
    ...deviceOptions(options),
    emulated: (options.emulate ?? []).map(emulated.parseEmulated),
    ...(options.engines !== undefined && { engines: options.engines }),
    ...(options.threads !== undefined && { threads: options.threads }),
    ...(options.memory !== undefined && { memoryBytes: options.memory }),
  });
  await worker.start();
  process.stdout.write(`${worker.workerId}\n`);
  await runDaemon({
    withParent: options.withParent === true,
    drain: () => worker.drain("told to stop"),
    close: () => void worker.close(),
    closed: worker.closed,
  });
}
