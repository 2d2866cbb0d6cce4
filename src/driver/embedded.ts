/**
 * The embedded fleet: a scheduler and one worker daemon, started for one session on this machine.
 *
 * Owns: their start, their token and their end. Invariant: they are the same programs that one
 * starts by hand, reached the same way; they end when this process does, however it ends.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DaemonChild } from "../base/child-process.ts";
import { RaysidueError } from "../base/errors.ts";
import { makeToken } from "../rpc/channel.ts";

/** How this machine's worker is sized; each is measured or detected if absent. */
export interface EmbeddedOptions {
  readonly engines?: number;
  readonly threads?: number;
  readonly memoryBytes?: number;
  /** Specifications of emulated devices, as `raysidue worker start --emulate` takes them. */
  readonly emulate?: readonly string[];
  /** Where the daemons' logs go; absent: a temporary file, removed at the end. */
  readonly logPath?: string;
}

/** The program behind `raysidue`, of this same installation. */
const PROGRAM = fileURLToPath(new URL("../cli/main.js", import.meta.url));

export class EmbeddedFleet {
  readonly address: string;
  readonly token: string;
  readonly #scheduler: DaemonChild;
  readonly #worker: DaemonChild;
  readonly #folder: string;

  private constructor(options: {
    address: string;
    token: string;
    scheduler: DaemonChild;
    worker: DaemonChild;
    folder: string;
  }) {
    this.address = options.address;
    this.token = options.token;
    this.#scheduler = options.scheduler;
    this.#worker = options.worker;
    this.#folder = options.folder;
  }

  static async start(options: EmbeddedOptions): Promise<EmbeddedFleet> {
    const token = makeToken();
    const folder = await mkdtemp(join(tmpdir(), "raysidue-"));
    const logPath = options.logPath ?? join(folder, "log.ndjson");
    const environment = { RAYSIDUE_TOKEN: token };
    let scheduler: DaemonChild | undefined;
    try {
      const started = await DaemonChild.start({
        what: "scheduler",
        arguments: [PROGRAM, "scheduler", "start", "--listen", "127.0.0.1:0", "--with-parent"],
        environment,
        logPath,
      });
      scheduler = started.child;
      const address = started.line.replace(/^grpc:\/\//, "");
      const { child: worker } = await DaemonChild.start({
        what: "worker daemon",
        arguments: [PROGRAM, "worker", "start", "--with-parent", ...workerFlags(options)],
        environment: { ...environment, RAYSIDUE_ADDRESS: started.line },
        logPath,
      });
      return new EmbeddedFleet({ address, token, scheduler, worker, folder });
    } catch (thrown) {
      await scheduler?.stop();
      await rm(folder, { recursive: true, force: true });
      throw thrown;
    }
  }

  /** Rejects when a daemon ends that nobody asked to end. */
  get broken(): Promise<never> {
    const watch = async (child: DaemonChild) => {
      const { code, signal } = await child.exited;
      const how = signal ?? `exit code ${code}`;
      throw new RaysidueError("try-again", `the ${child.what} ended unexpectedly (${how})`);
    };
    return Promise.race([watch(this.#scheduler), watch(this.#worker)]);
  }

  async close(): Promise<void> {
    await this.#worker.stop();
    await this.#scheduler.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function workerFlags(options: EmbeddedOptions): string[] {
  const flags: string[] = [];
  const add = (flag: string, value: string | number | undefined) => {
    if (value !== undefined) flags.push(flag, String(value));
  };
  add("--engines", options.engines);
  add("--threads", options.threads);
  add("--memory", options.memoryBytes);
  for (const device of options.emulate ?? []) add("--emulate", device);
  return flags;
}
