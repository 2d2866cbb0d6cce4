/**
 * The engine's gRPC service, both sides.
 *
 * Owns: the two calls of engine.proto, order of results, and matching them to micro-batches.
 * Invariant: every micro-batch sent is settled exactly once, by its result or by an error when the
 * stream ends. Deliberately not here: processes (engine/host) and what an engine computes.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Client, Server } from "@grpc/grpc-js";
import { Deferred } from "../base/deferred.ts";
import { RaysidueError } from "../base/errors.ts";
import { bearer, createClient } from "./channel.ts";
import {
  type EngineOpened,
  type EngineOpening,
  fromWireBatch,
  fromWireResult,
  type MicroBatchResult,
  type NumberedItems,
  type NumberedResult,
  toWireBatch,
  toWireResult,
} from "./engine-codec.ts";
import {
  EngineClient,
  type EngineServer,
  EngineService,
  type MicroBatchResult as WireMicroBatchResult,
} from "./gen/raysidue/v1/engine.ts";
import { fromStatus, toStatus } from "./status.ts";
import { MessageStream } from "./stream.ts";

export interface EngineHandlers {
  readonly open: (opening: EngineOpening) => Promise<EngineOpened>;
  /** Called with one micro-batch at a time. */
  readonly run: (items: readonly Uint8Array[]) => Promise<MicroBatchResult>;
}

/** Turns of the event loop that carry a written result through HTTP/2 into the socket. */
const FLUSH_TURNS = 4;

export function addEngineService(server: Server, handlers: EngineHandlers): void {
  const service: EngineServer = {
    open: (call, callback) => {
      handlers.open(call.request).then(
        (opened) => callback(null, opened),
        (thrown: unknown) => callback(toStatus(thrown)),
      );
    },
    run: (call) => {
      const codec = { decode: fromWireBatch, encode: toWireResult };
      const stream = new MessageStream<NumberedItems, NumberedResult>(call, "worker daemon", codec);
      const serve = async () => {
        for await (const { id, items } of stream.messages()) {
          const result = await handlers.run(items);
          if (!stream.send({ id, result })) await stream.ready();
          // The next run may block the event loop for seconds; this result must not wait for it.
          for (let i = 0; i < FLUSH_TURNS; i++) await turn();
        }
      };
      serve().then(
        () => call.end(),
        (thrown: unknown) => call.emit("error", toStatus(thrown)),
      );
    },
  };
  server.addService(EngineService, service);
}

/** A result is checked against its micro-batch, so decoding waits until that is known. */
const CLIENT_CODEC = {
  decode: (wire: WireMicroBatchResult) => wire,
  encode: toWireBatch,
};

interface Waiting {
  readonly itemCount: number;
  readonly settled: Deferred<MicroBatchResult>;
}

/** A connection to one engine process. */
export class EngineConnection {
  readonly #client: EngineClient;
  readonly #what: string;
  readonly #token: string;
  /** In the order they were sent, which is the order of their results. */
  readonly #waiting = new Map<number, Waiting>();
  #stream: MessageStream<WireMicroBatchResult, NumberedItems> | undefined;
  #nextId = 1;
  #broken: unknown;

  /** `address`: `unix:PATH`. `what` names the engine in errors. */
  constructor(address: string, token: string, what: string) {
    this.#client = createClient(EngineClient as never, address);
    this.#token = token;
    this.#what = what;
  }

  /** Throws the engine's own RaysidueError where it cannot serve `opening`. */
  open(opening: EngineOpening): Promise<EngineOpened> {
    return new Promise((resolve, reject) => {
      this.#client.open(opening, bearer(this.#token), (error, reply) => {
        if (error !== null) reject(fromStatus(error, this.#what));
        else {
          const { description, tokensMax, itemTokensMax } = reply;
          resolve({ description, tokensMax, itemTokensMax });
        }
      });
    });
  }

  /** Sends a micro-batch; several may be under way, results come in order. */
  async run(items: readonly Uint8Array[]): Promise<MicroBatchResult> {
    if (this.#broken !== undefined) throw this.#broken;
    this.#stream ??= this.#connect();
    const id = this.#nextId++;
    const settled = new Deferred<MicroBatchResult>();
    this.#waiting.set(id, { itemCount: items.length, settled });
    if (!this.#stream.send({ id, items })) await this.#stream.ready();
    return settled.promise;
  }

  #connect(): MessageStream<WireMicroBatchResult, NumberedItems> {
    const call = this.#client.run(bearer(this.#token));
    const stream = new MessageStream<WireMicroBatchResult, NumberedItems>(
      call,
      this.#what,
      CLIENT_CODEC,
    );
    const read = async () => {
      for await (const message of stream.messages()) this.#settle(message);
      throw new RaysidueError("try-again", `${this.#what}: closed its stream`);
    };
    read().catch((thrown: unknown) => {
      stream.break(new RaysidueError("cancelled", "broken off"));
      this.fail(thrown);
    });
    return stream;
  }

  #settle(message: WireMicroBatchResult): void {
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) {
      throw new RaysidueError(
        "internal",
        `${this.#what}: result of unknown micro-batch ${message.id}`,
      );
    }
    this.#waiting.delete(message.id);
    try {
      waiting.settled.resolve(fromWireResult(message, waiting.itemCount));
    } catch (thrown) {
      waiting.settled.reject(thrown);
    }
  }

  /** Rejects everything under way, and every later run, with `reason`. The first reason counts. */
  fail(reason: unknown): void {
    this.#broken ??= reason;
    for (const { settled } of this.#waiting.values()) settled.reject(this.#broken);
    this.#waiting.clear();
  }

  close(): void {
    this.#stream?.end();
    (this.#client as Client).close();
  }
}
