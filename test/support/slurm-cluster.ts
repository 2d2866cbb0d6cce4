/**
 * A real SLURM on this machine: munge, a controller and several node daemons, none of the system's.
 *
 * Owns: their configuration in a folder of their own, their start and their end. Invariant: nothing
 * of the machine's own SLURM is read or touched, and when the cluster is closed none of its
 * processes lives. Needs root and Debian's slurm-wlm and munge. Source of the settings: slurm.conf(5)
 * of SLURM 22.05; several slurmd on one machine: the manual's page on programming and testing.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { NodeNamespaces } from "./node-namespaces.ts";
import { until } from "./processes.ts";

const run = promisify(execFile);
const START_MS = 60_000;

/** Why there can be no SLURM here; undefined where there can. */
export function noSlurm(): string | undefined {
  if (process.getuid?.() !== 0) return "SLURM's daemons need root";
  const folders = (process.env.PATH ?? "").split(":");
  const missing = ["munged", "slurmctld", "slurmd", "sbatch"].find(
    (program) => !folders.some((folder) => existsSync(join(folder, program))),
  );
  if (missing === undefined) return undefined;
  return `no ${missing} (Debian: apt-get install slurm-wlm munge)`;
}

export class SlurmCluster implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "slurm-"));
  readonly #daemons: ChildProcess[] = [];
  #apart: NodeNamespaces | undefined;

  /** `nodes`: `c1`, `c2`, ... of two CPUs and two GPUs each, in the partition `main`. */
  static async start(nodes: number): Promise<SlurmCluster> {
    return SlurmCluster.#startWith(new SlurmCluster(), nodes);
  }

  /** Two nodes that are machines of their own, as far as processes and network go. */
  static async startApart(): Promise<SlurmCluster> {
    const cluster = new SlurmCluster();
    cluster.#apart = new NodeNamespaces(cluster.folder);
    return SlurmCluster.#startWith(cluster, cluster.#apart.names.length);
  }

  static async #startWith(cluster: SlurmCluster, nodes: number): Promise<SlurmCluster> {
    try {
      await cluster.#start(nodes);
      return cluster;
    } catch (thrown) {
      await cluster[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** What a user of this cluster has in the environment. */
  get environment(): { readonly SLURM_CONF: string } {
    return { SLURM_CONF: join(this.folder, "slurm.conf") };
  }

  /** Words to put before a command's: it then reaches the controller. */
  get through(): readonly string[] {
    return this.#apart?.beside("c1") ?? [];
  }

  /** Runs one of SLURM's commands and returns what it prints. */
  async command(program: string, ...args: string[]): Promise<string> {
    const [file, ...rest] = [...this.through, program, ...args];
    const { stdout } = await run(file!, rest, { env: { ...process.env, ...this.environment } });
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The controller last but one: node daemons tell it of their end.
    for (const daemon of this.#daemons.toReversed()) {
      if (daemon.exitCode !== null || daemon.signalCode !== null) continue;
      daemon.kill("SIGTERM");
      const force = setTimeout(() => daemon.kill("SIGKILL"), 5000);
      await once(daemon, "exit");
      clearTimeout(force);
    }
    this.#apart?.[Symbol.dispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #start(nodes: number): Promise<void> {
    const path = (name: string) => join(this.folder, name);
    for (const name of ["state", "log", "munge"]) mkdirSync(path(name), { mode: 0o700 });
    writeFileSync(path("munge/key"), crypto.getRandomValues(new Uint8Array(128)), { mode: 0o600 });
    const ports = await freePorts(nodes + 1);
    const names = Array.from({ length: nodes }, (_, i) => `c${i + 1}`);
    for (const name of names) mkdirSync(path(`spool-${name}`), { mode: 0o755 });
    writeFileSync(path("slurm.conf"), this.#configuration(names, ports));
    // No GPUs, but devices: SLURM wants a file for each, and numbers them by their names.
    for (const gpu of ["gpu0", "gpu1"]) execFileSync("mknod", [path(gpu), "c", "1", "3"]);
    const gpus = names.map((name) => `NodeName=${name} Name=gpu File=${path("gpu[0-1]")}\n`);
    writeFileSync(path("gres.conf"), gpus.join(""));
    const munge = ["socket", "pid-file", "log-file", "seed-file"].map(
      (name) => `--${name}=${path(`munge/${name}`)}`,
    );
    // Munge wants no folder that others may write in on the way to its socket; --force warns only.
    this.#daemon("munged", [
      "--foreground",
      "--force",
      `--key-file=${path("munge/key")}`,
      ...munge,
    ]);
    this.#daemon("slurmctld", ["-D", "-c"], this.through);
    for (const name of names) this.#daemon("slurmd", ["-D", "-N", name], this.#apart?.on(name));
    const isReady = async () => {
      const states = await this.command("sinfo", "--noheader", "--Node", "--format=%T").catch(
        () => "",
      );
      return (
        states
          .trim()
          .split("\n")
          .filter((state) => state === "idle").length === nodes
      );
    };
    await until("idle SLURM nodes", isReady, START_MS);
  }

  #configuration(names: readonly string[], [controller, ...ports]: readonly number[]): string {
    const path = (name: string) => join(this.folder, name);
    return [
      "ClusterName=test",
      `SlurmctldHost=${hostname()}(${this.#addressOf("c1")})`,
      `SlurmctldPort=${controller}`,
      "SlurmUser=root",
      "AuthType=auth/munge",
      `AuthInfo=socket=${path("munge/socket")}`,
      `StateSaveLocation=${path("state")}`,
      `SlurmdSpoolDir=${path("spool-%n")}`,
      `SlurmctldPidFile=${path("slurmctld.pid")}`,
      `SlurmdPidFile=${path("slurmd-%n.pid")}`,
      `SlurmctldLogFile=${path("log/slurmctld")}`,
      `SlurmdLogFile=${path("log/slurmd-%n")}`,
      ...["ProctrackType=proctrack/linuxproc", "TaskPlugin=task/none", "MpiDefault=none"],
      ...["JobAcctGatherType=jobacct_gather/none", "AccountingStorageType=accounting_storage/none"],
      ...["SelectType=select/cons_tres", "SelectTypeParameters=CR_CPU", "ReturnToService=2"],
      // Otherwise a node with more CPUs than this machine has would be invalid.
      "SlurmdParameters=config_overrides",
      ...["KillWait=5", "GresTypes=gpu"],
      ...names.map(
        (name, i) =>
          `NodeName=${name} NodeHostname=${this.#apart === undefined ? hostname() : name} ` +
          `NodeAddr=${this.#addressOf(name)} Port=${ports[i]} CPUs=2 Gres=gpu:2`,
      ),
      "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
      "",
    ].join("\n");
  }

  #addressOf(name: string): string {
    return this.#apart?.addressOf(name) ?? "127.0.0.1";
  }

  #daemon(program: string, args: readonly string[], through: readonly string[] = []): void {
    const log = openSync(join(this.folder, "log", `${program}.out`), "a");
    const [file, ...rest] = [...through, program, ...args];
    const child = spawn(file!, rest, {
      env: { ...process.env, ...this.environment },
      stdio: ["ignore", log, log],
    });
    this.#daemons.push(child);
  }
}

/** Ports that nobody listens on now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ports.push((server.address() as { port: number }).port);
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}
