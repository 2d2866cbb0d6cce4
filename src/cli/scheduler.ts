/**
 * `raysidue scheduler start`: the scheduler as a daemon in the foreground.
 */
import type { Command } from "@commander-js/extra-typings";
import { parseSeconds } from "./option-values.ts";

export function addSchedulerCommand(program: Command): void {
  const scheduler = program.command("scheduler").description("the daemon that places all work");
  scheduler
    .command("start")
    .description("start a scheduler; prints its address and runs until it is stopped")
    .option("--listen <host:port>", "where to listen; port 0 takes any free one", "127.0.0.1:7470")
    .option("--tls-cert <file>", "PEM; with --tls-key: TLS (grpcs://)")
    .option("--tls-key <file>", "PEM")
    .option("--tls-client-ca <file>", "PEM; workers and drivers must have a certificate of it")
    .option(
      "--refusal-grace <time>",
      "how long what no worker can compute waits for one that can (default: 30s)",
      parseSeconds,
    )
    .option("--with-parent", "end when standard input closes")
    .addHelpText(
      "after",
      "\nThe token is RAYSIDUE_TOKEN, or this user's token file, which is made if there is none.",
    )
    .action(async ({ listen, refusalGrace, withParent, ...tlsFiles }) => {
      const [
        { SchedulerServer },
        { createLog },
        { userTokenOrNew },
        { runDaemon },
        { VERSION },
        { readServerTls },
      ] = await Promise.all([
        import("../scheduler/server.ts"),
        import("../base/log.ts"),
        import("../driver/fleet/token.ts"),
        import("./run-daemon.ts"),
        import("../base/version.ts"),
        import("../rpc/tls.ts"),
      ]);
      const tls = await readServerTls(tlsFiles);
      const token = await userTokenOrNew();
      const server = new SchedulerServer({
        listen,
        token,
        tls,
        log: createLog("scheduler"),
        version: VERSION,
        ...(refusalGrace !== undefined && { refusalGraceMs: 1000 * refusalGrace }),
      });
      await server.start();
      process.stdout.write(`${tls === undefined ? "grpc" : "grpcs"}://${server.address}\n`);
      await runDaemon({
        withParent: withParent === true,
        drain: () => server.close(),
        close: () => server.close(),
        closed: server.closed,
      });
    });
}
