/**
 * The bridge's gRPC service, client side, in the project's own types.
 *
 * Owns: the channel, its TLS, its token and its deadlines. Generated types stop here.
 */
import { type Client, type Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { RaysidueError } from "../base/errors.ts";
import {
  DAEMON_STATES,
  type DaemonSpec,
  type DaemonState,
  type DaemonStatus,
  type KnownDaemon,
  type RayNode,
  type RunFilePiece,
  type ShippedFile,
} from "./bridge-messages.ts";
import { bearer, createClient } from "./channel.ts";
import { BridgeClient, type DaemonStatus as WireStatus } from "./gen/raysidue/v1/bridge.ts";
import { fromStatus } from "./status.ts";
import { clientCredentials, type TlsFiles } from "./tls.ts";

export interface BridgeOptions {
  /** `HOST:PORT` */
  readonly address: string;
  readonly token: string;
  /** Absent: no TLS. */
  readonly tls?: TlsFiles | undefined;
}

/** For what Ray answers from its tables. */
const ANSWER_MS = 15_000;
/** Installing a file unpacks it on a node's disk. */
const INSTALL_MS = 330_000;

type Reply<T> = (error: ServiceError | null, reply: T) => void;
type Method<Request, T> = (
  request: Request,
  metadata: Metadata,
  options: { deadline: number },
  reply: Reply<T>,
) => unknown;

/** A connection to a bridge. Methods throw RaysidueError; see bridge.proto for what they do. */
export class BridgeConnection {
  readonly #client: BridgeClient;
  readonly #options: BridgeOptions;

  constructor(options: BridgeOptions) {
    this.#options = options;
    const { address, tls } = options;
    this.#client = createClient(BridgeClient as never, address, clientCredentials(tls));
  }

  hello(
    answerMs = ANSWER_MS,
  ): Promise<{ readonly rayVersion: string; readonly pythonVersion: string }> {
    return this.#call(this.#client.hello, {}, answerMs);
  }

  async listNodes(): Promise<readonly RayNode[]> {
    return (await this.#call(this.#client.listNodes, {}, ANSWER_MS)).nodes;
  }

  async startDaemon(
    spec: DaemonSpec,
    options: { readonly replace: boolean; readonly timeoutSeconds: number },
  ): Promise<DaemonStatus> {
    const { timeoutSeconds, replace } = options;
    const wire = {
      ...spec,
      arguments: [...spec.arguments],
      environment: { ...spec.environment },
      files: spec.files.map(encodeFile),
      pipPackages: [...spec.pipPackages],
      addresses: [...spec.addresses],
    };
    const deadlineMs = timeoutSeconds * 1000 + ANSWER_MS;
    const request = { spec: wire, replace, timeoutSeconds };
    return decodeStatus(await this.#call(this.#client.startDaemon, request, deadlineMs));
  }

  /** Absent `fleet`: the daemons of all fleets. */
  async findDaemons(fleet = ""): Promise<readonly DaemonStatus[]> {
    const { daemons } = await this.#call(this.#client.findDaemons, { fleet }, 3 * ANSWER_MS);
    return daemons.map(decodeStatus);
  }

  async followDaemons(
    known: readonly KnownDaemon[],
    seconds: number,
  ): Promise<readonly DaemonStatus[]> {
    const request = { daemons: [...known], seconds };
    const deadlineMs = seconds * 1000 + 3 * ANSWER_MS;
    const { daemons } = await this.#call(this.#client.followDaemons, request, deadlineMs);
    return daemons.map(decodeStatus);
  }

  async stopDaemon(name: string, graceSeconds: number): Promise<DaemonStatus> {
    const deadlineMs = graceSeconds * 1000 + 3 * ANSWER_MS;
    return decodeStatus(
      await this.#call(this.#client.stopDaemon, { name, graceSeconds }, deadlineMs),
    );
  }

  async requestResources(bundles: readonly Readonly<Record<string, number>>[]): Promise<void> {
    const request = { bundles: bundles.map((resources) => ({ resources: { ...resources } })) };
    await this.#call(this.#client.requestResources, request, ANSWER_MS);
  }

  async holdsFile(digest: string): Promise<boolean> {
    return (await this.#call(this.#client.holdsFile, { digest }, ANSWER_MS)).isHeld;
  }

  async addPiece(piece: {
    readonly digest: string;
    readonly index: number;
    readonly isLast: boolean;
    readonly data: Buffer;
  }): Promise<void> {
    try {
      await this.#call(this.#client.addPiece, piece, 4 * ANSWER_MS);
    } catch (thrown) {
      const { message, cause } = thrown as RaysidueError;
      if ((cause as ServiceError | undefined)?.code !== status.RESOURCE_EXHAUSTED) throw thrown;
      const advice =
        "something on the way limits messages to less than the 8 MiB of a piece; raise its limit, " +
        "or have code (--package) and models on the nodes";
      throw new RaysidueError("unavailable", `${message}; ${advice}`, { cause });
    }
  }

  async missingFiles(name: string, files: readonly ShippedFile[]): Promise<readonly string[]> {
    const request = { name, files: files.map(encodeFile) };
    return (await this.#call(this.#client.missingFiles, request, 3 * ANSWER_MS)).digests;
  }

  async installFile(name: string, file: ShippedFile): Promise<void> {
    await this.#call(this.#client.installFile, { name, file: encodeFile(file) }, INSTALL_MS);
  }

  async readFile(name: string, path: string, offset: number): Promise<RunFilePiece> {
    return this.#call(this.#client.readFile, { name, path, offset }, 3 * ANSWER_MS);
  }

  close(): void {
    (this.#client as Client).close();
  }

  #call<Request, T>(method: Method<Request, T>, request: Request, deadlineMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + deadlineMs };
      const metadata = bearer(this.#options.token);
      method.call(this.#client, request, metadata, options, (error, reply) => {
        if (error === null) resolve(reply);
        else reject(this.#explain(error));
      });
    });
  }

  #explain(error: ServiceError): RaysidueError {
    const peer = `bridge at ${this.#options.address}`;
    const failure = fromStatus(error, peer);
    if (failure.code !== "unauthenticated") return failure;
    const text = `the ${peer} refused the token; set RAYSIDUE_TOKEN to the one it was started with`;
    return new RaysidueError("unauthenticated", text, { cause: error });
  }
}

const STATES: ReadonlySet<string> = new Set(DAEMON_STATES);

function encodeFile(file: ShippedFile) {
  return { ...file, entries: [...file.entries] };
}

function decodeStatus(wire: WireStatus): DaemonStatus {
  // A state of a newer bridge is nothing one can rely on.
  const state = STATES.has(wire.state) ? (wire.state as DaemonState) : "lost";
  return { ...wire, state };
}
