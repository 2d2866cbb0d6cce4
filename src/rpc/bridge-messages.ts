/**
 * What a driver and a Ray cluster say to one another, in the project's own types.
 *
 * Mirrors bridge.proto; the same shapes travel as JSON where Ray Client is the way.
 */

export interface RayNode {
  /** Hex. */
  readonly nodeId: string;
  readonly address: string;
  readonly hostname: string;
  /** As Ray believes: it notices a dead node 14 to 63 s late. */
  readonly isAlive: boolean;
  readonly isHead: boolean;
  readonly cpus: number;
  readonly gpus: number;
  readonly memoryBytes: number;
}

/** A tar archive that a node may need, known by its SHA-256 (hex). */
export interface ShippedFile {
  readonly digest: string;
  /** "package": our code, into the node's cache. "hub": a model, into the node's hub cache.
   * "run": a run's input, into its folder of runs. */
  readonly kind: "package" | "hub" | "run";
  readonly sizeBytes: number;
  /** "hub", "run": if these are there, nothing need be shipped. */
  readonly entries: readonly { readonly path: string; readonly sizeBytes: number }[];
}

/**
 * A daemon as it is to run on one node. In `arguments` are replaced there: `{nodeAddress}`,
 * `{folder}` (temporary, ends with the daemon), `{runs}` (the node's folder of runs left there), `{address}` (the first of `addresses` to answer) and
 * `{layout}` (flags that keep it within its CPUs, where the machine has more).
 */
export interface DaemonSpec {
  /** `[a-z0-9-]+`: whose daemon it is. */
  readonly fleet: string;
  readonly role: "worker" | "scheduler" | "run";
  readonly nodeId: string;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** `HOST:PORT`, tried from the node before every start; none: nothing is tried. */
  readonly addresses: readonly string[];
  /** Held of Ray's resources while the agent lives. */
  readonly cpus: number;
  readonly gpus: number;
  readonly files: readonly ShippedFile[];
  /** Our installation on storage that the nodes share; empty: it is among `files`. */
  readonly packagePath: string;
  /** What is asked of Ray's autoscaler is taken back by the agent if the fleet's driver dies. */
  readonly asksAutoscaler: boolean;
  /** For the agent's environment, where a node has no Node of its own. */
  readonly pipPackages: readonly string[];
}

export const DAEMON_STATES = [
  "needs-node", // final: no Node that is new enough
  "unreachable", // final: none of the addresses answers from there
  "needs-files",
  "starting",
  "running",
  "backoff",
  "ended", // final
  "lost", // its agent does not answer
] as const;
export type DaemonState = (typeof DAEMON_STATES)[number];

export interface DaemonStatus {
  /** Of its agent. */
  readonly name: string;
  readonly fleet: string;
  readonly role: string;
  readonly nodeId: string;
  /** Grows with every change. */
  readonly version: number;
  readonly state: DaemonState;
  readonly reason: string;
  /** The first line of the daemon's standard output. */
  readonly line: string;
  /** Digests of files that are not there. */
  readonly missing: readonly string[];
  readonly pid: number;
  readonly restarts: number;
  readonly exitCode: number;
  readonly exitSignal: string;
  readonly logTail: string;
  readonly hostname: string;
  /** "linux" */
  readonly platform: string;
  /** "x86_64", "aarch64" */
  readonly architecture: string;
  /** "2.36"; empty where there is none. */
  readonly glibc: string;
  readonly niceness: number;
}

export interface KnownDaemon {
  readonly name: string;
  /** 0: nothing is known. */
  readonly version: number;
}

/** A piece of a file that a run left on a node. */
export interface RunFilePiece {
  readonly data: Uint8Array;
  /** Of the whole file. */
  readonly sizeBytes: number;
}
