/**
 * A session: a connection to a fleet, embedded on this machine, on a cluster, or at an address.
 *
 * Owns: finding the scheduler, the token, and the life of a fleet that is the session's own (an
 * embedded one, or one on a cluster). Invariant: such a fleet starts at the first need of it (a run
 * whose results are all known starts nothing) and ends with the session.
 */
import { messageOf, RaysidueError } from "../../base/errors.ts";
import type { ClusterAddress } from "../../ray/cluster-address.ts";
import type { Progress, SchedulerStatus } from "../../rpc/messages.ts";
import { SchedulerConnection } from "../../rpc/scheduler-service.ts";
import { readClientTls, type TlsFiles } from "../../rpc/tls.ts";
import { parseAddress } from "./address.ts";
import { EmbeddedFleet, type EmbeddedOptions } from "./embedded.ts";
import type { ProvidedModel } from "./model-archive.ts";
import type { RayFleetOptions } from "./ray-fleet.ts";
import type { SlurmOptions } from "./slurm-fleet.ts";
import type { ExpectedWork } from "./slurm-size.ts";
import { findToken, userToken } from "./token.ts";

export interface ConnectOptions extends EmbeddedOptions, RayFleetOptions, SlurmOptions {
  /**
   * `grpc://HOST:PORT` of a running scheduler (`grpcs://` in TLS); `ray://`, `bridge://` or
   * `http://HOST:8265` of a Ray cluster, where a fleet is brought up; `slurm:`, worker daemons as
   * jobs. Absent: a fleet embedded on this machine.
   */
  readonly address?: string;
  /** Absent: `RAYSIDUE_TOKEN`, then this user's token file. Embedded fleets make their own. */
  readonly token?: string;
  /** Of fleets under SLURM: a folder that all nodes see. Absent: in the user's cache. */
  readonly sharedFolder?: string;
}

/** Of a fleet whose workers are started here, as jobs of this user. */
export const isSlurm = (address: string | undefined) => /^slurm:(\/\/)?$/.test(address ?? "");

/** A scheduler that does not answer within this time is reported, not waited for. */
const ANSWER_MS = 5000;

/** A fleet that ends with its session. */
interface OwnFleet {
  readonly address: string;
  readonly token: string;
  readonly broken: Promise<never>;
  /** How far a run on it is. */
  onProgress?(progress: Progress): void;
  close(): Promise<void>;
}

export class Session {
  readonly #options: ConnectOptions;
  readonly #cluster: ClusterAddress | undefined;
  readonly #models: ProvidedModel[] = [];
  #connection: Promise<SchedulerConnection> | undefined;
  #fleet: OwnFleet | undefined;
  #expected: ExpectedWork = { gflop: 0, items: 1, kind: "" };
  #token = "";
  #tls: TlsFiles | undefined;
  #closing: Promise<void> | undefined;

  /** `cluster`: what the address says, where it is a Ray cluster's. */
  constructor(options: ConnectOptions, cluster: ClusterAddress | undefined) {
    this.#options = options;
    this.#cluster = cluster;
  }

  /** Whether the fleet is this session's own: it starts at the first need and ends with it. */
  get isEmbedded(): boolean {
    return this.#options.address === undefined || this.#isSlurm || this.#cluster !== undefined;
  }

  /**
   * Makes ready what an engine needs on this machine, if the fleet is here and the engine known:
   * what is missing is made, or refused, where the user sees it. Workers elsewhere do it themselves.
   */
  async prepareEngine(name: string, onNotice: (text: string) => void): Promise<void> {
    if (this.#options.address !== undefined) return;
    const { EngineRegistry, parseEngine } = await import("../../engine/host/engine-registry.ts");
    const registry = new EngineRegistry(
      (this.#options.ownEngines ?? []).map(parseEngine),
      onNotice,
    );
    if (registry.has(name)) await registry.launch(name);
  }

  /** What the next run is going to do: a fleet that is asked for is sized by it. */
  expect(work: ExpectedWork): void {
    this.#expected = work;
  }

  /** Tells the session's own fleet how far a run on it is. */
  onProgress(progress: Progress): void {
    this.#fleet?.onProgress?.(progress);
  }

  /** Makes models known that a run is going to need: a fleet on a cluster is given their files. */
  provide(...models: readonly ProvidedModel[]): void {
    this.#models.push(...models.filter((model) => !this.#models.includes(model)));
  }

  /** The token of the fleet, once connected. */
  get token(): string {
    return this.#token;
  }

  /** For workers that speak TLS. */
  get tls(): TlsFiles | undefined {
    return this.#tls;
  }

  /**
   * Starts a fleet on this machine that a run is sure to need: its start is hidden behind what else
   * there is to do. Others are sized by their work, or there already.
   */
  startEarly(): void {
    if (this.#options.address !== undefined) return;
    // Whoever needs it hears why there is none.
    this.connection().catch(() => {});
  }

  /** Starts or finds the fleet. Throws RaysidueError: "unavailable", "unauthenticated". */
  connection(): Promise<SchedulerConnection> {
    if (this.#closing !== undefined) throw new RaysidueError("cancelled", "the session is closed");
    this.#connection ??= this.#connect();
    return this.#connection;
  }

  /** What the scheduler knows: workers, devices, runs. */
  async status(): Promise<SchedulerStatus> {
    return (await this.connection()).status(ANSWER_MS);
  }

  /** Why a task ran where and when, or why a device idled; of an open run. */
  async explain(runId: string, subject = ""): Promise<readonly string[]> {
    return (await this.connection()).explain(runId, subject);
  }

  /** Ends somebody's run; returns its whole id. */
  async cancelRun(runId: string, reason: string): Promise<string> {
    return (await this.connection()).cancelRun(runId, reason);
  }

  /** Rejects when a fleet of ours breaks; never settles for a scheduler at an address. */
  get broken(): Promise<never> {
    return this.#fleet?.broken ?? new Promise<never>(() => {});
  }

  /** Ends the connection and a fleet of ours. Repeated calls share one promise. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #connect(): Promise<SchedulerConnection> {
    const { address, token } = this.#options;
    if (this.isEmbedded) {
      const joined = await this.#joinAtOnce();
      if (joined !== undefined) return joined;
      this.#fleet = await this.#startFleet(this.#cluster);
      this.#token = this.#fleet.token;
      return new SchedulerConnection(this.#fleet.address, this.#token);
    }
    const { host, port, isTls } = parseAddress(address!);
    this.#token = token ?? (await userToken());
    this.#tls = await readClientTls(process.env);
    const tls = isTls ? this.#tls : undefined;
    const connection = new SchedulerConnection(`${host}:${port}`, this.#token, { tls });
    try {
      await connection.status(ANSWER_MS);
      return connection;
    } catch (thrown) {
      connection.close();
      throw explain(thrown, address!);
    }
  }

  /** A fleet that is up on a Ray cluster, where asking the cluster would take seconds. */
  async #joinAtOnce(): Promise<SchedulerConnection | undefined> {
    // A bridge answers at once, and knows.
    if (this.#cluster === undefined || this.#cluster.scheme.startsWith("bridge")) return undefined;
    const { joinAtOnce, joinedText } = await import("./shared-fleet.ts");
    const token = this.#options.token ?? (await findToken());
    const connection = await joinAtOnce(this.#cluster.host, token);
    if (connection === undefined) return undefined;
    this.#token = token ?? "";
    this.#options.onNotice?.(joinedText(connection.address));
    return connection;
  }

  get #isSlurm(): boolean {
    return isSlurm(this.#options.address);
  }

  async #startFleet(cluster: ClusterAddress | undefined): Promise<OwnFleet> {
    // What only clusters need is loaded for them only.
    if (this.#isSlurm) {
      const [{ SlurmFleet }, { defaultCacheFolder }, { join }] = await Promise.all([
        import("./slurm-fleet.ts"),
        import("../../store/cache-folder.ts"),
        import("node:path"),
      ]);
      const folder = this.#options.sharedFolder ?? join(defaultCacheFolder(), "slurm");
      return SlurmFleet.start({ options: this.#options, work: this.#expected, folder });
    }
    if (cluster === undefined) return EmbeddedFleet.start(this.#options);
    const { RayFleet } = await import("./ray-fleet.ts");
    return RayFleet.start({
      address: cluster,
      userToken: this.#options.token ?? (await findToken()),
      models: this.#models,
      options: this.#options,
    });
  }

  async #close(): Promise<void> {
    const connection = await this.#connection?.catch(() => undefined);
    connection?.close();
    await this.#fleet?.close();
  }
}

function explain(thrown: unknown, address: string): RaysidueError {
  if (thrown instanceof RaysidueError && thrown.code === "unauthenticated") {
    const text = `the scheduler at ${address} refused the token; set RAYSIDUE_TOKEN to the one it was started with`;
    return new RaysidueError("unauthenticated", text, { cause: thrown });
  }
  const advice = "start one with `raysidue scheduler start` or check the address";
  const tls = address.startsWith("grpcs:")
    ? `; or it and these certificates do not trust each other (RAYSIDUE_TLS_CA, _CERT, _KEY): ${messageOf(thrown)}`
    : "; one that speaks TLS has an address that begins with grpcs://";
  const text = `no scheduler answers at ${address}; ${advice}${tls}`;
  return new RaysidueError("unavailable", text, { cause: thrown });
}
