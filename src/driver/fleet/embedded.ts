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
import { DaemonChild } from "../../base/child-process.ts";
import { Deferred } from "../../base/deferred.ts";
import { messageOf, RaysidueError } from "../../base/errors.ts";
import { makeToken } from "../../rpc/channel.ts";
import { type WorkerSetup, workerFlags } from "./worker-flags.ts";

/** How this machine's worker is sized; each is measured or detected if absent. */
export interface EmbeddedOptions extends WorkerSetup {
  readonly engines?: number;
  readonly threads?: number;
  readonly memoryBytes?: number;
  /** Where the daemons' logs go; absent: a temporary file, removed at the end. */
  readonly logPath?: string;
  /** Told what a person should read: the worker daemon was started again. */
  readonly onNotice?: (text: string) => void;
}

/** A worker daemon that dies is started again so often; more often, something is wrong with it. */
const RESTARTS_MAX = 3;

const SCHEDULER = ["scheduler", "start", "--listen", "127.0.0.1:0", "--with-parent"];
const WORKER = ["worker", "start", "--with-parent"];
/** No other worker will come; this one's devices may be ready one after the other. */
const REFUSAL_GRACE = "2s";

/** The program behind `raysidue`, of this same installation. */
const PROGRAM = fileURLToPath(new URL("../../cli/main.js", import.meta.url));

export class EmbeddedFleet {
  readonly address: string;
  readonly token: string;
  readonly #options: EmbeddedOptions;
  readonly #scheduler: DaemonChild;
  readonly #folder: string;
  readonly #logPath: string;
  readonly #broken = new Deferred<never>();
  #worker: DaemonChild | undefined;
  #isClosing = false;

  private constructor(options: EmbeddedOptions, started: Started) {
    this.address = started.address;
    this.token = started.token;
    this.#options = options;
    this.#scheduler = started.scheduler;
    this.#folder = started.folder;
    this.#logPath = started.logPath;
    // Between two runs nobody listens; the next one hears of it.
    this.#broken.promise.catch(() => {});
  }

  static async start(options: EmbeddedOptions): Promise<EmbeddedFleet> {
    const token = makeToken();
    const folder = await mkdtemp(join(tmpdir(), "raysidue-"));
    const logPath = options.logPath ?? join(folder, "log.ndjson");
    try {
      const { child: scheduler, line } = await DaemonChild.start({
        what: "scheduler",
        arguments: [PROGRAM, ...SCHEDULER, "--refusal-grace", REFUSAL_GRACE],
        environment: { RAYSIDUE_TOKEN: token },
        logPath,
      });
      const address = line.replace(/^grpc:\/\//, "");
      const fleet = new EmbeddedFleet(options, { address, token, scheduler, folder, logPath });
      void fleet.#watchScheduler();
      try {
        await fleet.#startWorker(0);
      } catch (thrown) {
        await fleet.close();
        throw thrown;
      }
      return fleet;
    } catch (thrown) {
      await rm(folder, { recursive: true, force: true });
      throw thrown;
    }
  }

  /** Rejects when the fleet cannot go on. */
  get broken(): Promise<never> {
    return this.#broken.promise;
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#worker?.stop();
    await this.#scheduler.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #watchScheduler(): Promise<void> {
    const { code, signal } = await this.#scheduler.exited;
    const how = signal ?? `exit code ${code}`;
    this.#break(`the scheduler ended (${how})`);
  }

  async #startWorker(restarts: number): Promise<void> {
    const { child } = await DaemonChild.start({
      what: "worker daemon",
      // Said, so that the user's settings for daemons by hand do not reach this one.
      arguments: [PROGRAM, ...WORKER, "--listen", "127.0.0.1:0", ...sizeFlags(this.#options)],
      environment: {
        RAYSIDUE_TOKEN: this.token,
        RAYSIDUE_ADDRESS: `grpc://${this.address}`,
      },
      logPath: this.#logPath,
    });
    this.#worker = child;
    void child.exited.then(({ code, signal }) => {
      if (this.#isClosing) return;
      const how = signal ?? `exit code ${code}`;
      if (restarts >= RESTARTS_MAX) return this.#break(`the worker daemon ended (${how})`);
      this.#options.onNotice?.(`the worker daemon ended (${how}); starting it again`);
      this.#startWorker(restarts + 1).catch((thrown) => this.#break(messageOf(thrown)));
    });
  }

  #break(reason: string): void {
    if (this.#isClosing) return;
    const text = `${reason}; see ${this.#logPath}; the same command resumes`;
    this.#broken.reject(new RaysidueError("try-again", text));
  }
}

interface Started {
  readonly address: string;
  readonly token: string;
  readonly scheduler: DaemonChild;
  readonly folder: string;
  readonly logPath: string;
}

function sizeFlags(options: EmbeddedOptions): string[] {
  const flags = workerFlags(options);
  const add = (flag: string, value: string | number | undefined) => {
    if (value !== undefined) flags.push(flag, String(value));
  };
  add("--engines", options.engines);
  add("--threads", options.threads);
  add("--memory", options.memoryBytes);
  return flags;
}
