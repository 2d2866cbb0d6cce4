/**
 * A user of the command line with a home of their own: runs the compiled program, starts daemons.
 *
 * Owns: a temporary folder that is home, cache, model cache and temporary folder of every process
 * started here. Invariant: when the sandbox is disposed of, no process of it lives and nothing of
 * it is left in its temporary folder; otherwise the test fails.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { processesWith, type SeenProcess, until } from "./processes.ts";

export const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));
const PROGRAM = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

/** Where models for tests are kept from one test run to the next; ignored by git. */
export const MODEL_CACHE = join(
  process.env.RAYSIDUE_TEST_CACHE ?? join(REPOSITORY, ".cache", "test"),
  "hub",
);

/** The tiny ESM-2 of the test data. */
export const TINY_MODEL = join(REPOSITORY, "test", "data", "esm2-tiny");

/** Longer than any run of these tests by far; a hanging command fails its test, not the whole. */
const COMMAND_MS = 120_000;

/** A daemon serves for as long as its test may last. */
const DAEMON_MS = 600_000;

/** A daemon that is told to end does so well within this. */
const STOP_MS = 10_000;

export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Given to its standard input, which is then closed; absent: closed at once. "open": left open. */
  readonly input?: string | Uint8Array | "open";
  /** Program and arguments that run it, e.g. `unshare -m`. */
  readonly through?: readonly string[];
  /** Killed when it takes longer; absent: COMMAND_MS. */
  readonly timeoutMs?: number;
}

export interface Ended {
  /** Exit code, or the signal's name. */
  readonly exit: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command under way, in a process group of its own. */
export class Command {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = "";
  stderr = "";

  constructor(child: ChildProcess, options: CommandOptions) {
    this.child = child;
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    // A program that ends without reading breaks the pipe; its exit says why.
    child.stdin!.on("error", () => {});
    if (options.input !== "open") child.stdin!.end(options.input ?? "");
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? COMMAND_MS);
    this.ended = once(child, "close").then(([code, signal]) => {
      clearTimeout(timer);
      return { exit: code ?? signal, stdout: this.stdout, stderr: this.stderr };
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The match of `pattern` in what it has printed so far or prints yet. */
  async printed(pattern: RegExp, where: "stdout" | "stderr" = "stdout"): Promise<RegExpExecArray> {
    return until(`${pattern} on ${where}`, () => {
      const match = pattern.exec(this[where]);
      if (match !== null) return match;
      if (!this.isRunning) throw new Error(`ended without ${pattern}: ${this.stderr}`);
      return undefined;
    });
  }

  /** Signals the command alone; `group` signals all that it started, as a terminal's Ctrl-C does. */
  kill(signal: NodeJS.Signals, to: "itself" | "group" = "itself"): void {
    process.kill(to === "group" ? -this.pid : this.pid, signal);
  }

  /** Ends it with SIGTERM, or SIGKILL where that does not help, and waits. */
  async stop(): Promise<Ended> {
    if (!this.isRunning) return this.ended;
    this.kill("SIGTERM");
    // A test that failed may have left it stopped.
    this.kill("SIGCONT");
    const force = setTimeout(() => this.kill("SIGKILL"), STOP_MS);
    const ended = await this.ended;
    clearTimeout(force);
    return ended;
  }
}

export class Sandbox implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "rsd-"));
  readonly #word = `RAYSIDUE_TEST_SANDBOX=${randomBytes(8).toString("hex")}`;
  readonly #commands: Command[] = [];
  /** Tests that kill processes with -9 expect their temporary folders to be left. */
  mayLeaveTemporaries = false;

  constructor() {
    mkdirSync(this.path("tmp"));
    mkdirSync(this.path("home"));
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** Writes a file, with its folders, and returns its path. */
  write(name: string, content: string | Uint8Array): string {
    const path = this.path(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  read(...names: string[]): string {
    return readFileSync(this.path(...names), "utf8");
  }

  /** Starts `raysidue ARGUMENTS`. */
  start(args: readonly string[], options: CommandOptions = {}): Command {
    return this.startProgram([process.execPath, PROGRAM, ...args], options);
  }

  startProgram(program: readonly string[], options: CommandOptions = {}): Command {
    const [file, ...rest] = [...(options.through ?? []), ...program];
    const child = spawn(file!, rest, {
      cwd: options.cwd ?? this.folder,
      env: { ...this.#environment(), ...options.environment },
      stdio: "pipe",
      detached: true,
    });
    const command = new Command(child, options);
    this.#commands.push(command);
    return command;
  }

  /** Runs `raysidue ARGUMENTS` to its end. */
  run(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
    return this.start(args, options).ended;
  }

  /** Runs a command that must end with exit code `exit`. */
  async expect(
    exit: number | string,
    args: readonly string[],
    options: CommandOptions = {},
  ): Promise<Ended> {
    const ended = await this.run(args, options);
    assert.equal(ended.exit, exit, `raysidue ${args.join(" ")}\n${ended.stdout}${ended.stderr}`);
    return ended;
  }

  /** Starts a scheduler; resolves with its address. */
  async startScheduler(
    options: CommandOptions & { readonly listen?: string } = {},
  ): Promise<{ scheduler: Command; address: string }> {
    const listen = options.listen ?? "127.0.0.1:0";
    const scheduler = this.start(["scheduler", "start", "--listen", listen], {
      timeoutMs: DAEMON_MS,
      ...options,
    });
    const [address] = await scheduler.printed(/^grpc:\/\/\S+$/m);
    return { scheduler, address };
  }

  /** Starts a worker; resolves when the scheduler has taken it. */
  async startWorker(
    address: string,
    flags: readonly string[] = [],
    options: CommandOptions = {},
  ): Promise<Command> {
    const args = ["worker", "start", "--address", address, ...flags];
    const worker = this.start(args, { timeoutMs: DAEMON_MS, ...options });
    await worker.printed(/attached/, "stderr");
    return worker;
  }

  /** A scheduler and one worker, for tests that only need some fleet. */
  async startFleet(flags: readonly string[] = []): Promise<string> {
    const { address } = await this.startScheduler();
    await this.startWorker(address, flags);
    return address;
  }

  /** Living processes of this sandbox whose command line matches `pattern`. */
  processes(pattern = /./): SeenProcess[] {
    return processesWith(this.#word).filter(({ command }) => pattern.test(command));
  }

  /** Ends every daemon; fails the test where a process or a temporary file outlives that. */
  async [Symbol.asyncDispose](): Promise<void> {
    const daemons = this.#commands.filter((command) => command.isRunning);
    // Workers first: a worker that loses its scheduler looks for it a while.
    for (const daemon of daemons.reverse()) await daemon.stop();
    try {
      const left = await until(
        "end of all processes",
        () => (this.processes().length === 0 ? [] : undefined),
        8_000,
      ).catch(() => this.processes());
      for (const { pid } of left) process.kill(pid, "SIGKILL");
      assert.deepEqual(left, [], "processes outlived the test");
      if (!this.mayLeaveTemporaries) {
        assert.deepEqual(readdirSync(this.path("tmp")), [], "temporary files were left");
      }
    } finally {
      rmSync(this.folder, { recursive: true, force: true });
    }
  }

  #environment(): NodeJS.ProcessEnv {
    const [name, word] = this.#word.split("=");
    const passed = Object.entries(process.env).filter(([key]) =>
      /^(PATH|LANG|LC_.*|PIP_.*|SSL_.*|NODE_EXTRA_CA_CERTS|.*_proxy)$/i.test(key),
    );
    return {
      ...Object.fromEntries(passed),
      [name!]: word,
      HOME: this.path("home"),
      TMPDIR: this.path("tmp"),
      RAYSIDUE_CACHE_DIR: this.path("cache"),
      HF_HOME: this.path("hf"),
    };
  }
}
