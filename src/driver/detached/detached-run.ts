/**
 * Runs that are left on a Ray cluster: handed over whole, found again, brought home.
 *
 * Owns: what is handed over (input, code with the driver in it, models, the command) and what comes
 * back. On the head an agent keeps the run (run-host.ts) until it is fetched; this machine may be
 * off meanwhile. Invariant: results are removed there only when they are whole here.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, open, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fromSystemError, RaysidueError } from "../../base/errors.ts";
import { ensureFolder } from "../../base/files.ts";
import { headOf, type RayCluster } from "../../ray/cluster.ts";
import {
  type ClusterAddress,
  DASHBOARD_PORT,
  parseClusterAddress,
} from "../../ray/cluster-address.ts";
import { DaemonBoard } from "../../ray/daemon-board.ts";
import { Supplies, startDaemon } from "../../ray/daemon-start.ts";
import { openCluster } from "../../ray/open-cluster.ts";
import { rayToken } from "../../ray/ray-settings.ts";
import { STOP_RUN_SECONDS, stopFleet } from "../../ray/stop-fleet.ts";
import type { DaemonStatus, RayNode } from "../../rpc/bridge-messages.ts";
import { readClientTls } from "../../rpc/tls.ts";
import { findToken } from "../fleet/token.ts";
import { type CargoRequest, packRun } from "./run-cargo.ts";
import {
  type HostedStatus,
  hostedSchema,
  manifestSchema,
  type RunManifest,
} from "./run-manifest.ts";

const FLEET = "detached-";
const POLL_MS = 1000;

export interface DetachRequest extends CargoRequest {
  readonly onNotice: (text: string) => void;
}

export interface DetachedRun extends HostedStatus {
  readonly run: string;
  /** Of the agent that keeps it. */
  readonly name: string;
  readonly manifest: RunManifest;
}

export class DetachedRuns {
  readonly #cluster: RayCluster;
  readonly #address: ClusterAddress;
  readonly #token: string | undefined;

  private constructor(cluster: RayCluster, address: ClusterAddress, token: string | undefined) {
    this.#cluster = cluster;
    this.#address = address;
    this.#token = token;
  }

  /** Throws RaysidueError "usage" for an address that is none of a Ray cluster. */
  static async connect(text: string): Promise<DetachedRuns> {
    const address = parseClusterAddress(text);
    if (address === undefined) {
      const forms =
        "bridge://HOST:7471, bridges://, ray://HOST:10001, http://HOST:8265 or https://";
      throw new RaysidueError("usage", `--address ${text}: runs can be left at ${forms}`);
    }
    const token = await findToken();
    const cluster = await openCluster(address, { token, environment: process.env });
    return new DetachedRuns(cluster, address, token);
  }

  get description(): string {
    return this.#cluster.description;
  }

  /** Hands a run over; resolves with its name when its driver runs on the head. */
  async leave(request: DetachRequest): Promise<string> {
    const run = randomBytes(4).toString("hex");
    const head = await headOf(this.#cluster);
    const folder = await mkdtemp(join(tmpdir(), "raysidue-"));
    const board = new DaemonBoard(this.#cluster, request.onNotice);
    try {
      const archives = await packRun(run, request, folder);
      const supplies = new Supplies(archives, "", { hasDriver: true });
      const spec = await this.#specOf(run, head);
      await startDaemon({ cluster: this.#cluster, board, supplies, node: head, spec });
      return run;
    } catch (thrown) {
      await stopFleet(this.#cluster, FLEET + run).catch(() => {});
      throw thrown;
    } finally {
      await board.close();
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** All runs on the cluster that are kept for somebody. */
  async list(): Promise<readonly DetachedRun[]> {
    const daemons = await this.#cluster.findDaemons();
    const kept = daemons.filter(({ role, state }) => role === "run" && state !== "ended");
    const read = await Promise.all(kept.map((daemon) => this.#read(daemon)));
    return read.filter((run) => run !== undefined);
  }

  /** Throws RaysidueError "bad-input" where there is no such run. */
  async find(run: string): Promise<DetachedRun> {
    const all = await this.list();
    const found = all.filter((each) => each.run.startsWith(run));
    if (found.length === 1) return found[0]!;
    const known = all.map((each) => each.run).join(", ") || "none";
    const text = `run ${run}: ${found.length === 0 ? "not" : "not the only one"} on this cluster`;
    throw new RaysidueError("bad-input", `${text}; those there: ${known}`);
  }

  /** Resolves when the run has ended; `onLine` is told what its driver says meanwhile. */
  async wait(
    run: string,
    { signal, onLine }: { signal: AbortSignal; onLine: (line: string) => void },
  ): Promise<DetachedRun> {
    const { name } = await this.find(run);
    let told = "";
    for (;;) {
      const now = await this.#readKnown(name);
      if (now.line !== told) onLine(now.line);
      told = now.line;
      if (now.state !== "running") return now;
      await delay(POLL_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) {
        throw new RaysidueError(
          "cancelled",
          `run ${now.run} goes on; the same command waits again`,
        );
      }
    }
  }

  /** Brings a run's results to `folder`; nothing of it is left on the cluster then. */
  async fetch(run: DetachedRun, folder: string): Promise<void> {
    for (const { path, sizeBytes } of run.files) {
      if (path.split("/").includes("..")) continue;
      await this.#copy(run, `${run.run}/out/${path}`, sizeBytes, join(folder, path));
    }
    await this.drop(run);
  }

  /** Ends a run, if it still goes on, and removes what it left. */
  async drop({ name }: DetachedRun): Promise<void> {
    await this.#cluster.stopDaemon(name, STOP_RUN_SECONDS);
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #specOf(run: string, head: RayNode) {
    const { scheme, host, port } = fromInside(this.#address);
    const ofRay = await rayToken(process.env);
    const { RAY_AUTH_MODE } = process.env;
    return {
      fleet: FLEET + run,
      role: "run" as const,
      arguments: ["run", "host", "--folder", `{runs}/${run}`, "--address", `${scheme}://{address}`],
      environment: {
        ...(this.#token !== undefined && { RAYSIDUE_TOKEN: this.#token }),
        ...(ofRay !== undefined && { RAY_AUTH_TOKEN: ofRay }),
        ...(RAY_AUTH_MODE !== undefined && { RAY_AUTH_MODE }),
        ...(scheme === "bridges" && (await tlsEnvironment(host))),
        // All models were brought.
        HF_HUB_OFFLINE: "1",
      },
      // What we call the cluster may be a tunnel's end, which the head does not have.
      addresses: [`${head.address}:${port}`, `127.0.0.1:${port}`, `${host}:${port}`],
      asksAutoscaler: false,
      cpus: 0,
      gpus: 0,
    };
  }

  /** Undefined where its files are not there: it begins just now, or its time is over. */
  async #read({ name }: DaemonStatus): Promise<DetachedRun | undefined> {
    return this.#readKnown(name).catch((thrown: unknown) => {
      if (thrown instanceof RaysidueError && thrown.code === "unavailable") return undefined;
      throw thrown;
    });
  }

  async #readKnown(name: string): Promise<DetachedRun> {
    const run = name.split(":")[1]!.slice(FLEET.length);
    const json = async (file: string) => JSON.parse(await this.#readText(name, `${run}/${file}`));
    const manifest = manifestSchema.parse(await json("manifest.json"));
    const status = hostedSchema.parse(await json("status.json"));
    return { ...status, run, name, manifest };
  }

  async #readText(name: string, path: string): Promise<string> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.#pieces(name, path)) pieces.push(piece);
    return Buffer.concat(pieces).toString("utf8");
  }

  async #copy(run: DetachedRun, from: string, sizeBytes: number, to: string): Promise<void> {
    try {
      await ensureFolder(dirname(to));
      // Under its own name only when it is whole.
      const incoming = `${to}.incoming`;
      const file = await open(incoming, "w");
      try {
        for await (const piece of this.#pieces(run.name, from)) await file.write(piece);
        await file.sync();
      } finally {
        await file.close();
      }
      const { size } = await stat(incoming);
      if (size !== sizeBytes) {
        throw new RaysidueError("try-again", `${from}: ${size} of ${sizeBytes} bytes arrived`);
      }
      await rename(incoming, to);
    } catch (thrown) {
      throw fromSystemError(thrown, `cannot write ${to}`);
    }
  }

  async *#pieces(name: string, path: string): AsyncGenerator<Uint8Array> {
    for (let offset = 0; ; ) {
      const { data, sizeBytes } = await this.#cluster.readFile(name, path, offset);
      if (data.length > 0) yield data;
      offset += data.length;
      if (offset >= sizeBytes || data.length === 0) return;
    }
  }
}

/** A proxy speaks TLS for a dashboard; the dashboard itself, which the head reaches, plain HTTP. */
function fromInside(address: ClusterAddress): ClusterAddress {
  if (address.scheme !== "https") return address;
  return { ...address, scheme: "http", port: DASHBOARD_PORT };
}

/** For a driver on the head: what is trusted and shown here, and by which name the bridge is known. */
async function tlsEnvironment(host: string): Promise<Record<string, string>> {
  const { authority, certificate, key, serverName } = await readClientTls(process.env);
  const pem = (name: string, bytes: Buffer | undefined) =>
    bytes === undefined ? {} : { [name]: bytes.toString("utf8") };
  return {
    RAYSIDUE_TLS_SERVER_NAME: serverName ?? host.replace(/^\[|\]$/g, ""),
    ...pem("RAYSIDUE_TLS_CA", authority),
    ...pem("RAYSIDUE_TLS_CERT", certificate),
    ...pem("RAYSIDUE_TLS_KEY", key),
  };
}
