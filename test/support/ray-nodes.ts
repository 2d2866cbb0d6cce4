/**
 * A real Ray cluster for tests: its nodes are processes in a network namespace of their own, joined
 * to this one by a virtual cable, so that nodes and driver have different addresses.
 *
 * Owns: the namespace, the folder and every process in it. Invariant: `stop` ends exactly what
 * lives in the namespace, by process id. Needs Linux, root and `ip`; `absence` says what is missing.
 */
import { execFile, execFileSync, spawn } from "node:child_process";
import { mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { repositoryRoot } from "../source-tree.fixture.ts";
import { until } from "./processes.ts";
import { type Autoscaler, autoscalerStart } from "./ray-autoscaler.ts";

const run = promisify(execFile);

/** Why no cluster can be started here; undefined: one can. */
export function absence(): string | undefined {
  if (process.platform !== "linux") return "network namespaces need Linux";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  try {
    execFileSync("ip", ["netns", "list"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "there is no usable `ip netns`";
  }
}

export interface RayProcess {
  readonly pid: number;
  readonly commandLine: string;
}

/** One cluster at a time in a process; tests run in processes of their own. */
const SUBNET = `10.${200 + (process.pid % 50)}.${(process.pid >> 6) % 256}`;
const addressOf = (node: number) => `${SUBNET}.${10 + node}`;
/** The address that the head will have, for a certificate that names it. */
export const HEAD_ADDRESS = addressOf(0);

export interface RayNodesOptions {
  readonly count: number;
  readonly cpus: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly dashboard?: boolean;
  /** Where nodes find programs; absent: where this process does. */
  readonly programs?: string;
  /** Ray starts and ends further nodes by itself. */
  readonly autoscaler?: Autoscaler;
}

export class RayNodes {
  readonly folder: string;
  readonly #namespace: string;
  readonly #bin: string;
  readonly #environment: Readonly<Record<string, string>>;
  #count = 0;

  private constructor(folder: string, bin: string, options: RayNodesOptions) {
    const { environment, programs = process.env.PATH ?? "" } = options;
    this.folder = folder;
    this.#bin = bin;
    this.#namespace = `raysidue-${process.pid}`;
    this.#environment = {
      PATH: `${bin}:${programs}`,
      HOME: join(folder, "home"),
      LANG: "C.UTF-8",
      RAY_AUTH_MODE: "disabled",
      RAY_worker_niceness: "0",
      RAY_enable_worker_prestart: "0",
      RAYSIDUE_CACHE_DIR: join(folder, "cache"),
      HF_HOME: join(folder, "hub-home"),
      TMPDIR: join(folder, "tmp"),
      ...environment,
    };
  }

  /** Starts a head and `count` - 1 nodes of `cpus` CPUs each. */
  static async start(options: RayNodesOptions): Promise<RayNodes> {
    const root = repositoryRoot();
    const { stdout } = await run(join(root, "scripts", "ray-venv"), { maxBuffer: 1 << 24 });
    // Short: Ray's sockets lie below it, and their paths are limited to 107 bytes.
    const folder = await mkdtemp("/tmp/rs-");
    const nodes = new RayNodes(folder, stdout.trim(), options);
    try {
      await nodes.#layCable();
      const { dashboard = false, autoscaler } = options;
      await nodes.add(options.cpus, { dashboard, ...(autoscaler && { autoscaler }) });
      // One after another: Ray gives up on a node that has not started within 30 s.
      for (let i = 1; i < options.count; i++) await nodes.add(options.cpus);
      return nodes;
    } catch (thrown) {
      await nodes.stop();
      throw thrown;
    }
  }

  /** This machine's address as the nodes see it. */
  get hostAddress(): string {
    return `${SUBNET}.1`;
  }

  get headAddress(): string {
    return this.addressOf(0);
  }

  get python(): string {
    return join(this.#bin, "python");
  }

  get environment(): Readonly<Record<string, string>> {
    return this.#environment;
  }

  addressOf(node: number): string {
    return addressOf(node);
  }

  /** Starts one more node; the first is the head. Resolves when Ray says that it runs. */
  async add(
    cpus: number,
    options: { readonly dashboard?: boolean; readonly autoscaler?: Autoscaler } = {},
  ): Promise<number> {
    const node = this.#count++;
    const address = this.addressOf(node);
    await this.#ip("-n", this.#namespace, "addr", "add", `${address}/24`, "dev", "veth0");
    if (options.autoscaler !== undefined) {
      // A node that Ray starts takes the address from which the world would be reached.
      await this.#ip("-n", this.#namespace, "route", "add", "default", "via", this.hostAddress);
    }
    const role =
      node === 0
        ? ["--head", "--port=6379", "--ray-client-server-port=10001", "--dashboard-host=0.0.0.0"]
        : [`--address=${this.headAddress}:6379`];
    if (node === 0) role.push(`--include-dashboard=${options.dashboard === true}`);
    if (node === 0) role.push(`--temp-dir=${join(this.folder, "ray")}`);
    const { folder } = this;
    const scaling =
      options.autoscaler && autoscalerStart(options.autoscaler, { folder, address, cpus });
    role.push(...(scaling?.arguments ?? []));
    const start = () => this.#startRay(address, cpus, role, scaling?.environment);
    await start().catch(async (thrown: unknown) => {
      if (node === 0) throw thrown;
      // A busy machine: once more, when what is left of it is gone.
      for (const { pid } of await this.find(`--node_ip_address=${address}`)) kill(pid, "SIGKILL");
      await start();
    });
    return node;
  }

  async #startRay(
    address: string,
    cpus: number,
    role: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const settings = [
      "start",
      ...role,
      `--node-ip-address=${address}`,
      `--num-cpus=${cpus}`,
      "--num-gpus=0",
      "--object-store-memory=100000000",
      "--disable-usage-stats",
    ];
    await this.exec("ray", settings, environment);
  }

  /** Runs a program of Ray's environment inside the namespace and returns its output. */
  async exec(
    program: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const { stdout } = await run(
      "ip",
      ["netns", "exec", this.#namespace, join(this.#bin, program), ...args],
      { env: { ...this.#environment, ...environment }, maxBuffer: 1 << 24, timeout: 180_000 },
    );
    return stdout;
  }

  /** Starts a program inside the namespace; its standard output is a pipe, its log a file. */
  spawn(program: string, args: readonly string[], environment: Record<string, string> = {}) {
    const log = openSync(join(this.folder, "spawned.log"), "a");
    return spawn("ip", ["netns", "exec", this.#namespace, program, ...args], {
      env: { ...this.#environment, ...environment },
      stdio: ["pipe", "pipe", log],
    });
  }

  /** The processes of the namespace. */
  async processes(): Promise<RayProcess[]> {
    const { stdout } = await run("ip", ["netns", "pids", this.#namespace]).catch(() => ({
      stdout: "",
    }));
    return stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => ({ pid: Number(line), commandLine: commandLineOf(Number(line)) }))
      .filter(({ commandLine }) => commandLine !== "");
  }

  /** Those whose command line has all of `parts`. */
  async find(...parts: readonly string[]): Promise<RayProcess[]> {
    const all = await this.processes();
    return all.filter(({ commandLine }) => parts.every((part) => commandLine.includes(part)));
  }

  /** The worker daemons on the nodes. */
  async workers(): Promise<RayProcess[]> {
    // Their janitors carry the same words, as arguments of a Python.
    const all = await this.processes();
    return all.filter(({ commandLine }) =>
      /^\S*node \S+dist\/src\/cli\/main\.js worker /.test(commandLine),
    );
  }

  /** The process that makes a node a node. */
  async raylet(node: number): Promise<number> {
    const address = this.addressOf(node);
    const [found] = await this.find("raylet/raylet", `--node_ip_address=${address}`);
    if (found === undefined) throw new Error(`node ${node} has no raylet`);
    return found.pid;
  }

  /** What of raysidue is on the nodes besides their caches: processes and temporary files. */
  async leftovers(): Promise<string[]> {
    const daemons = await this.find("dist/src/cli/main.js");
    const files = readdirSync(join(this.folder, "tmp")).filter((name) => /raysidue|rsd/.test(name));
    return [...daemons.map(({ commandLine }) => commandLine), ...files];
  }

  async stop(): Promise<void> {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      for (const { pid } of await this.processes()) kill(pid, signal);
      const ms = signal === "SIGTERM" ? 3000 : 10_000;
      const isEmpty = async () => (await this.processes()).length === 0;
      await until("end of the nodes", isEmpty, ms).catch(() => {});
    }
    await this.#ip("netns", "del", this.#namespace).catch(() => {});
    await rm(this.folder, { recursive: true, force: true });
  }

  async #layCable(): Promise<void> {
    for (const name of ["home", "cache", "tmp"]) mkdirSync(join(this.folder, name));
    const [here, there] = [`rs${process.pid}`, "veth0"];
    await this.#ip("netns", "add", this.#namespace);
    await this.#ip(
      "link",
      "add",
      here,
      "type",
      "veth",
      "peer",
      "name",
      there,
      "netns",
      this.#namespace,
    );
    await this.#ip("addr", "add", `${this.hostAddress}/24`, "dev", here);
    await this.#ip("link", "set", here, "up");
    await this.#ip("-n", this.#namespace, "link", "set", "lo", "up");
    await this.#ip("-n", this.#namespace, "link", "set", there, "up");
  }

  async #ip(...args: readonly string[]): Promise<void> {
    await run("ip", args);
  }
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already: that is what was wanted.
  }
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}
