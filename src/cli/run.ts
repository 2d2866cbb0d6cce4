/**
 * `raysidue run`: the runs on a scheduler, and those that were left on a Ray cluster.
 */
import type { Command } from "@commander-js/extra-typings";
import type { DetachedRun, DetachedRuns } from "../driver/detached/detached-run.ts";
import { EXIT_QUARANTINED, printJson } from "./exit.ts";

const ADDRESS = "grpc:// of a scheduler; bridge://, ray:// or http:// of a Ray cluster";
const CLUSTER = "of the Ray cluster: bridge://, ray:// or http://";

export function addRunCommand(program: Command): void {
  const run = program.command("run").description("the runs on a scheduler or a Ray cluster");
  addList(run);
  addShow(run);
  addWait(run);
  addExplain(run);
  addCancel(run);
  addHost(run);
}

function addList(run: Command): void {
  run
    .command("list")
    .description("open runs and how far they are; on a Ray cluster: those left by --detach")
    .requiredOption("--address <url>", ADDRESS)
    .option("--json", "one JSON value on standard output")
    .action(async ({ address, json }) => {
      if (isOfScheduler(address)) {
        await using session = await connectTo(address);
        const { runs } = await session.status();
        if (json) return printJson({ runs });
        for (const { runId, kind, model, name, progress } of runs) {
          const done = `${progress?.committed ?? 0} of ${progress?.submitted ?? 0}`;
          process.stdout.write(`${[runId, kind, model, done, name].join("\t")}\n`);
        }
        return;
      }
      await using runs = await leftAt(address);
      const all = await runs.list();
      if (json) return printJson({ runs: all.map(described) });
      for (const each of all) process.stdout.write(`${textOf(each)}\n`);
    });
}

function addShow(run: Command): void {
  run
    .command("show <run>")
    .description("how far a run is that was left on a Ray cluster")
    .requiredOption("--address <url>", CLUSTER)
    .option("--json", "one JSON value on standard output")
    .action(async (name, { address, json }) => {
      await using runs = await leftAt(address);
      const found = await runs.find(name);
      if (json) return printJson(described(found));
      process.stdout.write(`${textOf(found)}\n`);
    });
}

function addWait(run: Command): void {
  run
    .command("wait <run>")
    .description("wait for a run that was left on a Ray cluster and bring its results home")
    .requiredOption("--address <url>", CLUSTER)
    .option("-o, --output <folder>", "where results go (default: where its command said)")
    .option("--json", "one JSON value on standard output")
    .action(async (name, { address, output, json }) => {
      const [{ abortOnSignals }, { resolve }] = await Promise.all([
        import("./signals.ts"),
        import("node:path"),
      ]);
      using interrupt = abortOnSignals();
      try {
        await using runs = await leftAt(address);
        const { signal } = interrupt;
        const onLine = (line: string) => process.stderr.write(`${line}\n`);
        const ended = await runs.wait(name, { signal, onLine });
        const folder = resolve(output ?? ended.manifest.outputFolder);
        process.exitCode = ended.exit;
        if (ended.state === "done") await runs.fetch(ended, folder);
        else process.stderr.write(`run ${ended.run} failed; \`run cancel\` removes it there\n`);
        if (json) printJson({ ...described(ended), output_folder: folder, exit: ended.exit });
        else if (ended.exit === 0 || ended.exit === EXIT_QUARANTINED) {
          process.stdout.write(`${folder}\n`);
        }
      } catch (thrown) {
        interrupt.report(thrown, { isJson: json === true });
      }
    });
}

function addExplain(run: Command): void {
  run
    .command("explain <run> [subject]")
    .description(
      "why a record ran where and when, or why a device idled: of a finished run by its output " +
        "folder (subject: a record's id or a device), of an open one by --address and its id " +
        "(subject: a task's number or a device)",
    )
    .option("--address <url>", "the scheduler of an open run, grpc://HOST:PORT")
    .option("--json", "one JSON value on standard output")
    .action(async (run, subject, { address, json }) => {
      const lines = await explain(run, subject, address);
      if (json) return printJson({ lines });
      for (const line of lines) process.stdout.write(`${line}\n`);
    });
}

function addCancel(run: Command): void {
  run
    .command("cancel <run>")
    .description(
      "end a run; what is done is kept, and its command resumes it; of one that was left on a " +
        "Ray cluster nothing is kept",
    )
    .requiredOption("--address <url>", ADDRESS)
    .action(async (runId, { address }) => {
      if (isOfScheduler(address)) {
        await using session = await connectTo(address);
        process.stdout.write(`${await session.cancelRun(runId, "cancelled by `run cancel`")}\n`);
        return;
      }
      await using runs = await leftAt(address);
      const found = await runs.find(runId);
      await runs.drop(found);
      process.stdout.write(`${found.run}\n`);
    });
}

/** What an agent on a cluster's head starts; not for people. */
function addHost(run: Command): void {
  run
    .command("host", { hidden: true })
    .requiredOption("--folder <folder>")
    .requiredOption("--address <url>")
    .action(async ({ folder, address }) => {
      const [{ RunHost }, { runDaemon }] = await Promise.all([
        import("../driver/detached/run-host.ts"),
        import("./run-daemon.ts"),
      ]);
      const host = new RunHost(folder, address);
      process.stdout.write(`${await host.start()}\n`);
      await runDaemon({
        withParent: true,
        // Told to go: it was fetched, or is not wanted. Without its agent: it goes on with the next.
        drain: () => void host.remove(),
        close: () => void host.close(),
        closed: host.closed,
      });
    });
}

function described({ name: _, manifest, keptUntil, ...run }: DetachedRun): object {
  const { startedAt, command } = manifest;
  return { ...run, started_at: startedAt, kept_until: keptUntil || null, command };
}

function textOf({ run, state, line, keptUntil, manifest }: DetachedRun): string {
  const until = keptUntil === "" ? "-" : `until ${keptUntil}`;
  return [run, state, manifest.startedAt, until, line].join("\t");
}

async function explain(run: string, subject: string | undefined, address: string | undefined) {
  if (address === undefined) {
    const { explainOutput } = await import("../driver/api.ts");
    return explainOutput(run, subject);
  }
  await using session = await connectTo(address);
  return await session.explain(run, subject);
}

function isOfScheduler(address: string): boolean {
  return !/^(bridges?|ray|https?):/.test(address);
}

async function connectTo(address: string) {
  const { connect } = await import("../driver/api.ts");
  return connect({ address });
}

async function leftAt(address: string): Promise<DetachedRuns> {
  const { DetachedRuns } = await import("../driver/detached/detached-run.ts");
  return DetachedRuns.connect(address);
}
