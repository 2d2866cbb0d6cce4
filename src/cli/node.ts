/**
 * `raysidue node list`: the workers attached to a scheduler.
 */
import type { Command } from "@commander-js/extra-typings";
import { printJson } from "./exit.ts";

export function addNodeCommand(program: Command): void {
  const node = program.command("node").description("the workers attached to a scheduler");
  node
    .command("list")
    .description("workers and their devices")
    .requiredOption("--address <url>", "the scheduler, grpc://HOST:PORT")
    .option("--json", "one JSON value on standard output")
    .action(async ({ address, json }) => {
      const { connect } = await import("../driver/api.ts");
      await using session = await connect({ address });
      const status = await session.status();
      if (json) return printJson(status);
      for (const { workerId, host, pid, state, devices } of status.workers) {
        const names = devices.map((device) => device.name).join(",");
        process.stdout.write(`${[workerId, `${host}/${pid}`, state, names].join("\t")}\n`);
      }
    });
}
