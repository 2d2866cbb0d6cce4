/**
 * `raysidue model list | pull | verify`: the models on this machine.
 */
import type { Command } from "@commander-js/extra-typings";
import type { LocatedModel } from "../model/locate.ts";
import { printJson } from "./exit.ts";

export function addModelCommand(program: Command): void {
  const model = program.command("model").description("the models on this machine");
  model
    .command("list")
    .description("known models and which of them are here")
    .option("--json", "one JSON value on standard output")
    .action(async ({ json }) => {
      const [{ listModels }, { formatBytes }] = await Promise.all([
        import("../model/inventory.ts"),
        import("../base/units.ts"),
      ]);
      const models = await listModels();
      if (json) return printJson({ models });
      for (const { name, state, sizeBytes, folder } of models) {
        const size = sizeBytes > 0 ? formatBytes(sizeBytes) : "";
        process.stdout.write(`${[name, state, size, folder ?? ""].join("\t")}\n`);
      }
    });
  model
    .command("pull <model>")
    .description("fetch a model and check every file's digest")
    .option("--offline", "never touch the network")
    .option("--json", "one JSON value on standard output")
    .action(async (name, { offline, json }) => {
      const [{ pullAny }, { showPull }, { abortOnSignals }] = await Promise.all([
        import("../model/pull.ts"),
        import("./pull-progress.ts"),
        import("./signals.ts"),
      ]);
      using interrupt = abortOnSignals();
      let located: Awaited<ReturnType<typeof pullAny>>;
      try {
        located = await pullAny(name, {
          offline: offline === true,
          onProgress: showPull(name),
          signal: interrupt.signal,
        });
      } catch (thrown) {
        return interrupt.report(thrown, { isJson: json === true });
      }
      const { folder, fingerprint } = located;
      const facts = { model: located.name, folder, fingerprint };
      if (json) {
        const more = "dim" in located ? sequenceFacts(located) : {};
        return printJson({ ...facts, ...more });
      }
      process.stderr.write(`${located.name}: complete and checked\n`);
      process.stdout.write(`${folder ?? ""}\n`);
    });
  model
    .command("verify <model>")
    .description("read a model's files again and compare their digests")
    .option("--json", "one JSON value on standard output")
    .action(async (name, { json }) => {
      const { verifyModel } = await import("../model/inventory.ts");
      const report = await verifyModel(name);
      if (!report.isRight) process.exitCode = 65;
      if (json) return printJson(report);
      for (const { name: file, state, actual } of report.files) {
        process.stdout.write(`${[state, file, actual].join("\t")}\n`);
      }
      if (report.problem !== null) process.stderr.write(`${report.problem}\n`);
      if (!report.isRight) process.stderr.write(`pull it again: raysidue model pull ${name}\n`);
    });
}

/** What only a model of sequences has. */
function sequenceFacts({ dim, maxResidues }: LocatedModel) {
  return { dim, maxResidues };
}
