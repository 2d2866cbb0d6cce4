/**
 * A Ray cluster reached through Ray Client: for clusters where nothing of ours runs beside the head.
 *
 * The operations (cluster/bridge/operations.py) travel as source text and live as an actor of our
 * session on the head; what they start is detached and outlives it. Owns: the session, which is
 * made anew when it is over. Invariant: a call that fails with its session is not repeated here;
 * the caller knows whether that is safe.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { z } from "zod";
import { RaysidueError } from "../base/errors.ts";
import type { DaemonSpec, KnownDaemon, ShippedFile } from "../rpc/bridge-messages.ts";
import type { SessionOptions } from "./client-handshake.ts";
import { ClientSession } from "./client-session.ts";
import { type FilePiece, PLACE_SECONDS, type RayCluster, type StartOptions } from "./cluster.ts";
import {
  digestsSchema,
  emptySchema,
  heldSchema,
  nodesSchema,
  readAnswer,
  runFilePieceSchema,
  statusesSchema,
  statusSchema,
} from "./daemon-json.ts";
import { PyCall, PyGlobal, PySource, PyTuple } from "./pickle-value.ts";

const OPERATIONS = new URL("../../../cluster/bridge/operations.py", import.meta.url);
const AGENT = new URL("../../../cluster/bridge/agent.py", import.meta.url);
/** Long polls of one driver; the bridge has as many for all drivers. */
const CALLS_MAX = 32;

interface Connection {
  readonly session: ClientSession;
  /** The actor's id. */
  readonly operations: Buffer;
}

export class ClientCluster implements RayCluster {
  readonly description: string;
  readonly #options: SessionOptions;
  #connection: Promise<Connection>;

  private constructor(options: SessionOptions, connection: Connection) {
    const { rayVersion } = connection.session;
    this.description = `Ray ${rayVersion} through Ray Client at ${options.address}`;
    this.#options = options;
    this.#connection = Promise.resolve(connection);
  }

  /** Throws RaysidueError "unavailable", "unauthenticated", "try-again". */
  static async connect(options: SessionOptions): Promise<ClientCluster> {
    return new ClientCluster(options, await openConnection(options));
  }

  async nodes() {
    return (await this.#call("listNodes", {}, nodesSchema)).nodes;
  }

  startDaemon(spec: DaemonSpec, options: StartOptions = {}) {
    const { replace = false, timeoutSeconds = PLACE_SECONDS } = options;
    return this.#call("startDaemon", { spec, replace, timeoutSeconds }, statusSchema);
  }

  async findDaemons(fleet = "") {
    return (await this.#call("findDaemons", { fleet }, statusesSchema)).daemons;
  }

  async followDaemons(known: readonly KnownDaemon[], seconds: number) {
    const request = { daemons: known, seconds };
    return (await this.#call("followDaemons", request, statusesSchema)).daemons;
  }

  stopDaemon(name: string, graceSeconds: number) {
    return this.#call("stopDaemon", { name, graceSeconds }, statusSchema);
  }

  async requestResources(bundles: readonly Readonly<Record<string, number>>[]) {
    const request = { bundles: bundles.map((resources) => ({ resources })) };
    await this.#call("requestResources", request, emptySchema);
  }

  async holdsFile(digest: string) {
    return (await this.#call("holdsFile", { digest }, heldSchema)).isHeld;
  }

  async addPiece({ digest, index, isLast, data }: FilePiece) {
    await this.#call("addPiece", { digest, index, isLast }, emptySchema, data);
  }

  async missingFiles(name: string, files: readonly ShippedFile[]) {
    return (await this.#call("missingFiles", { name, files }, digestsSchema)).digests;
  }

  async installFile(name: string, file: ShippedFile) {
    await this.#call("installFile", { name, file }, emptySchema);
  }

  async readFile(name: string, path: string, offset: number) {
    const { data, sizeBytes } = await this.#call(
      "readFile",
      { name, path, offset },
      runFilePieceSchema,
    );
    return { data: Buffer.from(data, "base64"), sizeBytes };
  }

  async close(): Promise<void> {
    const connection = await this.#connection.catch(() => undefined);
    await connection?.session.close();
  }

  async #call<T>(method: string, request: object, schema: z.ZodType<T>, data?: Buffer): Promise<T> {
    const { session, operations } = await this.#connected();
    const args = [method, JSON.stringify(request), ...(data === undefined ? [] : [data])];
    const answer = await session.call(operations, "call", args);
    return readAnswer(answer, schema, this.#where);
  }

  get #where(): string {
    return `Ray Client at ${this.#options.address}`;
  }

  /** The connection, made anew if its session is over. */
  async #connected(): Promise<Connection> {
    const current = this.#connection;
    const connection = await current.catch(() => undefined);
    if (connection !== undefined && connection.session.over === undefined) return connection;
    if (connection?.session.over?.code === "cancelled") throw connection.session.over;
    if (this.#connection === current) this.#connection = openConnection(this.#options);
    return this.#connection;
  }
}

/** A session, and our operations as an actor of it on the head. */
async function openConnection(options: SessionOptions): Promise<Connection> {
  const [operationsSource, agentSource] = await Promise.all([
    readFile(fileURLToPath(OPERATIONS), "utf8"),
    readFile(fileURLToPath(AGENT), "utf8"),
  ]);
  const session = await ClientSession.open(options);
  try {
    const source = new PySource(operationsSource, "__raysidue_operations__", "Operations");
    const classId = await session.put(source);
    const actorOptions = {
      num_cpus: 0,
      max_concurrency: CALLS_MAX,
      scheduling_strategy: onNode(await headNode(session)),
    };
    const operations = await session.createActor(classId, [agentSource], actorOptions);
    return { session, operations };
  } catch (thrown) {
    await session.close();
    throw thrown;
  }
}

/** The head lives as long as the cluster does. */
async function headNode(session: ClientSession): Promise<string> {
  const nodes = JSON.parse(await session.nodesJson()) as readonly {
    readonly NodeID: string;
    readonly Alive: boolean;
    readonly Resources?: Readonly<Record<string, number>>;
  }[];
  const head = nodes.find(
    ({ Alive, Resources }) => Alive && Resources?.["node:__internal_head__"] !== undefined,
  );
  if (head !== undefined) return head.NodeID;
  throw new RaysidueError("try-again", "the Ray cluster has no head node that lives");
}

function onNode(nodeId: string): PyCall {
  const affinity = new PyGlobal("ray.util.scheduling_strategies", "NodeAffinitySchedulingStrategy");
  return new PyCall(affinity, new PyTuple([nodeId, false]));
}
