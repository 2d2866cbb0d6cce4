/**
 * An engine process, seen from the daemon that feeds it.
 *
 * Owns: the child, its socket in a private folder, and its log's tail. Invariant: when a handle is
 * closed, killed or its child died, child, socket and folder are gone and every run is settled. Any
 * command that serves engine.proto can be an engine. Deliberately not here: restarting (worker/).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Deferred } from "../../base/deferred.ts";
import { fromSystemError, RaysidueError } from "../../base/errors.ts";
import { makeToken } from "../../rpc/channel.ts";
import type { EngineOpened, EngineOpening, MicroBatchResult } from "../../rpc/engine-codec.ts";
import { EngineConnection } from "../../rpc/engine-service.ts";
import { LogTail } from "./log-tail.ts";

/** How an engine's process is started. */
export interface EngineLaunch {
  /** Program and arguments; absent: our own engine process. `--socket PATH` is added. */
  readonly command?: readonly string[];
  /** Added to our own. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface EngineSpec extends EngineOpening, EngineLaunch {
  /** Each line that the engine prints. */
  readonly onLog?: (line: string) => void;
}

export interface EngineExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last lines it printed, in one string. */
  readonly logTail: string;
}

/** An engine that has not opened its model by then hangs: 15B parameters from a slow disk take long. */
const OPEN_MS = 15 * 60_000;
/** An engine asked to end may be in the middle of a call, which takes seconds at most. */
const CLOSE_MS = 5_000;

const OWN_ENGINE = fileURLToPath(new URL("../process.js", import.meta.url));

/**
 * Starts an engine and opens its model. Throws RaysidueError: the engine's own where it refuses,
 * "unavailable" where it cannot be started, "try-again" where it died or hung on the way.
 */
export async function startEngine(spec: EngineSpec): Promise<EngineHandle> {
  const folder = await makePrivateFolder();
  const engine = new EngineHandle(spec, folder);
  try {
    await engine.open();
    return engine;
  } catch (thrown) {
    await engine.kill();
    throw thrown;
  }
}

/** Mode 0700, and short: a Unix socket's path may have 107 bytes. */
async function makePrivateFolder(): Promise<string> {
  const parent = tmpdir().length > 60 ? "/tmp" : tmpdir();
  try {
    return await mkdtemp(join(parent, "raysidue-engine-"));
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot create a folder in ${parent}`);
  }
}

export class EngineHandle {
  /** Settles when the process is gone and its folder removed. Never rejects. */
  readonly exited: Promise<EngineExit>;
  readonly #spec: EngineSpec;
  readonly #what: string;
  readonly #child: ChildProcess;
  readonly #connection: EngineConnection;
  readonly #socket: string;
  readonly #tail = new LogTail();
  #isGone = false;
  #opened: EngineOpened = { description: "", tokensMax: 1, itemTokensMax: 0 };
  #closing: Promise<void> | undefined;

  /** Use `startEngine`. */
  constructor(spec: EngineSpec, folder: string) {
    this.#spec = spec;
    this.#what = `engine ${spec.engine}`;
    const token = makeToken();
    this.#socket = join(folder, "engine.sock");
    const [program, ...rest] = spec.command ?? [process.execPath, OWN_ENGINE];
    this.#child = spawn(program!, [...rest, "--socket", this.#socket], {
      env: { ...process.env, ...spec.environment, RAYSIDUE_TOKEN: token },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#connection = new EngineConnection(`unix:${this.#socket}`, token, this.#what);
    this.exited = this.#watch(folder);
  }

  get description(): string {
    return this.#opened.description;
  }

  /** Largest micro-batch in padded tokens. */
  get tokensMax(): number {
    return this.#opened.tokensMax;
  }

  /** Largest item that fits, in tokens; 0: the engine judges each item itself. */
  get itemTokensMax(): number {
    return this.#opened.itemTokensMax;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  async open(): Promise<void> {
    const late = new Deferred<never>();
    const timer = setTimeout(() => {
      late.reject(
        new RaysidueError("try-again", `${this.#what}: not open after ${OPEN_MS / 60_000} min`),
      );
    }, OPEN_MS);
    const died = this.exited.then((exit) => {
      throw this.#deathOf(exit);
    });
    died.catch(() => {});
    const opened = waitForSocket(this.#socket, () => this.#isGone).then((isListening) =>
      isListening ? this.#connection.open(this.#spec) : died,
    );
    opened.catch(() => {});
    try {
      this.#opened = await Promise.race([opened, died, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Rows of `items` in their order. A second call may be made before the first is settled; it waits
   * in the engine. Throws a retryable RaysidueError with the log's tail where the engine died.
   */
  async run(items: readonly Uint8Array[]): Promise<MicroBatchResult> {
    try {
      return await this.#connection.run(items);
    } catch (thrown) {
      // The stream breaks a moment before the process is known to be dead; the death says more.
      if (!(thrown instanceof RaysidueError) || thrown.code !== "try-again") throw thrown;
      const waiting = delay(CLOSE_MS, undefined, { ref: false });
      const exit = await Promise.race([this.exited, waiting]);
      throw exit === undefined ? thrown : this.#deathOf(exit);
    }
  }

  /** Asks the engine to end, then forces it. Runs under way are rejected. Repeated calls share one promise. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#connection.close();
    this.#child.stdin?.end();
    const force = setTimeout(() => this.#child.kill("SIGKILL"), CLOSE_MS);
    await this.exited;
    clearTimeout(force);
  }

  /** Ends the engine at once. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #watch(folder: string): Promise<EngineExit> {
    const child = this.#child;
    // A pipe to a child that died breaks; `exited` reports the death.
    child.stdin?.on("error", () => {});
    for (const stream of [child.stdout, child.stderr]) {
      this.#tail.follow(stream!, this.#spec.onLog);
    }
    const exit = await once(child, "close").then(
      ([code, signal]) => ({ code, signal, logTail: this.#tail.text }),
      (thrown: Error) => ({ code: null, signal: null, logTail: thrown.message }),
    );
    this.#isGone = true;
    this.#connection.fail(this.#deathOf(exit));
    this.#connection.close();
    await rm(folder, { recursive: true, force: true });
    return exit;
  }

  #deathOf({ code, signal, logTail }: EngineExit): RaysidueError {
    if (this.#closing !== undefined)
      return new RaysidueError("cancelled", `${this.#what} was closed`);
    if (this.#child.pid === undefined) {
      return new RaysidueError("unavailable", `${this.#what} cannot be started: ${logTail}`);
    }
    const hint = signal === "SIGKILL" ? " (out of memory?)" : "";
    const said = `${this.#what} died with ${signal ?? `exit code ${code}`}${hint}`;
    const tail = logTail === "" ? "" : `: ${logTail.replace(/\s*\n\s*/g, "; ")}`;
    return new RaysidueError("try-again", said + tail);
  }
}

/** A refused gRPC connection is tried again after a second; a socket is tried every 5 ms. */
const SOCKET_RETRY_MS = 5;

/** Resolves to whether somebody listens at `path`: true once it is so, false once `isGone`. */
async function waitForSocket(path: string, isGone: () => boolean): Promise<boolean> {
  while (!isGone()) {
    const socket = createConnection(path);
    const isListening = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    socket.destroy();
    if (isListening) return true;
    await delay(SOCKET_RETRY_MS);
  }
  return false;
}
