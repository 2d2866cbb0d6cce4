/**
 * The requests of a Ray Client session that have no reply yet, in order, ready to be sent again.
 *
 * Owns: numbers, chunks of replies, and up to where the server may forget its replies. Invariant: a
 * number is used once; acknowledged is only what is answered without a gap before it.
 */
import { Deferred } from "../base/deferred.ts";
import type { DataReply, DataRequest } from "../rpc/ray-client-channel.ts";

/** The server keeps every reply until it is acknowledged; Ray's own client does so every 32. */
const REPLIES_PER_ACKNOWLEDGEMENT = 32;

interface Outstanding {
  readonly reqId: number;
  /** What makes up the request, given how many chunks of its reply are here. */
  readonly messages: (chunksReceived: number) => readonly DataRequest[];
  readonly chunks: Buffer[];
  readonly reply: Deferred<DataReply>;
}

export class RequestLog {
  readonly #outstanding = new Map<number, Outstanding>();
  readonly #answered = new Set<number>();
  #lastId = 0;
  #acknowledged = 0;

  add(messages: Outstanding["messages"]): Outstanding {
    const request = {
      reqId: ++this.#lastId,
      messages,
      chunks: [],
      reply: new Deferred<DataReply>(),
    };
    this.#outstanding.set(request.reqId, request);
    return request;
  }

  /** Oldest first. */
  get all(): readonly Outstanding[] {
    return [...this.#outstanding.values()];
  }

  get isEmpty(): boolean {
    return this.#outstanding.size === 0;
  }

  /** Takes a reply or a chunk of one. Returns a number to acknowledge, if it is time. */
  take(reply: DataReply): number | undefined {
    const request = this.#outstanding.get(reply.reqId);
    // Replayed after a reconnection, and here already.
    if (request === undefined) return undefined;
    const { get } = reply;
    if (get?.valid === true && get.totalChunks > 1) {
      if (get.chunkId !== request.chunks.length) return undefined;
      request.chunks.push(get.data);
      if (request.chunks.length < get.totalChunks) return undefined;
      const whole = { ...get, data: Buffer.concat(request.chunks) };
      request.reply.resolve({ ...reply, get: whole });
    } else {
      request.reply.resolve(reply);
    }
    this.#outstanding.delete(reply.reqId);
    this.#answered.add(reply.reqId);
    return this.#acknowledge();
  }

  fail(reason: Error): void {
    for (const { reply } of this.#outstanding.values()) reply.reject(reason);
    this.#outstanding.clear();
  }

  #acknowledge(): number | undefined {
    if (this.#answered.size < REPLIES_PER_ACKNOWLEDGEMENT) return undefined;
    const before = this.#acknowledged;
    while (this.#answered.delete(this.#acknowledged + 1)) this.#acknowledged++;
    return this.#acknowledged > before ? this.#acknowledged : undefined;
  }
}
