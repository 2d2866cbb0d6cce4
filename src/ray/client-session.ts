/**
 * One session of Ray Client: a stream of numbered requests and replies that survives its connection.
 *
 * Modes: *opening* (init, then versions), *open*, *reconnecting* (the connection broke: the stream
 * is opened again and what has no reply is sent again under its old number), *over*. A session that
 * is over never comes back; whoever needs Ray makes another. Owns: the stream and the requests in
 * it. Deliberately not here: what is called (client-cluster.ts).
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Deferred } from "../base/deferred.ts";
import { messageOf, RaysidueError } from "../base/errors.ts";
import {
  type DataReply,
  type DataRequest,
  type DataStream,
  failureKind,
  RayClientChannel,
} from "../rpc/ray-client-channel.ts";
import {
  explainFailure,
  GRACE_SECONDS,
  handshake,
  INIT_MS,
  type Opened,
  type SessionOptions,
} from "./client-handshake.ts";
import { readPickle } from "./pickle-reader.ts";
import { PyTuple } from "./pickle-value.ts";
import { writePickle } from "./pickle-writer.ts";
import { errorOfPickle, errorOfResult } from "./ray-error.ts";
import type { RequestLog } from "./request-log.ts";

/** Ray's proxy forks in a race (ray issue 63202): about one init in fifteen fails for no reason. */
const INIT_ATTEMPTS = 4;
/** The proxy hides a dead session for the whole grace time; a direct question does not. */
const PROBE_MS = 5000;
const RECONNECT_PAUSE_MS = 300;
const CHUNK_BYTES = 5 * 1024 * 1024;

export class ClientSession {
  readonly rayVersion: string;
  readonly pythonVersion: string;
  readonly #channel: RayClientChannel;
  readonly #address: string;
  readonly #log: RequestLog;
  #stream: DataStream;
  #over: RaysidueError | undefined;
  #isClosing = false;
  readonly #ended = new Deferred<void>();
  readonly #probe: NodeJS.Timeout;

  private constructor(opened: Opened, address: string) {
    this.#channel = opened.channel;
    this.#log = opened.log;
    this.#stream = opened.stream;
    this.#address = address;
    this.rayVersion = opened.rayVersion;
    this.pythonVersion = opened.pythonVersion;
    opened.handOver((failure) => this.#onEnd(failure));
    this.#probe = setInterval(() => void this.#checkServer(), PROBE_MS);
    this.#probe.unref();
  }

  /** Throws RaysidueError "unavailable", "unauthenticated" or "try-again", saying which and why. */
  static async open(options: SessionOptions): Promise<ClientSession> {
    for (let attempt = 1; ; attempt++) {
      // A refused client id stays refused.
      const clientId = randomUUID().replaceAll("-", "");
      const channel = new RayClientChannel({ ...options, clientId });
      try {
        return new ClientSession(await handshake(channel, options), options.address);
      } catch (thrown) {
        channel.close();
        const isSpurious = thrown instanceof RaysidueError && thrown.code === "try-again";
        if (!isSpurious || attempt >= INIT_ATTEMPTS) throw thrown;
      }
    }
  }

  /** Why the session is over; undefined while it is not. */
  get over(): RaysidueError | undefined {
    return this.#over;
  }

  /** Nodes as Ray's own table has them (JSON). */
  async nodesJson(): Promise<string> {
    try {
      return await this.#channel.clusterInfo("NODES", INIT_MS);
    } catch (thrown) {
      throw explainFailure(thrown, this.#address);
    }
  }

  /** Puts a value into the object store; the id is good for this session. */
  async put(value: unknown): Promise<Buffer> {
    const data = writePickle(value);
    const reply = await this.#request(() =>
      chunked(data, (chunk) => ({ put: { ...chunk, totalSize: data.length } })),
    );
    if (reply.put === undefined) throw unexpected("put");
    if (!reply.put.valid) throw errorOfPickle(reply.put.error, "put");
    return reply.put.id;
  }

  /** Creates an actor of a class that was put; the id calls its methods and ends with the session. */
  createActor(classId: Buffer, args: readonly unknown[], options: object): Promise<Buffer> {
    return this.#task({ type: "ACTOR", payloadId: classId, options }, args);
  }

  /** Calls an actor's method and returns its result. Throws what the method threw, described. */
  async call(actorId: Buffer, method: string, args: readonly unknown[]): Promise<unknown> {
    const id = await this.#task({ type: "METHOD", payloadId: actorId, name: method }, args);
    const reply = await this.#request((chunksReceived) => [
      { get: { ids: [id], asynchronous: true, timeout: 0, startChunkId: chunksReceived } },
    ]);
    void this.#request(() => [{ release: { ids: [id] } }]).catch(() => {});
    if (reply.get === undefined) throw unexpected("get");
    if (!reply.get.valid) throw errorOfPickle(reply.get.error, method);
    const value = readPickle(reply.get.data);
    const failure = errorOfResult(value);
    if (failure !== undefined) throw failure;
    return value;
  }

  /** Ends the session: its actors that are not detached end too. */
  async close(): Promise<void> {
    if (this.#over === undefined && !this.#isClosing) {
      this.#isClosing = true;
      const cleaned = this.#request(() => [{ connectionCleanup: {} }]).catch(() => {});
      await Promise.race([cleaned, delay(PROBE_MS, undefined, { ref: false })]);
      this.#stream.end();
      await Promise.race([this.#ended.promise, delay(1000, undefined, { ref: false })]);
    }
    this.#end(new RaysidueError("cancelled", "the session was closed"));
  }

  async #task(
    task: { type: string; payloadId: Buffer; name?: string; options?: object },
    args: readonly unknown[],
  ): Promise<Buffer> {
    // What Ray cannot read ends the session: pickle first, send then.
    const data = writePickle(new PyTuple([args, {}]));
    const pickledOptions = task.options === undefined ? undefined : writePickle(task.options);
    const { clientId } = this.#channel;
    const options = pickledOptions && { options: { pickledOptions } };
    const reply = await this.#request(() =>
      chunked(data, (chunk) => ({ task: { ...task, clientId, ...chunk, ...options } })),
    );
    if (reply.taskTicket === undefined) throw unexpected("task");
    const { valid, error, returnIds } = reply.taskTicket;
    if (!valid || returnIds[0] === undefined) throw errorOfPickle(error, task.name ?? task.type);
    return returnIds[0];
  }

  #request(messages: (chunksReceived: number) => readonly DataRequest[]): Promise<DataReply> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    const request = this.#log.add(messages);
    for (const message of messages(0)) this.#stream.write(request.reqId, message);
    return request.reply.promise;
  }

  #onEnd(failure: unknown): void {
    this.#ended.resolve();
    if (this.#isClosing) return;
    const kind = failureKind(failure);
    if (failure !== undefined && kind !== "broken") {
      const text = `Ray Client at ${this.#address}: the session ended: ${messageOf(failure)}`;
      return this.#end(new RaysidueError("try-again", text, { cause: failure }));
    }
    void this.#reconnect(Date.now() + GRACE_SECONDS * 1000);
  }

  async #reconnect(deadline: number): Promise<void> {
    await delay(RECONNECT_PAUSE_MS, undefined, { ref: false });
    if (this.#over !== undefined || this.#isClosing) return;
    if (Date.now() > deadline) {
      const text = `Ray Client at ${this.#address}: not reached again within ${GRACE_SECONDS} s`;
      return this.#end(new RaysidueError("try-again", text));
    }
    this.#stream = this.#channel.open(true, {
      onReply: (reply) => this.#onReply(reply),
      onEnd: (failure) => this.#onEnd(failure),
    });
    for (const { reqId, messages, chunks } of this.#log.all) {
      for (const message of messages(chunks.length)) this.#stream.write(reqId, message);
    }
  }

  #onReply(reply: DataReply): void {
    const acknowledged = this.#log.take(reply);
    if (acknowledged !== undefined) this.#stream.write(0, { acknowledge: { reqId: acknowledged } });
  }

  async #checkServer(): Promise<void> {
    if (this.#log.isEmpty || this.#over !== undefined) return;
    try {
      await this.#channel.clusterInfo("IS_INITIALIZED", 2 * PROBE_MS);
    } catch (thrown) {
      if (failureKind(thrown) === "broken") return; // The stream notices by itself.
      const text = `Ray Client at ${this.#address}: the session's server process is gone`;
      this.#end(new RaysidueError("try-again", text, { cause: thrown }));
    }
  }

  #end(reason: RaysidueError): void {
    this.#over ??= reason;
    clearInterval(this.#probe);
    this.#log.fail(this.#over);
    this.#stream.cancel();
    this.#channel.close();
  }
}

function unexpected(what: string): RaysidueError {
  return new RaysidueError("internal", `Ray Client: a reply to ${what} of another kind`);
}

/** One message a chunk; the server joins them by their number. */
function chunked(
  data: Buffer,
  message: (chunk: { data: Buffer; chunkId: number; totalChunks: number }) => DataRequest,
): readonly DataRequest[] {
  const totalChunks = Math.max(1, Math.ceil(data.length / CHUNK_BYTES));
  return Array.from({ length: totalChunks }, (_, chunkId) => {
    const piece = data.subarray(chunkId * CHUNK_BYTES, (chunkId + 1) * CHUNK_BYTES);
    return message({ data: piece, chunkId, totalChunks });
  });
}
