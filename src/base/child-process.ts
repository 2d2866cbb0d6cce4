/**
 * Children that must not outlive us, and that say one line when they are ready.
 *
 * Owns: starting a daemon of our own as a child and ending it. Invariant: the child's standard
 * input is a pipe from us, so it learns of our death however we die; `stop` asks, then forces.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { createInterface } from "node:readline";
import { RaysidueError } from "./errors.ts";

/** A daemon that is asked to stop drains; one that has not ended by then is killed. */
const STOP_MS = 5000;

export interface ChildOptions {
  /** Names the child in errors. */
  readonly what: string;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Where its standard error goes; absent: to ours. */
  readonly logPath?: string;
}

export class DaemonChild {
  readonly #child: ChildProcess;
  readonly #what: string;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  #stopping: Promise<void> | undefined;

  private constructor(child: ChildProcess, what: string) {
    this.#child = child;
    this.#what = what;
    this.exited = once(child, "exit").then(([code, signal]) => ({ code, signal }));
  }

  /** Starts `node ARGUMENTS...` and resolves with the first line it prints. */
  static async start(options: ChildOptions): Promise<{ child: DaemonChild; line: string }> {
    const stderr = options.logPath === undefined ? "inherit" : openSync(options.logPath, "a");
    const process_ = spawn(process.execPath, options.arguments, {
      env: { ...process.env, ...options.environment },
      stdio: ["pipe", "pipe", stderr],
    });
    const child = new DaemonChild(process_, options.what);
    // A child that died takes its pipe with it; that is reported through `exited`.
    process_.stdin?.on("error", () => {});
    const lines = createInterface({ input: process_.stdout! });
    const first = once(lines, "line").then(([line]) => String(line));
    const failed = child.exited.then(({ code, signal }) => {
      const where = options.logPath === undefined ? "" : `; see ${options.logPath}`;
      const text = `${options.what} ended at its start (${signal ?? `exit code ${code}`})${where}`;
      throw new RaysidueError("unavailable", text);
    });
    failed.catch(() => {});
    return { child, line: await Promise.race([first, failed]) };
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get what(): string {
    return this.#what;
  }

  /** Ends the child; resolves when it is gone. Repeated calls share one promise. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.stdin?.end();
    this.#child.kill("SIGTERM");
    const force = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    await this.exited;
    clearTimeout(force);
  }
}
